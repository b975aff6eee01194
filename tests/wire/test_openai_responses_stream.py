"""A provider's stream of a response, read: errors, refusals, odd servers, and what only this format has."""

import json
from typing import Any

import pytest

from tollway.domain.events import (
    Answer,
    Event,
    Failed,
    Finished,
    NativeDelta,
    NativeFields,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from tollway.domain.generation import Usage
from tollway.wire.collect import collect
from tollway.wire.openai_responses.client import EventDecoder, decode_answer, decode_error

RESPONSE: dict[str, Any] = {"id": "resp_1", "object": "response", "model": "gpt", "status": "in_progress", "output": []}
USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}


def sse(*values: dict[str, Any] | str) -> bytes:
    lines = [value if isinstance(value, str) else f"data: {json.dumps(value)}" for value in values]
    return "".join(f"{line}\n\n" for line in lines).encode()


def created(**fields: Any) -> dict[str, Any]:
    return {"type": "response.created", "response": {**RESPONSE, **fields}}


def ended(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {**RESPONSE, "status": status, **fields}}


def delta(kind: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "delta": text, "output_index": 0, **fields}


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def read(*values: dict[str, Any] | str) -> list[Event]:
    decoder = EventDecoder()
    return [*decoder.feed(sse(*values)), *decoder.end()]


def answer_of(*values: dict[str, Any] | str) -> Answer:
    return collect(read(*values))


def test_a_plain_answer() -> None:
    """Started, a piece of text, how it ended, usage: nothing twice although the end repeats it all."""
    text = {**MESSAGE, "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
    events = read(
        created(service_tier="auto"),
        {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "content": []}},
        delta("output_text", "Hi", content_index=0, logprobs=[]),
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"},
        done(text),
        ended(output=[text], usage=USAGE, service_tier="default"),
    )
    assert [event for event in events if not isinstance(event, NativeDelta | NativeFields)] == [
        Started("resp_1", "gpt", service_tier="auto"),
        TextDelta("Hi"),
        Started(service_tier="default"),
        Finished("stop", "completed"),
        UsageReported(Usage(prompt=3, completion=2)),
    ]


@pytest.mark.parametrize(
    ("end", "reason", "native"),
    [
        (ended(), "stop", "completed"),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), "length", "max_output_tokens"),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), "content_filter", "content_filter"),
        (ended("incomplete", incomplete_details=None), "stop", "incomplete"),
    ],
)
def test_how_it_ended(end: dict[str, Any], reason: str, native: str) -> None:
    """A status and its reason -> a finish reason, in a stream and in a whole body."""
    events = read(created(), delta("output_text", "a"), end)
    assert events[-1] == Finished(reason, native)
    whole = decode_answer(json.dumps({**end["response"], "output": [{**MESSAGE, "content": []}]}).encode())
    assert isinstance(whole, Answer)
    assert whole.choices[0].finish_reason == reason


@pytest.mark.parametrize(
    ("value", "failed"),
    [
        (
            ended("failed", error={"code": "server_error", "message": "It broke."}),
            Failed(500, "It broke.", "server_error"),
        ),
        (
            ended("failed", error={"code": "rate_limit_exceeded", "message": "Slow. Try again in 1.5s."}),
            Failed(429, "Slow. Try again in 1.5s.", "rate_limit_exceeded", 1.5),
        ),
        (
            ended("failed", error={"code": "invalid_image_url", "message": "No image."}),
            Failed(400, "No image.", "invalid_image_url"),
        ),
        (ended("failed", error=None), Failed(502, "The provider's response is failed.")),
        (ended("cancelled"), Failed(502, "The provider's response is cancelled.")),
        (
            {"type": "error", "code": "server_error", "message": "Oh.", "param": None, "sequence_number": 3},
            Failed(500, "Oh.", "server_error"),
        ),
        (
            {"type": "error", "error": {"type": "invalid_request_error", "code": None, "message": "No."}},
            Failed(400, "No.", "invalid_request_error"),
        ),
        ({"error": {"message": "Down.", "code": 503}}, Failed(503, "Down.", "503")),
        ('event: error\ndata: {"message": "Odd."}', Failed(502, "Odd.")),
        ("event: error\ndata: plain words", Failed(502, "plain words")),
    ],
)
def test_failures_inside_a_stream(value: dict[str, Any] | str, failed: Failed) -> None:
    """Whatever words a provider has for it: one Failed, the last of the events."""
    events = read(created(), delta("output_text", "half"), value, delta("output_text", "never"))
    assert events[-1] == failed
    assert sum(isinstance(event, Failed) for event in events) == 1
    assert collect(events).choices[0].text == "half"


def test_a_failure_keeps_its_usage() -> None:
    """Tokens that were spent are reported before the failure."""
    events = read(created(), ended("failed", error={"code": "server_error", "message": "x"}, usage=USAGE))
    assert events[-2:] == [UsageReported(Usage(prompt=3, completion=2)), Failed(500, "x", "server_error")]


def test_a_refusal() -> None:
    """In pieces, and whole; the response is complete all the same."""
    part = {"type": "refusal", "refusal": "No."}
    streamed = answer_of(
        created(), delta("refusal", "N"), delta("refusal", "o."), done({**MESSAGE, "content": [part]}), ended()
    )
    whole = decode_answer(json.dumps({**ended()["response"], "output": [{**MESSAGE, "content": [part]}]}).encode())
    assert isinstance(whole, Answer)
    for answer in (streamed, whole):
        assert (answer.choices[0].refusal, answer.choices[0].finish_reason) == ("No.", "stop")


def test_calls_side_by_side() -> None:
    """Two calls whose pieces come in turns, each under its own index."""
    calls = [
        {"type": "function_call", "id": f"fc_{at}", "call_id": f"call_{at}", "name": "f", "arguments": ""}
        for at in (0, 1)
    ]
    events = read(
        created(),
        *({"type": "response.output_item.added", "output_index": at, "item": call} for at, call in enumerate(calls)),
        delta("function_call_arguments", '{"a":'),
        delta("function_call_arguments", "{}", output_index=1),
        delta("function_call_arguments", "1}"),
        done({**calls[0], "arguments": '{"a":1}'}),
        done({**calls[1], "arguments": "{}"}, 1),
        ended(),
    )
    found = collect(events).choices[0]
    assert [(call.id, call.arguments) for call in found.tool_calls] == [("call_0", '{"a":1}'), ("call_1", "{}")]
    assert found.finish_reason == "tool_calls"


@pytest.mark.parametrize("where", ["done", "end"])
def test_servers_that_send_no_pieces(where: str) -> None:
    """What came only with the item that is done, or only with the end, is not lost."""
    items: list[dict[str, Any]] = [
        {**MESSAGE, "content": [{"type": "output_text", "text": "Hi"}]},
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": {"a": 1}},
    ]
    pieces = [done(item, at) for at, item in enumerate(items)] if where == "done" else []
    choice = answer_of(created(), *pieces, ended(output=items)).choices[0]
    assert (choice.text, choice.finish_reason) == ("Hi", "tool_calls")
    assert choice.tool_calls[0].arguments == '{"a":1}'


def test_built_in_tools_are_carried_whole() -> None:
    """An item that only this format has goes along where it stood; its searches are counted."""
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    events = read(
        created(),
        {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws"},
        done(search),
        done({**MESSAGE, "content": [{"type": "output_text", "text": "Hi"}]}, 1),
        ended(usage=USAGE),
    )
    natives = [json.loads(bytes(e.value or b"")) for e in events if isinstance(e, NativeDelta)]
    assert natives == [search, {"type": "message", "id": "msg_1"}]
    assert events[-1] == UsageReported(Usage(prompt=3, completion=2, web_searches=1))


def test_pictures_reach_other_formats() -> None:
    """What the tool for pictures made is a picture of chat as well."""
    item = {"type": "image_generation_call", "id": "ig", "status": "completed", "result": "QUJD"}
    choice = answer_of(created(), done(item), ended()).choices[0]
    assert choice.images is not None
    assert json.loads(bytes(choice.images))[0]["image_url"]["url"] == "data:image/png;base64,QUJD"


def test_heads_commit_nothing_before_content() -> None:
    """An item that has only begun may still come from another provider."""
    added = {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "phase": "commentary"}}
    decoder = EventDecoder()
    assert decoder.feed(sse(created(), added)) == [Started("resp_1", "gpt")]
    head, text = decoder.feed(sse(delta("output_text", "Hi")))
    assert isinstance(head, NativeDelta)
    assert json.loads(bytes(head.value or b"")) == {"type": "message", "id": "msg_1", "phase": "commentary"}
    assert text == TextDelta("Hi")


def test_custom_tools() -> None:
    """Free text as input stays free text."""
    item = {"type": "custom_tool_call", "id": "ctc", "call_id": "c", "name": "sql", "input": ""}
    events = read(
        created(),
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        delta("custom_tool_call_input", "SELECT 1"),
        done({**item, "input": "SELECT 1"}),
        ended(),
    )
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert calls == [
        ToolCallDelta(0, id="c", name="sql", custom=True),
        ToolCallDelta(0, arguments="SELECT 1", custom=True),
    ]


def test_nothing_is_read_behind_the_end() -> None:
    """`[DONE]` and whatever else follows the terminal event says nothing."""
    decoder = EventDecoder()
    decoder.feed(sse(created(), delta("output_text", "a"), ended()))
    assert decoder.saw_done
    assert decoder.feed(sse("data: [DONE]", delta("output_text", "b"), ended("failed"))) == []


def test_a_stream_that_is_cut_does_not_finish() -> None:
    """Without a terminal event there is no Finished, and `saw_done` stays False."""
    decoder = EventDecoder()
    events = [*decoder.feed(sse(created(), delta("output_text", "a"))), *decoder.end()]
    assert not any(isinstance(event, Finished) for event in events)
    assert not decoder.saw_done


def test_events_that_cannot_be_read() -> None:
    """Two broken events are skipped; the third ends the answer (FAULTS.md U-15)."""
    decoder = EventDecoder()
    assert decoder.feed(sse("data: {", "data: [1]", delta("output_text", "a")))[-1] == TextDelta("a")
    assert decoder.feed(sse("data: nonsense"))[-1] == Failed(502, "The provider sent events that could not be read.")


@pytest.mark.parametrize(
    "value",
    [
        delta("output_text", "a", output_index=-1),
        delta("function_call_arguments", "{", output_index=7),
        {"type": "response.output_item.added", "output_index": 0, "item": None},
        {"type": "response.output_item.done", "output_index": 0, "item": []},
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.reasoning_summary_text.delta", "delta": None},
        {"type": "response.output_text.annotation.added", "annotation": "x"},
        {"type": "response.completed", "response": None},
        {"type": "response.completed", "response": {"output": [None, 1, {}], "usage": "x", "status": 3}},
        done({"type": "message", "content": "text"}),
        done({"type": "reasoning", "summary": {"a": 1}, "content": [None]}),
        done({"type": "function_call"}),
    ],
)
def test_nonsense_breaks_nothing(value: dict[str, Any]) -> None:
    """Fields of other types than the format's are passed over; nothing is raised."""
    for event in read(created(), value, ended()):
        assert not isinstance(event, RefusalDelta)


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (b'{"error":{"message":"No.","type":"invalid_request_error","code":null}}', (400, "No.")),
        (b"<html><body>Bad gateway</body></html>", (502, "Bad gateway")),
        (b'{"object":"chat.completion","choices":[]}', (502, "The provider's answer is not a response.")),
        (b'{"output":[', (502, "The provider's answer is not valid JSON.")),
        (
            json.dumps({**RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "x"}}).encode(),
            (500, "x"),
        ),
    ],
)
def test_bodies_that_are_no_answer(body: bytes, failed: tuple[int, str]) -> None:
    """Whole, and in place of a stream."""
    whole = decode_answer(body)
    decoder = EventDecoder()
    streamed = [*decoder.feed(body), *decoder.end()][-1]
    for found in (whole, streamed):
        assert isinstance(found, Failed)
        assert (found.status, found.message) == failed


def test_a_whole_body_in_place_of_a_stream() -> None:
    """Some servers answer a request for a stream with one JSON body."""
    text = {**MESSAGE, "content": [{"type": "output_text", "text": "Hi"}]}
    decoder = EventDecoder()
    body = json.dumps({**RESPONSE, "status": "completed", "output": [text]}).encode()
    events = [*decoder.feed(body), *decoder.end()]
    assert decoder.saw_done
    assert collect(events).choices[0].text == "Hi"


def test_errors_carry_hints() -> None:
    """A refusal over HTTP says when to come back."""
    headers = {"retry-after": "20"}
    body = b'{"error":{"message":"Slow.","type":"tokens","code":"rate_limit_exceeded"}}'
    assert decode_error(429, headers.get, body, now_s=0.0) == Failed(429, "Slow.", "rate_limit_exceeded", 20.0)
