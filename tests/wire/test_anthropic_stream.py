"""Anthropic streams that are odd, ours as their clients read them, and other models' answers in this format."""

import json
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from pydantic import TypeAdapter

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
from tollway.wire.anthropic_messages import client, server
from tollway.wire.anthropic_messages.client import EventDecoder, decode_answer
from tollway.wire.anthropic_messages.server import EventEncoder, encode_answer, error_body, usage_json
from tollway.wire.anthropic_messages.words import FORMAT
from tollway.wire.closed_schema import STRUCTURED_TOOL
from tollway.wire.collect import collect
from tollway.wire.expand import expand
from tollway.wire.openai_chat import client as openai_client
from tollway.wire.sse import SseParser

ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 1_762_141_317, "model": "a/b", "provider": "Acme"}
USAGE = usage_json(
    Usage(prompt=20, completion=4, cache_read=5, cache_write=8, cache_write_1h=6, reasoning=1, web_searches=2),
    cost=850_000,
    prompt_cost=18_000,
    completion_cost=832_000,
)
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": None,
    "usage": {
        "input_tokens": 3,
        "output_tokens": 1,
        "cache_creation_input_tokens": 8,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 6},
        "service_tier": "standard",
    },
}
START = {"type": "message_start", "message": MESSAGE}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
SAY = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
CLOSE = {"type": "content_block_stop", "index": 0}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
STOP = {"type": "message_stop"}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
FAILED = Failed(503, "Overloaded", "overloaded_error")

PIECE: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def sse(*values: Any) -> bytes:
    """A stream of these events, each with its name."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (value["type"].encode(), json.dumps(value).encode())
        if isinstance(value, dict)
        else value
        for value in values
    )


def decoded(*values: Any) -> list[Event]:
    """What a decoder makes of them, with the end."""
    decoder = EventDecoder()
    return decoder.feed(sse(*values)) + decoder.end()


def test_a_plain_stream() -> None:
    """Usage comes twice: the second counts output, the first alone knows how old the caches are."""
    assert decoded(START, {"type": "ping"}, OPEN, SAY, CLOSE, END, STOP) == [
        Started("msg_1", "claude", service_tier="default"),
        TextDelta("Hi"),
        UsageReported(Usage(prompt=11, completion=9, cache_write=8, cache_write_1h=6)),
        Finished("stop", "end_turn"),
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((START, OVERLOADED), [FAILED]),
        ((START, OPEN, SAY, OVERLOADED, SAY), [TextDelta("Hi"), FAILED]),
        ((START, OPEN, SAY, END, OVERLOADED, STOP), [TextDelta("Hi"), "usage", Finished("stop", "end_turn")]),
        ((b"event: error\ndata: oh no\n\n",), [Failed(502, "oh no")]),
        ((b'data: {"error":{"message":"m","type":"rate_limit_error"}}\n\n',), [Failed(429, "m", "rate_limit_error")]),
        ((START, OPEN, SAY), [TextDelta("Hi")]),
        ((START, OPEN, SAY, STOP), [TextDelta("Hi"), Finished("stop")]),
        ((START, OPEN, SAY, b"data: [DONE]\n\n", SAY), [TextDelta("Hi"), Finished("stop")]),
        ((START, SAY, END, STOP), [TextDelta("Hi"), "usage", Finished("stop", "end_turn")]),
        ((START, b"data: {\n\n", OPEN, SAY, b'data: "x"\n\n'), [TextDelta("Hi")]),
        ((START, b"data: {\n\n" * 3, OPEN), [Failed(502, "The provider sent events that could not be read.")]),
        ((b"data: {\n\n",), [Failed(502, "The provider sent no event that could be read.")]),
        ((b"<html>Bad gateway</html>",), [Failed(502, "Bad gateway")]),
        ((json.dumps(OVERLOADED).encode(),), [FAILED]),
        ((b"",), []),
        ((START, {"type": "surprise", "x": 1}, OPEN, SAY), [TextDelta("Hi")]),
        ((START, SAY, {**END, "delta": {"stop_reason": "x"}}), [TextDelta("Hi"), "usage", Finished("stop", "x")]),
        ((START, {"type": "message_start", "message": "?"}, OPEN, SAY), [TextDelta("Hi")]),
    ],
)  # fmt: skip
def test_odd_streams(values: tuple[Any, ...], expected: list[Any]) -> None:
    """FAULTS.md U-15, U-19, U-21, U-22: errors in any shape, cuts, what comes after the end."""
    events = [event for event in decoded(*values) if not isinstance(event, Started)]
    assert ["usage" if isinstance(event, UsageReported) else event for event in events] == expected


def test_a_whole_answer_where_a_stream_was_due() -> None:
    """Some servers answer a streaming request with one body."""
    body = {**MESSAGE, "content": [{"type": "text", "text": "Hi"}], "stop_reason": "max_tokens"}
    events = decoded(json.dumps(body).encode())
    assert events[1:] == [
        TextDelta("Hi"),
        UsageReported(Usage(prompt=11, completion=1, cache_write=8, cache_write_1h=6)),
        Finished("length", "max_tokens"),
    ]


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (json.dumps(OVERLOADED).encode(), FAILED),
        (b"{", Failed(502, "The provider's answer is not valid JSON.")),
        (b'{"content":3}', Failed(502, "The provider's answer is not of the Messages format.")),
        (b'{"message":"no"}', Failed(502, "no")),
        (b"<html>Bad gateway</html>", Failed(502, "Bad gateway")),
        (b"[" * 100_000, Failed(502, "The provider's answer is not valid JSON.")),
    ],
)
def test_what_is_no_answer(body: bytes, failed: Failed) -> None:
    """A body of status 200 that is an error, a page, or broken."""
    assert decode_answer(body) == failed


def test_retry_hints() -> None:
    """The longest of what the headers ask for; 529 stays what it is."""
    headers = {"retry-after": "7", "anthropic-ratelimit-requests-remaining": "0"}
    failed = client.decode_error(529, headers.get, json.dumps(OVERLOADED).encode(), now_s=0.0)
    assert failed == Failed(529, "Overloaded", "overloaded_error", 7.0)


def test_structured_output_as_a_tool() -> None:
    """The call of our own tool is the answer's text, streamed or whole, and the end is a plain one."""
    block = {"type": "tool_use", "id": "toolu_1", "name": STRUCTURED_TOOL, "input": {}}
    piece = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
    }
    end = {**END, "delta": {"stop_reason": "tool_use"}}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    answer = collect(decoded(START, start, piece, CLOSE, end, STOP))
    (choice,) = answer.choices
    assert (choice.text, choice.tool_calls, choice.finish_reason) == ('{"a":1}', (), "stop")
    body = {**MESSAGE, "content": [{**block, "input": {"a": 1}}], "stop_reason": "tool_use"}
    whole = decode_answer(json.dumps(body).encode())
    assert isinstance(whole, Answer)
    assert whole.choices == answer.choices
    assert json.loads(encode_answer(whole, **ENVELOPE, usage_json=USAGE))["stop_reason"] == "end_turn"


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The data of every event, each read by the official client; names and types agree."""
    values = []
    for event in SseParser().feed(stream):
        value = json.loads(event.data)
        assert event.name == value["type"]
        if event.name not in ("ping", "error"):
            PIECE.validate_json(event.data, strict=True)
        values.append(value)
    return values


def test_what_ends_an_answer_waits() -> None:
    """MONEY.md: nothing that `encode` writes ends the answer, not even for its last event; `finish` does."""
    encoder = EventEncoder(**ENVELOPE, extra_fields={"route": "r"})
    assert encoder.encode([Started("up", "m")]) == b""
    first = events_of(encoder.encode([TextDelta("Hi"), Finished("length", "MAX_TOKENS"), UsageReported(Usage())]))
    assert [event["type"] for event in first] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    ]
    message = first[0]["message"]
    assert (message["id"], message["model"], message["provider"], message["route"]) == ("gen-1", "a/b", "Acme", "r")
    last = events_of(encoder.finish(USAGE, extra_fields={"openrouter_metadata": {"a": 1}}))
    assert [event["type"] for event in last] == ["message_delta", "message_stop"]
    assert last[0]["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert last[0]["usage"] == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 8,
        "cache_read_input_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 6},
        "output_tokens": 4,
        "output_tokens_details": {"thinking_tokens": 1},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "cost": 0.00085,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": 0.00085,
            "upstream_inference_input_cost": 0.000018,
            "upstream_inference_output_cost": 0.000832,
        },
        "service_tier": "standard",
    }
    assert last[1]["openrouter_metadata"] == {"a": 1}


def test_an_answer_without_a_word() -> None:
    """It is still a whole message; and one that fails ends with the error."""
    assert [event["type"] for event in events_of(EventEncoder(**ENVELOPE).finish(None))] == [
        "message_start",
        "ping",
        "message_delta",
        "message_stop",
    ]
    error = EventEncoder(**ENVELOPE).error(code=503, message="m", metadata={"error_type": "provider_overloaded"})
    assert events_of(error) == [
        {
            "type": "error",
            "error": {"type": "overloaded_error", "message": "m", "error_type": "provider_overloaded"},
            "request_id": None,
        }
    ]
    assert EventEncoder.comment("a\nb") == b": a b\n\n"


@pytest.mark.parametrize(
    ("status", "error_type", "kind"),
    [
        (401, "authentication", "authentication_error"),
        (402, "payment_required", "billing_error"),
        (403, "permission_denied", "permission_error"),
        (404, "not_found", "not_found_error"),
        (429, "rate_limit_exceeded", "rate_limit_error"),
        (503, "provider_overloaded", "overloaded_error"),
        (504, "timeout", "timeout_error"),
        (502, "provider_unavailable", "api_error"),
        (400, "context_length_exceeded", "invalid_request_error"),
        (529, None, "overloaded_error"),
        (500, None, "api_error"),
        (422, None, "invalid_request_error"),
    ],
)
def test_error_types(status: int, error_type: str | None, kind: str) -> None:
    """OPENROUTER.md 12.1 and 12.5."""
    body = error_body(status, error_type, "m", request_id="r")
    assert (body["type"], body["error"]["type"], body["request_id"]) == ("error", kind, "r")


GOOGLE = {"google": {"thought_signature": "c2ln"}}
FOREIGN = Answer(
    choices=(
        Choice(
            text="Rome is warm \u2028",
            reasoning="hm",
            reasoning_details=(
                Raw(b'{"type":"reasoning.summary","summary":"hm","format":"openai-responses-v1","index":0}'),
                Raw(b'{"type":"reasoning.encrypted","data":"gAAA","format":"openai-responses-v1","index":0,"id":"rs_1"}'),
            ),
            tool_calls=(
                ToolCall("call_1", "f", '{"a":1}', Raw(json.dumps(GOOGLE).encode())),
                ToolCall("call_2", "g", ""),
            ),
            images=Raw(b'[{"type":"image_url","image_url":{"url":"https://a/i.png"}}]'),
            annotations=Raw(
                b'[{"type":"url_citation","url_citation":{"url":"https://a","title":"t","start_index":0,"end_index":4}}]'
            ),
            finish_reason="tool_calls",
            native_finish_reason="STOP",
        ),
        Choice(index=1, text="another", finish_reason="stop"),
    ),
    service_tier="flex",
)  # fmt: skip


def test_another_models_answer() -> None:
    """Reasoning, calls, citations and images of other formats, in blocks that the official client reads."""
    body = encode_answer(FOREIGN, **ENVELOPE, usage_json=USAGE)
    TypeAdapter(Message).validate_json(body, strict=True)
    value = json.loads(body)
    thinking, hidden, text, signed, first, second, image = value["content"]
    assert thinking == {"type": "thinking", "thinking": "hm", "signature": ""}
    assert hidden["type"] == signed["type"] == "redacted_thinking"
    assert text["text"] == "Rome is warm \u2028"
    assert text["citations"] == [
        {
            "type": "web_search_result_location",
            "cited_text": "",
            "encrypted_index": "",
            "title": "t",
            "url": "https://a",
        }
    ]
    assert first == {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}
    assert second == {"type": "tool_use", "id": "call_2", "name": "g", "input": {}}
    assert "https://a/i.png" in image["text"]
    assert (value["stop_reason"], value["usage"]["service_tier"]) == ("tool_use", "standard")


def test_signatures_of_other_models_come_back() -> None:
    """A caller who sends the blocks back gives the model its own reasoning again, and Anthropic none of it."""
    content = json.loads(encode_answer(FOREIGN, **ENVELOPE, usage_json=USAGE))["content"]
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}]
    request = server.decode_request(json.dumps({"model": "m", "max_tokens": 9, "messages": messages}).encode())
    message = request.messages[1]
    assert isinstance(message, AssistantMessage)
    details = [json.loads(bytes(raw)) for raw in message.reasoning_details or ()]
    original = FOREIGN.choices[0].reasoning_details[1]
    assert json.loads(bytes(original)) in details
    assert message.tool_calls is not None
    assert message.tool_calls[0].extra_content == GOOGLE
    body = client.encode_request(request, upstream_model="claude-opus-5", max_tokens=9, stream=False)
    assert b"redacted_thinking" not in body
    assert b'"thinking"' not in body


def test_openais_stream_in_this_format() -> None:
    """An OpenAI stream, read and written: text, calls side by side, usage; the accumulated message is the answer."""
    chunks: list[dict[str, Any]] = [
        {"delta": {"reasoning": "h"}},
        {"delta": {"reasoning": "m"}},
        {"delta": {"content": "Hel"}},
        {"delta": {"content": "lo"}},
        {"delta": {"tool_calls": [{"index": 0, "id": "call_a", "function": {"name": "f", "arguments": ""}}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":'}}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}},
        {"delta": {"tool_calls": [{"index": 1, "id": "call_b", "function": {"name": "g", "arguments": "{}"}}]}},
        {"delta": {}, "finish_reason": "tool_calls"},
    ]
    decoder, encoder = openai_client.EventDecoder(), EventEncoder(**ENVELOPE)
    out = b""
    for chunk in chunks:
        data = json.dumps({"id": "x", "choices": [{"index": 0, **chunk}]}).encode()
        out += encoder.encode(decoder.feed(b"data: " + data + b"\n\n"))
    events = events_of(out + encoder.finish(USAGE))
    kinds = [event["type"].removeprefix("content_block_") for event in events[2:-2]]
    assert kinds == ["start", "delta", "delta", "stop"] * 2 + [
        "start",
        "delta",
        "delta",
        "stop",
        "start",
        "delta",
        "stop",
    ]
    again = collect(decoded(out + encoder.finish(USAGE)))
    (choice,) = again.choices
    assert (choice.reasoning, choice.text) == ("hm", "Hello")
    assert choice.tool_calls == (ToolCall("call_a", "f", '{"x":1}'), ToolCall("call_b", "g", "{}"))


def test_refusals_and_others_choices() -> None:
    """A refusal is text and the reason; the format has one choice."""
    encoder = EventEncoder(**ENVELOPE)
    out = encoder.encode(
        [
            TextDelta("no", choice=1),
            RefusalDelta("No."),
            Finished("content_filter", "SAFETY"),
            Finished("stop", choice=1),
        ]
    )
    events = events_of(out + encoder.finish(USAGE))
    assert [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"] == ["No."]
    assert events[-2]["delta"]["stop_reason"] == "refusal"
    assert encoder.encode([NativeDelta("gemini", Raw(b'{"executableCode":{}}'))]) == b""


TEXTS = st.text(min_size=1, max_size=6)
JSONS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(-9, 9) | TEXTS, max_size=2)


def _detail(index: int, **fields: str) -> Raw:
    """An item of Claude's reasoning, or a piece of one, as we write it."""
    kind = "reasoning.encrypted" if "data" in fields else "reasoning.text"
    value = {"type": kind, **fields, "format": "anthropic-claude-v1", "index": index}
    return Raw(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Events of an answer that this format can say whole, in the pieces of a stream."""
    events: list[Event] = []
    calls = thoughts = last = 0
    for kind in draw(st.lists(st.sampled_from(("think", "hide", "say", "call", "server")), min_size=1, max_size=6)):
        rank = {"think": 1, "hide": 1, "say": 2, "call": 3}.get(kind, 0)
        if rank and (rank < last or rank == last == 2):
            events.append(NativeDelta(FORMAT))
        last = rank
        match kind:
            case "think":
                texts = draw(st.lists(TEXTS, min_size=1, max_size=2))
                events += (ReasoningDelta(text, details=(_detail(thoughts, text=text),)) for text in texts)
                events.append(ReasoningDelta(details=(_detail(thoughts, signature="sig"),)))
                thoughts += 1
            case "hide":
                events.append(ReasoningDelta(details=(_detail(thoughts, data="x"),)))
                thoughts += 1
            case "say":
                events += [TextDelta(text) for text in draw(st.lists(TEXTS, min_size=1, max_size=3))]
            case "call":
                events.append(ToolCallDelta(calls, id=f"toolu_{calls}", name="f"))
                text = json.dumps(draw(JSONS))
                events += [ToolCallDelta(calls, arguments=piece) for piece in (text[:2], text[2:]) if piece]
                calls += 1
            case "server":
                block = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": draw(JSONS)}
                events.append(NativeDelta(FORMAT, Raw(json.dumps(block).encode())))
    return [*events, Finished("tool_calls" if calls else "stop", "tool_use" if calls else "end_turn")]


def _said(events: list[Event]) -> list[dict[str, Any]]:
    """The blocks that a message of these events has."""
    value = json.loads(encode_answer(collect(events), **ENVELOPE, usage_json=USAGE))
    return list(value["content"])


@given(answers(), st.integers(1, 9))
def test_answers_round_trip(events: list[Event], piece: int) -> None:
    """Events, streamed by us and read again, make the same answer; the stream's message is the whole's, in order."""
    encoder = EventEncoder(**ENVELOPE)
    stream = b"".join(encoder.encode(events[at : at + piece]) for at in range(0, len(events), piece))
    stream += encoder.finish(USAGE)
    again: list[Event] = [event for event in decoded(stream) if not isinstance(event, (Started, UsageReported))]
    before, after = collect(events).choices[0], collect(again).choices[0]
    for name in ("text", "reasoning", "reasoning_details", "tool_calls", "finish_reason", "native_finish_reason"):
        assert getattr(after, name) == getattr(before, name), name
    assert _said(again) == _said(events)
    assert _said(expand(Answer((before,)))) == _said(events)


@given(
    st.lists(
        st.sampled_from(
            [sse(START), sse(OPEN), sse(SAY), sse(END), sse(STOP), sse(OVERLOADED), b"data: {\n\n", b"\x00"]
        ),
        max_size=9,
    )
)
def test_any_order_is_survived(pieces: list[bytes]) -> None:
    """Events in any order: no exception, at most one finish and one failure, and nothing after a failure."""
    decoder = EventDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()
    kinds = [type(event) for event in events]
    assert kinds.count(Finished) <= 1
    assert kinds.count(Failed) <= 1
    assert Failed not in kinds[:-1]


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    """No bytes of a provider raise anything, streamed or whole."""
    decoder = EventDecoder()
    decoder.feed(data)
    decoder.end()
    decode_answer(data)


def test_extra_pieces() -> None:
    """Citations in a place without text open one; a recording is told by its transcript."""
    note = Raw(b'[{"type":"url_citation","url_citation":{"url":"https://a","title":"t"}},{"type":"file","file":{}}]')
    encoder = EventEncoder(**ENVELOPE)
    out = encoder.encode([ToolCallDelta(0, id="a", name="f"), ExtraDelta(annotations=note)])
    out += encoder.encode([ExtraDelta(audio=Raw(b'{"transcript":"Hello"}'))])
    kinds = [event["delta"]["type"] for event in events_of(out) if event["type"] == "content_block_delta"]
    assert kinds == ["citations_delta", "text_delta"]
