"""Every recorded exchange of the Responses API: what we read, and what we write again, equals the recording's JSON."""

import json
from typing import Any

import pytest
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.wire.recordings import bodies, refusals, requests, streams
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Answer, Event, Failed
from tollway.domain.generation import Usage
from tollway.wire.collect import collect
from tollway.wire.expand import expand
from tollway.wire.openai_chat.client import encode_request as encode_chat
from tollway.wire.openai_responses.client import EventDecoder, decode_answer, decode_error, encode_request
from tollway.wire.openai_responses.server import EventEncoder, decode_request, encode_answer, usage_json

API = "responses"
ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 1_762_141_317, "model": "openai/gpt", "provider": None}
WHOLE: TypeAdapter[Any] = TypeAdapter(Response)
PIECE: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
PENDING = ("queued", "in_progress")

STATEFUL = ("store", "previous_response_id", "conversation", "background")
"""Fields that ask for what we do not do yet: a request with one is refused."""


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def whole_of(stream: bytes) -> dict[str, Any]:
    """The response object of a stream's last event."""
    last = json.loads(stream.decode().rstrip().rpartition("data: ")[2])
    response = last["response"]
    assert isinstance(response, dict)
    return response


def responses() -> list[tuple[str, dict[str, Any], Answer]]:
    """(name, response object, what we read), of whole bodies and of streams."""
    found: list[tuple[str, dict[str, Any], Answer]] = []
    for name, body in bodies(API):
        answer = decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer), (name, answer)
        found.append((name, body, answer))
    found.extend((name, whole_of(stream), collect(decoded(stream, len(stream)))) for name, stream in streams(API))
    assert len(found) > 150
    return found


def decoded(stream: bytes, piece: int) -> list[Event]:
    decoder = EventDecoder()
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    assert decoder.saw_done
    return events + decoder.end()


def parts(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    messages = [item for item in body["output"] if item["type"] == "message"]
    return [part for item in messages for part in item["content"] if part["type"] == kind]


def test_answers_hold_what_was_recorded() -> None:
    """Text, refusals, citations, logprobs, calls and how it ended."""
    for name, body, answer in responses():
        if body["status"] in PENDING:
            assert not any(choice.finish_reason for choice in answer.choices), name
            continue
        choice = answer.choices[0]
        assert (choice.text or "") == "".join(part["text"] for part in parts(body, "output_text")), name
        assert (choice.refusal or "") == "".join(part["refusal"] for part in parts(body, "refusal")), name
        notes = [note for part in parts(body, "output_text") for note in part["annotations"]]
        urls = [note["url"] for note in notes if note["type"] == "url_citation"]
        mine = [] if choice.annotations is None else json.loads(bytes(choice.annotations))
        assert [note["url_citation"]["url"] for note in mine] == urls, name
        tokens = [token for part in parts(body, "output_text") for token in part.get("logprobs") or ()]
        assert (json.loads(bytes(choice.logprobs))["content"] if choice.logprobs else []) == tokens, name
        calls = [item for item in body["output"] if item["type"] == "function_call"]
        assert [(call.id, call.name, call.arguments) for call in choice.tool_calls] == [
            (item["call_id"], item["name"], item["arguments"]) for item in calls
        ], name
        assert choice.finish_reason == ("tool_calls" if calls else "stop"), name
        assert (answer.upstream_id, answer.model) == (body["id"], body["model"]), name
        assert answer.service_tier == body.get("service_tier"), name


def test_citations_count_from_the_beginning_of_the_answer() -> None:
    """An answer of several messages is one text elsewhere, so what a citation points at must still stand there."""
    count = 0
    for name, body, answer in responses():
        choice = answer.choices[0] if answer.choices else None
        if choice is None or choice.annotations is None:
            continue
        cited = [
            part["text"][note["start_index"] : note["end_index"]]
            for part in parts(body, "output_text")
            for note in part["annotations"]
            if note["type"] == "url_citation"
        ]
        mine = [note["url_citation"] for note in json.loads(bytes(choice.annotations))]
        text = choice.text or ""
        assert [text[note["start_index"] : note["end_index"]] for note in mine] == cited, name
        count += len(cited)
    assert count > 5


def test_reasoning_is_kept_with_its_ids_and_seals() -> None:
    """Each summary, text and seal becomes an item of `reasoning_details`, in order, under its item's id."""
    count = 0
    streamed = {name for name, _ in streams(API)}
    for name, body, answer in responses():
        expected: list[tuple[str, str, str]] = []
        for item in body["output"]:
            if item["type"] == "reasoning":
                texts = [("reasoning.summary", part["text"]) for part in item["summary"]]
                texts += [("reasoning.text", part["text"]) for part in item.get("content") or ()]
                if item.get("encrypted_content"):
                    texts.append(("reasoning.encrypted", item["encrypted_content"]))
                expected += [(item["id"], *text) for text in texts]
        found = [json.loads(bytes(raw)) for choice in answer.choices for raw in choice.reasoning_details]
        mine = [(value["id"], value["type"], value.get("summary") or value.get("text") or "") for value in found]
        assert mine == [(*entry[:2], "" if entry[1] == "reasoning.encrypted" else entry[2]) for entry in expected], name
        if name not in streamed:
            # Not in streams: OpenAI seals anew for each event, output_item.done and response.completed differ.
            seals = [entry[2] for entry in expected if entry[1] == "reasoning.encrypted"]
            assert [value["data"] for value in found if "data" in value] == seals, name
        assert all(value["format"] == "openai-responses-v1" for value in found), name
        count += len(mine)
    assert count > 50


def test_usage() -> None:
    """Every counter, the details, and the searches that are billed apart."""
    for name, body, answer in responses():
        said = body.get("usage")
        if said is None:
            assert answer.usage is None, name
            continue
        searched = [item for item in body["output"] if item["type"] == "web_search_call"]
        searches = sum(item.get("action", {}).get("type", "search") == "search" for item in searched)
        billed = body.get("tool_usage", {}).get("web_search", {}).get("num_requests", searches)
        assert answer.usage == Usage(
            prompt=said["input_tokens"],
            completion=said["output_tokens"],
            cache_read=said["input_tokens_details"]["cached_tokens"],
            cache_write=said["input_tokens_details"].get("cache_write_tokens", 0),
            reasoning=said["output_tokens_details"]["reasoning_tokens"],
            web_searches=billed,
        ), name


def test_streams_in_any_pieces_are_the_same_events() -> None:
    """However the bytes are cut; and their fold is what the whole body decodes to."""
    count = 0
    for name, stream in streams(API):
        events = decoded(stream, len(stream))
        for piece in (1, 2, 7, 100, 4096):
            assert decoded(stream, piece) == events, (name, piece)
        folded, whole = collect(events), decode_answer(json.dumps(whole_of(stream)).encode())
        assert isinstance(whole, Answer)
        assert unsealed(folded) == unsealed(whole), name
        count += 1
    assert count > 10


def unsealed(answer: Answer) -> Any:
    """An answer without the seals of its reasoning, which OpenAI writes anew for each event."""
    choice = answer.choices[0]
    details = [json.loads(bytes(raw)) for raw in choice.reasoning_details]
    rest = [{name: value for name, value in detail.items() if name != "data"} for detail in details]
    return answer.usage, answer.upstream_id, choice.text, choice.tool_calls, choice.natives, rest, choice.finish_reason


def test_refusals_are_read() -> None:
    """The status, the words and the code of each recorded error."""
    count = 0
    for name, status, headers, body in refusals(API):
        failed = decode_error(status, headers.get, json.dumps(body).encode(), now_s=0.0)
        error = body["error"]
        assert failed == Failed(status, error["message"], error["code"] or error["type"]), name
        count += 1
    assert count == 5


def test_requests_survive_the_same_format() -> None:
    """decode_request, encode_request: the same body, but for what the table allows.

    | what may differ | why |
    |---|---|
    | `store: false` is added | nothing is left behind at a provider |
    | `stream: false`, null | the default |
    """
    count = 0
    for name, body in requests(API):
        if any(body.get(field) for field in STATEFUL) or (body.get("temperature") or 0) < 0:
            with pytest.raises(InvalidRequest) as caught:
                decode_request(json.dumps(body).encode())
            assert caught.value.param in (*STATEFUL, "temperature"), name
            continue
        written = encode_request(
            decode_request(json.dumps(body).encode()),
            upstream_model=body["model"],
            max_tokens=body.get("max_output_tokens"),
            stream=body.get("stream") or False,
            same_format=True,
        )
        expected = {n: item for n, item in without_nulls(body).items() if (n, item) != ("stream", False)}
        assert without_nulls(json.loads(written)) == {**expected, "store": False}, name
        count += 1
    assert count > 150


def test_requests_reach_the_chat_format() -> None:
    """Every recorded request becomes one that a chat provider can read: roles, calls with their answers, tools."""
    for name, request in readable():
        body = json.loads(encode_chat(request, upstream_model="m", max_tokens=10, stream=False, same_format=False))
        assert {message["role"] for message in body["messages"]} <= {"system", "user", "assistant", "tool"}, name
        called = [call["id"] for message in body["messages"] for call in message.get("tool_calls") or ()]
        answered = [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]
        assert set(answered) <= set(called), name
        assert not any(mark in json.dumps(body) for mark in ("tollway:", "openai_responses:")), name
        assert all(tool["type"] == "function" and tool["function"]["name"] for tool in body.get("tools") or ()), name


def readable() -> list[tuple[str, ChatRequest]]:
    found: list[tuple[str, ChatRequest]] = []
    for name, body in requests(API):
        try:
            found.append((name, decode_request(json.dumps(body).encode())))
        except InvalidRequest:
            continue
    assert len(found) > 150
    return found


def test_answers_are_written_as_the_official_client_wants_them() -> None:
    """The body passes OpenAI's own types, strictly; its output is the recorded one, item by item."""
    asked = dict(readable())
    for name, body, answer in responses():
        written = json.loads(
            encode_answer(answer, usage_json=usage_of(answer), request=asked.get(name), completed_at=1, **ENVELOPE)
        )
        WHOLE.validate_python(written, strict=True)
        assert [kept(item) for item in written["output"]] == [kept(item) for item in body["output"]], name


def test_streams_are_written_as_the_official_client_wants_them() -> None:
    """Each event passes OpenAI's own types, strictly; they are numbered; the SDK's accumulator ends with the same."""
    asked = dict(readable())
    for name, _, answer in responses():
        encoder = EventEncoder(request=asked.get(name), **ENVELOPE)
        events = expand(answer)
        sent = b"".join(encoder.encode([event]) for event in events) + encoder.finish(usage_of(answer))
        final = accumulated(sent)
        whole = encode_answer(answer, usage_json=usage_of(answer), request=asked.get(name), **ENVELOPE)
        assert final == json.loads(whole)["output"], name


def accumulated(sent: bytes) -> Any:
    """What the official client's accumulator makes of a stream: the output of its last response."""
    assert sent.endswith(b"data: [DONE]\n\n")
    state = ResponseStreamState[Any](input_tools=omit, text_format=omit)
    values = [json.loads(line[6:]) for line in sent.decode().split("\n") if line.startswith("data: {")]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    for value in values:
        state.handle_event(PIECE.validate_python(value, strict=True))
    return values[-1]["response"]["output"]


def usage_of(answer: Answer) -> bytes:
    return usage_json(answer.usage or Usage(), cost=0, prompt_cost=0, completion_cost=0)


def kept(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what we may add or leave out: a status, empty lists, seals that differ by event."""
    item = without_nulls(item)
    content = [
        {name: value for name, value in part.items() if (name, value) != ("logprobs", [])}
        for part in item.get("content") or ()
    ]
    free = ("status", "encrypted_content", "content")
    return {**{name: value for name, value in item.items() if name not in free}, "content": content}
