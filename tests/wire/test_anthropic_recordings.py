"""Every recorded exchange with Anthropic: what we read, and what we write again, equals the recording's own JSON."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from anthropic.types import RawMessageStreamEvent
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from pydantic import TypeAdapter

from tests.wire.recordings import bodies, exchanges, refusals, requests, streams
from tollway.domain.chat import AssistantMessage
from tollway.domain.events import Answer, Choice, Event, Failed
from tollway.domain.generation import Usage
from tollway.wire.anthropic_messages import client, server
from tollway.wire.anthropic_messages.client import EventDecoder, decode_answer, encode_request
from tollway.wire.anthropic_messages.server import EventEncoder, decode_request, encode_answer, usage_json
from tollway.wire.collect import collect
from tollway.wire.expand import expand
from tollway.wire.openai_chat import client as openai_client
from tollway.wire.openai_chat import server as openai_server
from tollway.wire.sse import SseParser

API = "messages"
ENVELOPE: dict[str, Any] = {"id": "msg_1", "created": 1_762_141_317, "model": "anthropic/claude", "provider": None}
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}


def without_nulls(value: Any) -> Any:
    """JSON without fields of null, which say nothing."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def normal(body: dict[str, Any]) -> dict[str, Any]:
    """A request as the documentation says that it is understood.

    | what may differ | why |
    |---|---|
    | a string for one text block | "shorthand for an array of one content block of type text" (docs: messages) |
    | turns of one role in a row are one | "will be combined into a single turn" (the same place) |
    | `stream: false`, null | the default |
    | an empty list of results' content | a result without content |
    """
    body = {name: value for name, value in without_nulls(body).items() if (name, value) != ("stream", False)}
    turns: list[dict[str, Any]] = []
    for turn in body["messages"]:
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else [_block(b) for b in content]
        if turns and turns[-1]["role"] == turn["role"] != "system":
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": turn["role"], "content": blocks})
    return {**body, "messages": turns}


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_result" and not block.get("content"):
        return {name: value for name, value in block.items() if name != "content"}
    return block


def again(body: dict[str, Any]) -> dict[str, Any]:
    """A request, read and written for a provider of the same format."""
    request = decode_request(json.dumps(body).encode())
    written = encode_request(
        request,
        upstream_model=body["model"],
        max_tokens=body.get("max_tokens"),
        stream=body.get("stream") or False,
        user_id=body.get("metadata", {}).get("user_id"),
        same_format=True,
    )
    value = json.loads(written)
    assert isinstance(value, dict)
    return value


def test_requests_survive() -> None:
    """Every recorded request, decoded and encoded for the same format, says the same: nothing is lost."""
    count = 0
    for name, body in requests(API):
        assert normal(again(body)) == normal(body), name
        count += 1
    assert count > 200


def test_count_requests_survive() -> None:
    """The same for requests to have tokens counted; their answers are read, and written as they were."""
    count = 0
    for record in exchanges("count_tokens"):
        if record["provider"] != "anthropic":
            continue
        body, response = record["request"]["json"], record["response"]
        request = server.decode_count_request(json.dumps(body).encode())
        written = client.encode_count_request(request, upstream_model=body["model"], same_format=True)
        assert normal(json.loads(written)) == normal(body), record["case"]
        if response["status"] == 200:
            tokens = client.decode_count_answer(json.dumps(response["json"]).encode())
            assert tokens == response["json"]["input_tokens"]
            assert isinstance(tokens, int)
            assert json.loads(server.encode_count_answer(tokens)) == response["json"]
        count += 1
    assert count > 4


def check_usage(usage: Usage | None, recorded: dict[str, Any], name: str) -> None:
    """Our counters against the recorded ones."""
    assert usage is not None, name
    read, written = recorded["cache_read_input_tokens"], recorded["cache_creation_input_tokens"]
    assert usage.prompt == recorded["input_tokens"] + read + written, name
    assert usage.completion == recorded["output_tokens"], name
    assert (usage.cache_read, usage.cache_write) == (read, written), name
    assert usage.cache_write_1h == recorded.get("cache_creation", {}).get("ephemeral_1h_input_tokens", 0), name
    assert usage.reasoning == (recorded.get("output_tokens_details") or {}).get("thinking_tokens", 0), name
    assert usage.web_searches == (recorded.get("server_tool_use") or {}).get("web_search_requests", 0), name


def check_choice(choice: Choice, blocks: list[dict[str, Any]], name: str) -> None:
    """One answer against the recorded blocks."""
    assert (choice.text or "") == "".join(block["text"] for block in blocks if block["type"] == "text"), name
    thoughts = [block for block in blocks if block["type"] in ("thinking", "redacted_thinking")]
    assert (choice.reasoning or "") == "".join(block.get("thinking", "") for block in thoughts), name
    details = [json.loads(bytes(raw)) for raw in choice.reasoning_details]
    assert [detail.get("data", detail.get("signature")) for detail in details] == [
        block.get("data", block.get("signature")) for block in thoughts
    ], name
    assert [detail.get("text", "") for detail in details] == [block.get("thinking", "") for block in thoughts], name
    assert all(detail["format"] == "anthropic-claude-v1" for detail in details), name
    assert [detail["index"] for detail in details] == list(range(len(details))), name
    calls = [block for block in blocks if block["type"] == "tool_use"]
    assert [(call.id, call.name, json.loads(call.arguments)) for call in choice.tool_calls] == [
        (block["id"], block["name"], block["input"]) for block in calls
    ], name
    citations = [citation for block in blocks for citation in block.get("citations") or ()]
    notes = json.loads(bytes(choice.annotations)) if choice.annotations is not None else []
    assert [note["citation"] for note in notes] == citations, name
    for note in notes:
        about = note["url_citation"]
        cited = next(block for block in blocks if note["citation"] in (block.get("citations") or ()))
        assert (choice.text or "")[about["start_index"] : about["end_index"]] == cited["text"], name
        assert about["url"] == note["citation"]["url"], name


def test_answers_decode() -> None:
    """Every whole answer: text, thoughts, calls, citations, reason, usage, id and model."""
    count = 0
    for name, body in bodies(API):
        answer = decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer), name
        (choice,) = answer.choices
        check_choice(choice, body["content"], name)
        assert choice.finish_reason == REASONS[body["stop_reason"]], name
        assert choice.native_finish_reason == body["stop_reason"], name
        check_usage(answer.usage, body["usage"], name)
        assert (answer.upstream_id, answer.model) == (body["id"], body["model"]), name
        assert answer.service_tier == "default", name
        count += 1
    assert count > 190


def _input_seen(block: dict[str, Any]) -> dict[str, Any]:
    """A recorded block as an answer of ours has it: citations only where there are some; who calls is said if told."""
    block = without_nulls(block)
    if block["type"] == "tool_use" and block.get("caller") == {"type": "direct"}:
        del block["caller"]
    return block


def _blocks_seen(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Empty texts are not sent on: the API itself refuses them when they come back."""
    return [_input_seen(block) for block in blocks if block != {"type": "text", "text": ""}]


def written(answer: Answer) -> dict[str, Any]:
    """An answer as our own callers get it, read by the official client's type."""
    usage = usage_json(answer.usage or Usage(), cost=1, prompt_cost=1, completion_cost=0)
    body = encode_answer(answer, **ENVELOPE, usage_json=usage)
    TypeAdapter(BetaMessage).validate_json(body, strict=True)
    value = json.loads(body)
    assert isinstance(value, dict)
    return value


def test_answers_survive() -> None:
    """Every whole answer, decoded and encoded again: the same blocks in the same order, reason, and tokens."""
    for name, body in bodies(API):
        answer = decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer)
        value = written(answer)
        assert without_nulls(value["content"]) == _blocks_seen(body["content"]), name
        for field in (
            "stop_reason",
            "stop_sequence",
            "stop_details",
            "container",
            "context_management",
            "role",
            "type",
        ):
            assert value.get(field) == body.get(field), (name, field)
        for field in ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
            assert value["usage"][field] == body["usage"][field], name


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The data of every event."""
    return [json.loads(event.data) for event in SseParser().feed(stream)]


def blocks_of(stream: bytes) -> list[dict[str, Any]]:
    """The blocks of a recorded stream, put together by the rules of the documentation."""
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    for event in events_of(stream):
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            match delta["type"]:
                case "text_delta":
                    block["text"] += delta["text"]
                case "thinking_delta":
                    block["thinking"] += delta["thinking"]
                case "signature_delta":
                    block["signature"] += delta["signature"]
                case "citations_delta":
                    block["citations"].append(delta["citation"])
                case "input_json_delta":
                    inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
    for index, text in inputs.items():
        blocks[index]["input"] = json.loads(text or "{}")
    return blocks


def decoded(stream: bytes, piece: int) -> tuple[list[Event], EventDecoder]:
    """The events of a stream that comes in pieces."""
    decoder = EventDecoder()
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    return events + decoder.end(), decoder


def test_streams_decode() -> None:
    """Every stream: the pieces joined, the reason, the last usage, the end."""
    count = 0
    for name, stream in streams(API):
        events, decoder = decoded(stream, len(stream))
        answer = collect(events)
        (choice,) = answer.choices
        check_choice(choice, blocks_of(stream), name)
        came = events_of(stream)
        start = next(event["message"] for event in came if event["type"] == "message_start")
        end = next(event for event in came if event["type"] == "message_delta")
        assert choice.finish_reason == REASONS[end["delta"]["stop_reason"]], name
        check_usage(answer.usage, {**start["usage"], **end["usage"]}, name)
        assert (answer.upstream_id, answer.model) == (start["id"], start["model"]), name
        assert (decoder.saw_done, decoder.malformed) == (True, 0), name
        count += 1
    assert count >= 8


def test_streams_at_any_cut() -> None:
    """U-12, UB2: byte by byte, in threes, in sevens: the same events."""
    for name, stream in streams(API):
        whole = decoded(stream, len(stream))[0]
        for piece in (1, 3, 7, 1000):
            assert decoded(stream, piece)[0] == whole, (name, piece)


EVENT: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)


def streamed(events: list[Event], piece: int) -> bytes:
    """Events as our own callers get them, `piece` at a time."""
    encoder = EventEncoder(**ENVELOPE)
    parts = [encoder.encode(events[at : at + piece]) for at in range(0, len(events), piece)]
    usage = usage_json(collect(events).usage or Usage(), cost=1, prompt_cost=1, completion_cost=0)
    body = b"".join(parts) + encoder.finish(usage)
    for event in events_of(body):
        if event["type"] != "ping":
            EVENT.validate_json(json.dumps(event), strict=True)
    return body


def test_streams_survive() -> None:
    """Every stream, decoded and encoded again, however its events are bundled: the same blocks, reason, tokens."""
    for name, stream in streams(API):
        events = decoded(stream, len(stream))[0]
        for piece in (1, 5, len(events)):
            body = streamed(events, piece)
            assert [without_nulls(block) for block in blocks_of_ours(body)] == _blocks_seen(
                [{k: v for k, v in block.items() if (k, v) != ("citations", [])} for block in blocks_of(stream)]
            ), name
            end = next(event for event in events_of(stream) if event["type"] == "message_delta")
            ours = next(event for event in events_of(body) if event["type"] == "message_delta")
            assert without_nulls(ours["delta"]) == without_nulls(end["delta"]), name
            assert ours["usage"]["output_tokens"] == end["usage"]["output_tokens"], name
            assert events_of(body)[-1]["type"] == "message_stop", name


def blocks_of_ours(stream: bytes) -> list[dict[str, Any]]:
    """`blocks_of`, for streams whose text blocks say nothing of citations before there are some."""
    text = stream.replace(b'"content_block":{"type":"text",', b'"content_block":{"type":"text","citations":[],')
    return [{k: v for k, v in block.items() if (k, v) != ("citations", [])} for block in blocks_of(text)]


def test_a_stream_is_its_whole() -> None:
    """collect(stream) == decode(body): each recorded body, streamed piece by piece, folds into the same answer."""
    for name, body in bodies(API):
        whole = decode_answer(json.dumps(body).encode())
        assert isinstance(whole, Answer)
        assert collect(decoded(_streamed_by_anthropic(body), 1000)[0]) == whole, name


def _streamed_by_anthropic(body: dict[str, Any]) -> bytes:
    """A whole answer as the API would have streamed it (docs: streaming)."""
    usage = {**body["usage"], "output_tokens": 1}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**body, "content": [], "stop_reason": None, "usage": usage}}
    ]
    for index, block in enumerate(body["content"]):
        start, deltas = dict(block), list[dict[str, Any]]()
        match block["type"]:
            case "text":
                start |= {"text": ""}
                deltas = [{"type": "citations_delta", "citation": item} for item in start.pop("citations", None) or ()]
                deltas += [{"type": "text_delta", "text": piece} for piece in (block["text"][:3], block["text"][3:])]
            case "thinking":
                start |= {"thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": letter} for letter in block["thinking"]]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                start |= {"input": {}}
                text = json.dumps(block["input"], separators=(",", ":"), ensure_ascii=False) if block["input"] else ""
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:4], text[4:])]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        events += [{"type": "content_block_stop", "index": index}, {"type": "ping"}]
    delta = {name: body.get(name) for name in ("stop_reason", "stop_sequence", "stop_details", "container")}
    managed = {"context_management": body["context_management"]} if body.get("context_management") else {}
    events.append({"type": "message_delta", "delta": delta, "usage": body["usage"], **managed})
    events.append({"type": "message_stop"})
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def test_a_whole_answer_can_be_streamed() -> None:
    """`expand` and the encoder: each recorded body, taken apart for a caller who streams, holds the same blocks."""
    for name, body in bodies(API):
        answer = decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer)
        ours = streamed(expand(answer), 1)
        assert [without_nulls(block) for block in blocks_of_ours(ours)] == _blocks_seen(body["content"]), name


def test_the_usual_stream_is_of_the_stable_api() -> None:
    """The events of an answer without beta blocks are those of the client's stable types."""
    for name, stream in streams(API):
        if "mcp" in name:
            continue
        for event in events_of(streamed(decoded(stream, len(stream))[0], 3)):
            if event["type"] != "ping":
                TypeAdapter(RawMessageStreamEvent).validate_json(json.dumps(event), strict=True)


def test_refusals_decode() -> None:
    """Every recorded error: its status, message and Anthropic's own word for it."""
    count = 0
    for api in (API, "count_tokens"):
        for name, status, headers, body in refusals(api):
            if "error" not in body or "type" not in body:
                continue  # Google's
            failed = client.decode_error(status, headers.get, json.dumps(body).encode(), now_s=0.0)
            assert failed == Failed(status, body["error"]["message"], body["error"]["type"]), name
            count += 1
    assert count >= 2


def _walked(value: Any) -> None:
    """Reads all of a validated value: the client's lists are checked while they are read."""
    if isinstance(value, dict):
        for item in value.values():
            _walked(item)
    elif not isinstance(value, (str, bytes)) and isinstance(value, Iterable):
        for item in value:
            _walked(item)


def test_every_recorded_chat_request_is_one_of_this_format() -> None:
    """Requests recorded in OpenAI's format, encoded for Anthropic, are what the official client would send."""
    adapter = TypeAdapter(MessageCreateParamsNonStreaming)
    count = 0
    for name, body in requests():
        request = openai_server.decode_request(json.dumps(body).encode())
        written = json.loads(encode_request(request, upstream_model="claude-opus-4-5", max_tokens=4096, stream=False))
        _walked(adapter.validate_python(written))
        assert written["messages"][0]["role"] == "user", name
        roles = [turn["role"] for turn in written["messages"]]
        assert all(role != later for role, later in pairwise(roles)), name
        blocks = [block for turn in written["messages"] for block in turn["content"]]
        assert all(block["text"] for block in blocks if block["type"] == "text"), name
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]
        given = [call["id"] for message in body["messages"] for call in message.get("tool_calls") or ()]
        assert len(called) == len(given), name
        tools = [tool["function"]["name"] for tool in body.get("tools", ()) if "function" in tool]
        assert [tool["name"] for tool in written.get("tools", ())] == tools, name
        count += 1
    assert count > 230


def test_every_recorded_request_can_go_to_openai() -> None:
    """Requests recorded in this format, encoded for OpenAI's, are read there, and say the same texts and calls."""
    for name, body in requests(API):
        request = decode_request(json.dumps(body).encode())
        written = openai_client.encode_request(
            request, upstream_model="gpt", max_tokens=9, stream=False, same_format=False
        )
        assert b"tollway" not in written, name
        again = openai_server.decode_request(written)
        blocks = [b for turn in body["messages"] for b in turn["content"] if isinstance(b, dict)]
        calls = [
            call
            for message in again.messages
            if isinstance(message, AssistantMessage)
            for call in message.tool_calls or ()
        ]
        assert [(call.id, json.loads(call.function.arguments)) for call in calls] == [
            (block["id"], block["input"]) for block in blocks if block["type"] == "tool_use"
        ], name
        for block in blocks:
            if block["type"] == "text":
                assert json.dumps(block["text"], ensure_ascii=False) in written.decode(), name
