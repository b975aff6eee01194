"""Every recorded exchange with Cohere's chat: what we read, and what we send, equals the recording's own JSON."""

import json
from typing import Any

from tests.wire.recordings import bodies, requests
from tollway.domain.events import Answer, Event
from tollway.wire.cohere_chat.client import EventDecoder, decode_answer, encode_request
from tollway.wire.collect import collect
from tollway.wire.openai_chat import server as openai_server

API = "cohere_chat"
REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "TOOL_CALL": "tool_calls"}


def decoded(body: dict[str, Any]) -> Answer:
    answer = decode_answer(json.dumps(body).encode())
    assert isinstance(answer, Answer)
    return answer


def test_answers_decode() -> None:
    """Every whole answer: text, plan, calls, citations, reason, usage, id."""
    count = 0
    for name, body in bodies(API):
        answer, message, usage = decoded(body), body["message"], body["usage"]
        (choice,) = answer.choices
        assert (choice.text or "") == "".join(block["text"] for block in message.get("content", ())), name
        assert choice.reasoning == message.get("tool_plan"), name
        assert [(call.id, call.name, call.arguments) for call in choice.tool_calls] == [
            (call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls", ())
        ], name
        notes = [] if choice.annotations is None else json.loads(bytes(choice.annotations))
        assert [note["cohere_citation"] for note in notes] == message.get("citations", []), name
        for note in notes:
            about, citation = note["url_citation"], note["cohere_citation"]
            assert (choice.text or "")[about["start_index"] : about["end_index"]] == citation["text"], name
            assert about["content"] == citation["sources"][0]["tool_output"]["content"], name
        assert (choice.finish_reason, choice.native_finish_reason) == (
            REASONS[body["finish_reason"]],
            body["finish_reason"],
        ), name
        assert answer.usage is not None, name
        counted = {"input_tokens": answer.usage.prompt, "output_tokens": answer.usage.completion}
        assert counted == usage["tokens"], name
        assert answer.usage.billed == (usage["billed_units"]["input_tokens"], usage["billed_units"]["output_tokens"])
        assert answer.usage.cache_read == usage.get("cached_tokens", 0), name
        assert answer.upstream_id == body["id"], name
        count += 1
    assert count >= 10


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """A recorded request as a caller of OpenAI's chat would have asked it."""
    asked = {name: value for name, value in body.items() if name not in ("stop_sequences", "tool_choice")}
    if "stop_sequences" in body:
        asked["stop"] = body["stop_sequences"]
    if "tool_choice" in body:
        asked["tool_choice"] = body["tool_choice"].lower()
    return asked


def test_requests_are_written() -> None:
    """Every recorded request, asked in OpenAI's words, is sent as Cohere's own client sent it."""
    count = 0
    for name, body in requests(API):
        request = openai_server.decode_request(json.dumps(as_chat(body)).encode())
        sent = encode_request(request, upstream_model=body["model"], max_tokens=None, stream=False)
        assert json.loads(sent) == body, name
        count += 1
    assert count >= 10


def streamed(body: dict[str, Any]) -> bytes:
    """A recorded answer as the API would have streamed it (docs: streaming, streaming for tool use)."""
    message = body["message"]
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": body["id"], "delta": {"message": {"role": "assistant", "content": []}}}
    ]
    words = message.get("tool_plan", "").split(" ")
    pieces = [words[0], *(f" {word}" for word in words[1:])]
    events += [{"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}} for piece in pieces]
    for index, call in enumerate(message.get("tool_calls", ())):
        arguments = call["function"]["arguments"]
        begun = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        events.append({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": begun}}})
        for piece in (arguments[:5], arguments[5:]):
            more = {"tool_calls": {"function": {"arguments": piece}}}
            events.append({"type": "tool-call-delta", "index": index, "delta": {"message": more}})
        events.append({"type": "tool-call-end", "index": index})
    for index, block in enumerate(message.get("content", ())):
        opened = {"content": {"type": "text", "text": ""}}
        events.append({"type": "content-start", "index": index, "delta": {"message": opened}})
        grown = [{"message": {"content": {"text": piece}}} for piece in (block["text"][:9], block["text"][9:])]
        events += [{"type": "content-delta", "index": index, "delta": delta} for delta in grown]
        events.append({"type": "content-end", "index": index})
    for index, citation in enumerate(message.get("citations", ())):
        events.append({"type": "citation-start", "index": index, "delta": {"message": {"citations": citation}}})
        events.append({"type": "citation-end", "index": index})
    end = {"finish_reason": body["finish_reason"], "usage": body["usage"]}
    events.append({"type": "message-end", "id": body["id"], "delta": end})
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def events_of(stream: bytes, piece: int) -> list[Event]:
    decoder = EventDecoder()
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    assert (decoder.saw_done, decoder.malformed) == (True, 0)
    return events + decoder.end()


def test_a_stream_is_its_whole() -> None:
    """collect(stream) == decode(body) for each recording, and any cut of the bytes gives the same events."""
    for name, body in bodies(API):
        stream = streamed(body)
        events = events_of(stream, len(stream))
        assert collect(events) == decoded(body), name
        for piece in (1, 3, 7, 1000):
            assert events_of(stream, piece) == events, (name, piece)
