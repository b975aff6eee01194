"""What callers of `/responses` get: bodies and streams that OpenAI's own types take, whatever format the answer was."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.wire.recordings import bodies, streams
from tollway.domain.chat import AssistantMessage
from tollway.domain.events import (
    Answer,
    Choice,
    Event,
    ExtraDelta,
    Failed,
    Finished,
    NativeDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    UsageReported,
)
from tollway.domain.generation import Usage
from tollway.wire.collect import collect
from tollway.wire.expand import expand
from tollway.wire.openai_chat.client import EventDecoder as ChatDecoder
from tollway.wire.openai_chat.client import decode_answer as decode_chat
from tollway.wire.openai_responses.client import EventDecoder, decode_answer
from tollway.wire.openai_responses.server import EventEncoder, decode_request, encode_answer, error_body, usage_json

ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 1_762_141_317, "model": "test/model", "provider": "Test"}
WHOLE: TypeAdapter[Any] = TypeAdapter(Response)
PIECE: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
USAGE = Usage(prompt=10, completion=5, cache_read=4, cache_write=2, reasoning=3)
USAGE_JSON = usage_json(USAGE, cost=2_500, prompt_cost=1_500, completion_cost=1_000)
REQUIRED = [
    "id",
    "object",
    "created_at",
    "completed_at",
    "model",
    "status",
    "output",
    "error",
    "incomplete_details",
    "instructions",
    "metadata",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "tool_choice",
    "tools",
]
"""OPENROUTER.md 6.2: a result without one of them is refused."""


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def streamed(events: Sequence[Event], **envelope: Any) -> bytes:
    """Each event by itself, then the end."""
    encoder = EventEncoder(**{**ENVELOPE, **envelope})
    return b"".join(encoder.encode([event]) for event in events) + encoder.finish(USAGE_JSON, completed_at=7)


def values(sent: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each strictly of OpenAI's types, numbered, and accepted by its accumulator."""
    found = [json.loads(line[6:]) for line in sent.decode().split("\n") if line.startswith("data: {")]
    state = ResponseStreamState[Any](input_tools=omit, text_format=omit)
    for number, value in enumerate(found):
        assert value["sequence_number"] == number
        state.handle_event(PIECE.validate_python(value, strict=True))
    return found


def kinds(sent: bytes) -> list[str]:
    return [value["type"].removeprefix("response.") for value in values(sent)]


def test_a_stream_says_everything_in_order() -> None:
    """Reasoning, then a text with a citation, then two calls at once: opened, grown, closed, and the end."""
    summary = {"type": "reasoning.summary", "id": "rs_1", "format": "openai-responses-v1", "index": 0}
    note = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0}}
    sent = streamed(
        [
            Started("up-1", "m", service_tier="priority"),
            ReasoningDelta("Hm", details=(raw({**summary, "summary": "Hm"}),)),
            ReasoningDelta("m.", details=(raw({**summary, "summary": "m."}),)),
            ReasoningDelta(details=(raw({"type": "reasoning.encrypted", "id": "rs_1", "data": "x", "index": 1}),)),
            TextDelta("Yes"),
            ExtraDelta(annotations=raw([note])),
            TextDelta("."),
            ToolCallDelta(0, id="call_a", name="f", arguments="{"),
            ToolCallDelta(1, id="call_b", name="g", arguments="{}"),
            ToolCallDelta(0, arguments="}"),
            Finished("tool_calls", "completed"),
            UsageReported(USAGE),
        ]
    )
    assert kinds(sent) == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    response = values(sent)[-1]["response"]
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call", "function_call"]
    reasoning, message, first, second = response["output"]
    assert (reasoning["id"], reasoning["encrypted_content"]) == ("rs_1", "x")
    assert reasoning["summary"] == [{"type": "summary_text", "text": "Hmm."}]
    cited = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 0}
    assert message["content"][0] == {"type": "output_text", "text": "Yes.", "annotations": [cited], "logprobs": []}
    assert [(call["call_id"], call["name"], call["arguments"]) for call in (first, second)] == [
        ("call_a", "f", "{}"),
        ("call_b", "g", "{}"),
    ]
    assert {item["status"] for item in response["output"]} == {"completed"}
    assert (response["status"], response["completed_at"], response["service_tier"]) == ("completed", 7, "priority")
    assert response["provider"] == "Test"
    assert sent.endswith(b"}\n\ndata: [DONE]\n\n")


def test_the_end_comes_only_from_finish_and_error() -> None:
    """Whatever events come, before the commit nothing says that the answer ended."""
    encoder = EventEncoder(**ENVELOPE)
    before = encoder.encode([Started("up"), TextDelta("a"), Finished("stop"), UsageReported(USAGE), Failed(502, "x")])
    ends = ("response.completed", "response.incomplete", "response.failed", "[DONE]")
    assert not any(end in before.decode() for end in ends)
    assert encoder.encode([Started("up")]) == b""
    assert b"response.completed" in encoder.finish(USAGE_JSON)


def test_nothing_is_sent_before_content() -> None:
    """An answer that has only started may still become an HTTP error."""
    assert EventEncoder(**ENVELOPE).encode([Started("up", "m")]) == b""


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_how_an_answer_ends(reason: str, status: str, why: str | None) -> None:
    """A finish reason becomes a status, with the reason why an answer is incomplete; body and stream agree."""
    sent = streamed([TextDelta("a"), Finished(reason)])
    last = values(sent)[-1]
    answer = Answer(choices=(Choice(text="a", finish_reason=reason),))
    body = json.loads(encode_answer(answer, usage_json=USAGE_JSON, completed_at=7, **ENVELOPE))
    assert last["type"] == f"response.{status}"
    for response in (last["response"], body):
        WHOLE.validate_python(response, strict=True)
        assert response["status"] == status
        assert response["incomplete_details"] == (None if why is None else {"reason": why})
        assert response["output"][0]["status"] == status
        assert response["completed_at"] == (7 if status == "completed" else None)


@pytest.mark.parametrize(
    ("error_type", "status", "code"),
    [
        ("rate_limit_exceeded", 429, "rate_limit_exceeded"),
        ("context_length_exceeded", 400, "invalid_prompt"),
        ("invalid_request", 400, "invalid_prompt"),
        ("content_policy_violation", 400, "image_content_policy_violation"),
        ("provider_unavailable", 502, "server_error"),
        ("timeout", 504, "server_error"),
    ],
)
def test_an_answer_that_fails_after_it_began(error_type: str, status: int, code: str) -> None:
    """`response.failed` with what had come, the format's own code, and `error_type` (OPENROUTER.md 12.5)."""
    encoder = EventEncoder(**ENVELOPE)
    sent = encoder.encode([TextDelta("half")])
    sent += encoder.error(code=status, message="It broke.", metadata={"error_type": error_type})
    last = values(sent)[-1]
    assert last["type"] == "response.failed"
    response = last["response"]
    assert response["error"] == {"code": code, "message": "It broke."}
    assert (response["status"], response["error_type"]) == ("failed", error_type)
    assert response["output"][0]["content"][0]["text"] == "half"
    assert response["output"][0]["status"] == "incomplete"
    assert sent.endswith(b"data: [DONE]\n\n")


def test_an_answer_that_grew_too_long_is_incomplete() -> None:
    """Errors of length are no failures in this format (OPENROUTER.md 12.5)."""
    encoder = EventEncoder(**ENVELOPE)
    sent = encoder.encode([TextDelta("half")])
    sent += encoder.error(code=400, message="Too long.", metadata={"error_type": "max_tokens_exceeded"})
    last = values(sent)[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_an_error_before_anything_is_a_whole_stream() -> None:
    """A client that has seen only comments gets the first two events as well."""
    assert kinds(EventEncoder(**ENVELOPE).error(code=502, message="x")) == ["created", "in_progress", "failed"]


def test_openai_manner() -> None:
    """Each event's name on a line of its own, and no `[DONE]`."""
    sent = streamed([TextDelta("a"), Finished("stop")], named=True)
    assert sent.startswith(b"event: response.created\ndata: {")
    assert b"[DONE]" not in sent
    assert values(sent)[-1]["type"] == "response.completed"


def test_a_result_repeats_its_request() -> None:
    """Every field that a result must have is there, with what the caller sent, in the shapes of this format."""
    request = decode_request(
        json.dumps(
            {
                "model": "m",
                "input": "hi",
                "instructions": "Be brief.",
                "temperature": 0.5,
                "metadata": {"a": "b"},
                "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "web_search"}],
                "tool_choice": {"type": "function", "name": "f"},
                "parallel_tool_calls": False,
                "max_output_tokens": 99,
                "reasoning": {"effort": "low"},
                "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
                "truncation": "auto",
                "user": "u",
            }
        ).encode()
    )
    answer = Answer(choices=(Choice(text="a", finish_reason="stop"),))
    body = json.loads(encode_answer(answer, usage_json=USAGE_JSON, request=request, **ENVELOPE))
    WHOLE.validate_python(body, strict=True)
    assert [name for name in REQUIRED if name not in body] == []
    function = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": None, "description": None}
    expected = {
        "instructions": "Be brief.",
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "tools": [function, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "max_output_tokens": 99,
        "reasoning": {"effort": "low", "summary": None},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        "truncation": "auto",
        "user": "u",
        "store": False,
        "previous_response_id": None,
    }
    assert {name: body[name] for name in expected} == expected
    created = values(streamed([TextDelta("a"), Finished("stop")], request=request))[0]["response"]
    assert {name: created[name] for name in expected} == expected
    assert created["status"] == "in_progress"


def test_usage() -> None:
    """Counters, their details, and money as exact numbers in USD."""
    value = msgspec.json.decode(USAGE_JSON)
    assert value == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
        "cost": 0.0000025,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": 0.0000025,
            "upstream_inference_input_cost": 0.0000015,
            "upstream_inference_output_cost": 0.000001,
        },
    }


def test_other_companies_reasoning_keeps_its_signature() -> None:
    """Signed thoughts of Anthropic's: one item a block, each with its text, its signature and whose it is."""
    form = {"format": "anthropic-claude-v1", "id": None}
    answer = Answer(
        choices=(
            Choice(
                text="a",
                reasoning="bc",
                reasoning_details=(
                    raw({"type": "reasoning.text", "text": "b", "signature": "s1", "index": 0, **form}),
                    raw({"type": "reasoning.encrypted", "data": "hidden", "index": 1, **form}),
                    raw({"type": "reasoning.text", "text": "c", "signature": "s2", "index": 2, **form}),
                ),
                finish_reason="stop",
            ),
        )
    )
    body = json.loads(encode_answer(answer, usage_json=USAGE_JSON, **ENVELOPE))
    WHOLE.validate_python(body, strict=True)
    items = [item for item in body["output"] if item["type"] == "reasoning"]
    assert [item.get("signature") or item["encrypted_content"] for item in items] == ["s1", "hidden", "s2"]
    assert len({item["id"] for item in items}) == 3
    # What a caller sends back is again what the other format needs.
    request = decode_request(json.dumps({"model": "m", "input": [*items, {"role": "user", "content": "go"}]}).encode())
    turn = request.messages[0]
    assert isinstance(turn, AssistantMessage)
    again = [json.loads(bytes(detail)) for detail in turn.reasoning_details or ()]
    assert [(detail["type"], detail["format"]) for detail in again] == [
        ("reasoning.text", "anthropic-claude-v1"),
        ("reasoning.encrypted", "anthropic-claude-v1"),
        ("reasoning.text", "anthropic-claude-v1"),
    ]
    assert [detail.get("signature") for detail in again] == ["s1", None, "s2"]


def test_plain_reasoning_is_text() -> None:
    """A provider that only streams its thoughts: they are the item's own text, not a summary."""
    sent = streamed([ReasoningDelta("Hm"), ReasoningDelta("m"), TextDelta("a"), Finished("stop")])
    item = values(sent)[-1]["response"]["output"][0]
    assert item["content"] == [{"type": "reasoning_text", "text": "Hmm"}]
    assert item["summary"] == []


def test_pictures_are_items() -> None:
    """A picture that a model of another format made is a call of the tool that makes pictures here."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    sent = streamed([TextDelta("a"), ExtraDelta(images=raw([image])), Finished("stop")])
    assert values(sent)[-1]["response"]["output"][1]["result"] == "QUJD"


def test_late_and_early_citations() -> None:
    """Some providers send citations before the text, others behind it: they belong to it."""
    note = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
    orders: tuple[list[Event], ...] = (
        [ExtraDelta(annotations=raw([note])), TextDelta("a"), Finished("stop")],
        [TextDelta("a"), ExtraDelta(annotations=raw([note])), Finished("stop")],
    )
    for events in orders:
        part = values(streamed(events))[-1]["response"]["output"][0]["content"][0]
        assert part["annotations"][0]["url"] == "https://a.example"


def test_only_its_own_natives_are_written() -> None:
    """Another format's server tools have no words here."""
    sent = streamed([NativeDelta("anthropic_messages", raw({"type": "server_tool_use"})), TextDelta("a")])
    assert "server_tool_use" not in sent.decode()


def test_custom_calls() -> None:
    """A tool with free text as input has its own item and its own events."""
    sent = streamed(
        [
            ToolCallDelta(0, id="c", name="sql", arguments="SELECT", custom=True),
            ToolCallDelta(0, arguments=" 1", custom=True),
            Finished("tool_calls"),
        ]
    )
    item = values(sent)[-1]["response"]["output"][0]
    assert (item["type"], item["call_id"], item["input"]) == ("custom_tool_call", "c", "SELECT 1")
    assert "custom_tool_call_input.delta" in kinds(sent)
    answer = decode_answer(json.dumps(values(sent)[-1]["response"]).encode())
    assert isinstance(answer, Answer)
    assert answer.choices[0].tool_calls == (ToolCall("c", "sql", "SELECT 1", custom=True),)


def test_logprobs() -> None:
    """Chat's logprobs object -> a list of tokens, each with every field that OpenAI's types insist on."""
    tokens: dict[str, Any] = {
        "content": [{"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": []}],
        "refusal": None,
    }
    sent = streamed([TextDelta("é", logprobs=raw(tokens)), Finished("stop")])
    part = values(sent)[-1]["response"]["output"][0]["content"][0]
    assert part["logprobs"] == [{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": []}]


def test_errors_before_an_answer() -> None:
    """The same envelope as chat's: an integer code (OPENROUTER.md 12.1)."""
    assert error_body(400, "invalid_request", "No.") == {
        "error": {"code": 400, "message": "No.", "metadata": {"error_type": "invalid_request"}}
    }


def test_recorded_chat_answers_become_responses() -> None:
    """Every recorded answer of the chat format, whole and streamed, is a response that OpenAI's types take."""
    count = 0
    for name, body in bodies():
        answer = decode_chat(json.dumps(body).encode())
        if isinstance(answer, Answer):
            written = json.loads(encode_answer(answer, usage_json=USAGE_JSON, **ENVELOPE))
            WHOLE.validate_python(written, strict=True)
            assert said(written["output"]) == (answer.choices[0].text or ""), name
            count += 1
    for name, stream in streams():
        decoder = ChatDecoder()
        events = [*decoder.feed(stream), *decoder.end()]
        if not any(isinstance(event, Failed) for event in events):
            final = values(streamed(events))[-1]["response"]
            assert said(final["output"]) == (collect(events).choices[0].text or ""), name
            count += 1
    assert count > 50


def said(output: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for item in output if item["type"] == "message" for part in item["content"])


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Reasoning, texts, a refusal and calls, in pieces, as this format's own providers send them."""
    events: list[Event] = []
    place, has_reasoned = 0, False
    for item in range(draw(st.integers(0, 2))):
        mark = {"id": f"rs_{item}", "format": "openai-responses-v1"}
        for text in draw(st.lists(TEXTS, max_size=2)):
            value = {"type": "reasoning.summary", "summary": text, **mark, "index": place}
            events.append(ReasoningDelta("\n\n" + text if has_reasoned else text, details=(raw(value),)))
            has_reasoned = True
            place += 1
        sealed = {"type": "reasoning.encrypted", "data": draw(TEXTS), **mark, "index": place}
        events.append(ReasoningDelta(details=(raw(sealed),)))
        place += 1
    said_pieces: list[str] = draw(st.lists(TEXTS, max_size=3))
    refusal: list[str] = draw(st.lists(TEXTS, max_size=2))
    if said_pieces or refusal:
        events.append(NativeDelta("openai_responses", raw({"type": "message", "id": "msg_1"})))
    events.extend(TextDelta(piece) for piece in said_pieces)
    events.extend(RefusalDelta(piece) for piece in refusal)
    calls = 0 if refusal else draw(st.integers(0, 2))
    for index in range(calls):
        events.append(NativeDelta("openai_responses", raw({"type": "function_call", "id": f"fc_{index}"})))
        events.append(ToolCallDelta(index, id=f"call_{index}", name="f"))
        events.extend(ToolCallDelta(index, arguments=piece) for piece in draw(st.lists(TEXTS, max_size=2)))
    reason = draw(st.sampled_from(["length", "content_filter"])) if not calls and draw(st.booleans()) else ""
    events.append(Finished(reason or ("tool_calls" if calls else "stop")))
    return events


@given(answers(), st.integers(1, 40))
def test_what_we_write_we_read(events: list[Event], piece: int) -> None:
    """A stream that we write, cut anywhere, and the body that we write, both read as the answer that went in."""
    sent = streamed(events)
    decoder = EventDecoder()
    read = [event for at in range(0, len(sent), piece) for event in decoder.feed(sent[at : at + piece])]
    assert decoder.saw_done
    before, after = collect(events), collect(read)
    whole = decode_answer(encode_answer(before, usage_json=USAGE_JSON, **ENVELOPE))
    assert isinstance(whole, Answer)
    assert after.usage == whole.usage == USAGE
    for answer in (after, whole):
        assert essence(answer) == essence(before)
    assert expand(replace(after, native=None)) == expand(replace(whole, native=None))


def essence(answer: Answer) -> Any:
    choice = answer.choices[0]
    details = [json.loads(bytes(detail)) for detail in choice.reasoning_details]
    heads = [json.loads(bytes(piece.value or b"null")) for piece in choice.natives]
    names = (choice.text, choice.reasoning, choice.refusal, choice.tool_calls, choice.finish_reason)
    return names, details, [(head["type"], head["id"]) for head in heads]
