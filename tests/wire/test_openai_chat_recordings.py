"""Every recorded exchange in the chat format: what we read equals what the recording's own JSON says."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from tests.wire.recordings import bodies, requests, streams
from tollway.domain.events import Answer, Choice, Event, Failed
from tollway.domain.generation import Usage
from tollway.wire.collect import collect
from tollway.wire.openai_chat.client import EventDecoder, decode_answer
from tollway.wire.openai_chat.server import decode_request


def _chunks(stream: bytes) -> list[dict[str, Any]]:
    lines = [line[5:].strip() for line in stream.decode().split("\n") if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(piece["text"] for piece in content if piece["type"] == "text")
    return content or ""


def _thoughts(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(p["text"] for piece in content if piece["type"] == "thinking" for p in piece["thinking"])
    return message.get("reasoning") or message.get("reasoning_content") or ""


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def check_usage(usage: Usage | None, recorded: dict[str, Any], name: str) -> None:
    """Our counters against the recorded ones; hidden thoughts (Google) are in the total only."""
    assert usage is not None, name
    inputs, outputs = recorded.get("prompt_tokens_details") or {}, recorded.get("completion_tokens_details") or {}
    assert usage.prompt == recorded["prompt_tokens"], name
    assert usage.prompt + usage.completion == recorded["total_tokens"], name
    cached = (
        inputs.get("cached_tokens")
        or recorded.get("prompt_cache_hit_tokens")
        or recorded.get("num_cached_tokens")
        or recorded.get("cached_tokens")
        or 0
    )
    assert usage.cache_read == cached, name
    assert usage.cache_write == (inputs.get("cache_write_tokens") or 0), name
    hidden = recorded["total_tokens"] - recorded["prompt_tokens"] - recorded["completion_tokens"]
    assert usage.reasoning == min(outputs.get("reasoning_tokens") or hidden, usage.completion), name
    assert usage.audio_completion == (outputs.get("audio_tokens") or 0), name
    assert usage.image_completion == (outputs.get("image_tokens") or 0), name


def test_requests_decode() -> None:
    """Every recorded request decodes, and written again it says the same: nothing that a caller sent is lost."""
    count = 0
    for name, body in requests():
        request = decode_request(json.dumps(body).encode())
        extra = {field: msgspec.json.decode(value) for field, value in request.extra.items()}
        written = {**json.loads(msgspec.json.encode(msgspec.structs.replace(request, extra={}))), **extra}
        expected = _without_nulls(body)
        if expected.get("tool_choice") == "any":
            expected["tool_choice"] = "required"
        for message in expected["messages"]:
            for call in message.get("tool_calls", ()):
                call.setdefault("type", "function")
                call.pop("index", None)  # Mistral's client echoes the call's place, which the list already says.
        for tool in expected.get("tools", ()):
            tool.setdefault("type", "function")
        assert _without_nulls(written) == expected, name
        count += 1
    assert count > 230


def check_choice(choice: Choice, recorded: dict[str, Any], name: str) -> None:
    """One choice against the recorded one."""
    message = recorded["message"]
    assert choice.index == recorded["index"], name
    assert (choice.text or "") == _text(message.get("content")), name
    assert (choice.reasoning or "") == _thoughts(message), name
    assert [json.loads(bytes(raw)) for raw in choice.reasoning_details] == (message.get("reasoning_details") or []), (
        name
    )
    assert (choice.refusal or "") == (message.get("refusal") or ""), name
    calls = message.get("tool_calls") or []
    assert [(call.name, call.arguments) for call in choice.tool_calls] == [
        (call["function"]["name"], call["function"]["arguments"]) for call in calls
    ], name
    for call, given in zip(choice.tool_calls, calls, strict=True):
        assert call.id == given["id"] or (not given["id"] and call.id.startswith("call_")), name
    annotations = json.loads(bytes(choice.annotations)) if choice.annotations is not None else []
    assert annotations == (message.get("annotations") or []), name
    # Snowflake sends no reason at all: an answer that spoke and is whole then ended with "stop" or "tool_calls".
    assert choice.finish_reason == (recorded["finish_reason"] or ("tool_calls" if calls else "stop")), name
    native = recorded.get("native_finish_reason") or recorded["finish_reason"]
    assert choice.native_finish_reason == (native or None), name


def test_answers_decode() -> None:
    """Every whole answer: text, reasoning, tool calls, finish, usage, id and model."""
    count = 0
    for name, body in bodies():
        answer = decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer), name
        assert len(answer.choices) == len(body["choices"]), name
        for choice, recorded in zip(answer.choices, body["choices"], strict=True):
            check_choice(choice, recorded, name)
        check_usage(answer.usage, body["usage"], name)
        assert (answer.upstream_id or "", answer.model) == (body["id"], body["model"]), name
        assert answer.system_fingerprint == (body.get("system_fingerprint") or None), name
        assert answer.service_tier == (body.get("service_tier") or None), name
        count += 1
    assert count > 240


def decoded(stream: bytes, piece: int) -> tuple[list[Event], EventDecoder]:
    """The events of a stream that comes in pieces."""
    decoder = EventDecoder()
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    return events + decoder.end(), decoder


def _whole_details(pieces: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items of `reasoning_details` from pieces: those of one index are one item, its text and its signature joined."""
    items: list[dict[str, Any]] = []
    for piece in pieces:
        if items and piece["type"] == "reasoning.text" and items[-1].get("index") == piece["index"]:
            text = items[-1].get("text", "") + piece.get("text", "")
            items[-1] = {**items[-1], **{name: value for name, value in piece.items() if value}, "text": text}
        else:
            items.append(piece)
    return items


def test_streams_decode() -> None:
    """Every stream: the pieces joined, calls, the first finish, the last usage, and how it ended."""
    count = 0
    for name, stream in streams():
        chunks = _chunks(stream)
        events, decoder = decoded(stream, len(stream))
        deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices") or ()]
        answer = collect(events)
        assert len(answer.choices) == 1, name
        choice = answer.choices[0]
        assert (choice.text or "") == "".join(delta.get("content") or "" for delta in deltas), name
        assert (choice.reasoning or "") == "".join(delta.get("reasoning") or "" for delta in deltas), name
        details = _whole_details(detail for delta in deltas for detail in delta.get("reasoning_details") or ())
        assert [json.loads(bytes(raw)) for raw in choice.reasoning_details] == details, name
        pieces = [piece for delta in deltas for piece in delta.get("tool_calls") or ()]
        calls = {piece["index"]: piece for piece in reversed(pieces) if piece.get("id")}
        assert [(call.id, call.name) for call in choice.tool_calls] == [
            (calls[index]["id"], calls[index]["function"]["name"]) for index in sorted(calls)
        ], name
        for index, call in enumerate(choice.tool_calls):
            assert call.arguments == "".join(p["function"]["arguments"] for p in pieces if p["index"] == index), name
        annotations = [item for delta in deltas for item in delta.get("annotations") or ()]
        assert (json.loads(bytes(choice.annotations)) if choice.annotations else []) == annotations, name
        assert decoder.malformed == 0, name
        assert decoder.saw_done == (b"[DONE]" in stream), name
        reasons = [c["finish_reason"] for chunk in chunks for c in chunk.get("choices") or () if c.get("finish_reason")]
        if reasons:
            assert choice.finish_reason == reasons[0], name
            assert not any(isinstance(event, Failed) for event in events), name
        elif decoder.saw_done:
            assert choice.finish_reason == ("tool_calls" if calls else "stop"), name
        else:
            error = chunks[-1]["error"]
            assert events[-1] == Failed(
                error["status_code"], error["message"][:199] + "\N{HORIZONTAL ELLIPSIS}", error["code"]
            ), name
            assert choice.finish_reason == "error", name
        usages = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
        if usages:
            check_usage(answer.usage, usages[-1], name)
        count += 1
    assert count >= 32


def test_streams_at_any_cut() -> None:
    """U-12, UB2: byte by byte, in threes, in sevens: the same events."""
    for name, stream in streams():
        whole = decoded(stream, len(stream))[0]
        for piece in (1, 3, 7, 1000):
            assert decoded(stream, piece)[0] == whole, (name, piece)


def test_a_stream_is_its_whole() -> None:
    """collect(stream) == decode(body): each recorded body, streamed piece by piece, folds into the same answer."""
    for name, body in bodies():
        whole = decode_answer(json.dumps(body).encode())
        assert isinstance(whole, Answer)
        envelope = {name: value for name, value in body.items() if name not in ("choices", "usage")}
        chunks: list[dict[str, Any]] = [{**envelope, "choices": []}]
        for choice in body["choices"]:
            message, index = choice["message"], choice["index"]
            ends = {name: value for name, value in choice.items() if name not in ("index", "message")}
            for field, value in message.items():
                pieces = list(value) if field in ("reasoning", "refusal") and value else [value]
                if field == "content" and isinstance(value, str):
                    pieces = [value[:3], value[3:]]
                chunks += ({**envelope, "choices": [{"index": index, "delta": {field: piece}}]} for piece in pieces)
            chunks.append({**envelope, "choices": [{"index": index, "delta": {}, **ends}]})
        chunks.append({**envelope, "choices": [], "usage": body["usage"]})
        stream = (
            b"".join(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks) + b"data: [DONE]\n\n"
        )
        assert _with_natives_as_one(collect(decoded(stream, 1000)[0])) == _with_natives_as_one(whole), name


def _with_natives_as_one(answer: Answer) -> Any:
    """An answer whose unknown fields are put together: how many pieces bring them is not what they say."""
    found: dict[int, Any] = {}
    for choice in answer.choices:
        for piece in choice.natives:
            value = json.loads(bytes(piece.value or b"{}"))
            message = {**found.get(choice.index, {}).get("message", {}), **value.pop("message", {})}
            found[choice.index] = {**found.get(choice.index, {}), **value, "message": message}
    choices = tuple(msgspec.structs.replace(choice, natives=()) for choice in answer.choices)
    native = None if answer.native is None else json.loads(bytes(answer.native.fields))
    return msgspec.structs.replace(answer, choices=choices, native=None), native, found
