"""What our callers get, held against the official clients' own types."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openrouter import components

from tests.wire.recordings import bodies, streams
from tollway.domain.events import (
    Answer,
    Choice,
    Event,
    ExtraDelta,
    Failed,
    Finished,
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
from tollway.wire.openai_chat.client import EventDecoder, decode_answer
from tollway.wire.openai_chat.server import EventEncoder, encode_answer, usage_json
from tollway.wire.sse import SseParser

ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 1_762_141_317, "model": "a/b", "provider": "Acme"}
USAGE = usage_json(
    Usage(
        prompt=9,
        completion=4,
        cache_read=3,
        cache_write=2,
        reasoning=1,
        audio_prompt=1,
        audio_completion=1,
        image_completion=2,
    ),
    cost=850_000,
    prompt_cost=18_000,
    completion_cost=832_000,
)

FULL = Answer(
    choices=(
        Choice(
            index=0,
            text="Hello \u2028 \U0001f600",
            reasoning="hm",
            reasoning_details=(Raw(b'{"type":"reasoning.text","text":"hm","format":"anthropic-claude-v1","index":0}'),),
            tool_calls=(ToolCall("call_1", "f", '{"a":1}'), ToolCall("call_2", "g", "{}")),
            logprobs=Raw(b'{"content":[{"token":"H","logprob":-0.5,"bytes":[72],"top_logprobs":[]}],"refusal":null}'),
            images=Raw(b'[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]'),
            annotations=Raw(
                b'[{"type":"url_citation","url_citation":{"url":"https://a","title":"t","start_index":0,"end_index":1}}]'
            ),
            finish_reason="tool_calls",
            native_finish_reason="tool_use",
        ),
        Choice(index=1, refusal="No.", finish_reason="content_filter", native_finish_reason="SAFETY"),
        Choice(index=2, finish_reason="stop"),
    ),
    upstream_id="secret-upstream-id",
    model="upstream-name",
    service_tier="default",
)


def check_answer(body: bytes) -> dict[str, Any]:
    """Both official clients read it; its JSON."""
    components.ChatResult.model_validate_json(body, strict=True)
    value = json.loads(body)
    assert isinstance(value, dict)
    # Groq's own tier is not in OpenAI's list, which its client does not enforce.
    ChatCompletion.model_validate({**value, "service_tier": None}, strict=True)
    return value


def chunks_of(text: bytes) -> list[dict[str, Any]]:
    """Every chunk of a stream, each read by both official clients; what follows `[DONE]` must be nothing."""
    events = SseParser().feed(text)
    values = []
    for event in events:
        if event.data == b"[DONE]":
            assert event is events[-1]
            continue
        components.ChatStreamChunk.model_validate_json(event.data, strict=True)
        value = json.loads(event.data)
        if "error" not in value:
            allowed = ("stop", "length", "tool_calls", "content_filter", None)
            assert all(choice["finish_reason"] in allowed for choice in value["choices"])
            ChatCompletionChunk.model_validate_json(event.data, strict=True)
        values.append(value)
    return values


def test_full_answer() -> None:
    """Section 3.3: every field, and rules 1, 2, 8, 9 of section 15."""
    value = check_answer(encode_answer(FULL, **ENVELOPE, usage_json=USAGE))
    assert {name: value[name] for name in ENVELOPE} == ENVELOPE
    assert value["object"] == "chat.completion"
    assert value["system_fingerprint"] is None
    assert value["service_tier"] == "default"
    first, second, third = value["choices"]
    assert first["message"]["content"] == "Hello \u2028 \U0001f600"
    assert first["message"]["refusal"] is None
    assert first["message"]["reasoning"] == "hm"
    assert first["message"]["tool_calls"] == [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"index": 1, "id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert first["logprobs"]["content"][0]["token"] == "H"
    assert (first["finish_reason"], first["native_finish_reason"]) == ("tool_calls", "tool_use")
    assert second["message"] == {"role": "assistant", "content": "", "refusal": "No.", "reasoning": None}
    assert third["message"]["content"] == ""
    assert third["logprobs"] is None
    assert "secret" not in json.dumps(value)


def test_content_is_null_beside_calls() -> None:
    """As OpenAI and OpenRouter have it."""
    answer = Answer(choices=(Choice(tool_calls=(ToolCall("1", "f", ""),), finish_reason="tool_calls"),))
    assert check_answer(encode_answer(answer, **ENVELOPE, usage_json=USAGE))["choices"][0]["message"]["content"] is None


def test_envelope_is_the_storefronts() -> None:
    """Without a provider the field is left out; extra fields stand at the top."""
    envelope = ENVELOPE | {"provider": None}
    value = check_answer(
        encode_answer(FULL, **envelope, usage_json=USAGE, extra_fields={"cost_usd": 1, "user_id": "u"})
    )
    assert "provider" not in value
    assert (value["cost_usd"], value["user_id"]) == (1, "u")
    encoder = EventEncoder(**envelope, extra_fields={"trace": "t"})
    chunk = chunks_of(encoder.encode([TextDelta("a")]))[0]
    assert "provider" not in chunk
    assert chunk["trace"] == "t"


def test_usage() -> None:
    """ChatUsage with every detail; money is exact to the nanodollar, and no float on the way."""
    assert msgspec.json.Decoder(float_hook=str).decode(USAGE) == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "cost": "0.00085",
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 1, "video_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1, "image_tokens": 2, "audio_tokens": 1},
        "cost_details": {
            "upstream_inference_cost": "0.00085",
            "upstream_inference_prompt_cost": "0.000018",
            "upstream_inference_completions_cost": "0.000832",
        },
    }
    components.ChatUsage.model_validate_json(USAGE, strict=True)
    assert b'"cost":0.000000001,"is_byok":true' in usage_json(
        Usage(), cost=1, prompt_cost=0, completion_cost=0, is_byok=True
    )


EVENTS: list[Event] = [
    Started("up", "m"),
    ReasoningDelta("h", 0, (Raw(b'{"type":"reasoning.text","text":"h"}'),)),
    ReasoningDelta("m"),
    TextDelta("He"),
    TextDelta('"llo\n\u2028'),
    TextDelta("x", 0, Raw(b'{"content":[{"token":"x","logprob":-1.0,"bytes":null,"top_logprobs":[]}],"refusal":null}')),
    TextDelta("other", 1),
    RefusalDelta("No.", 1),
    ToolCallDelta(0, 0, "call_1", "f", ""),
    ToolCallDelta(0, 0, arguments='{"a":'),
    ToolCallDelta(0, 0, arguments="1}"),
    ToolCallDelta(1, 0, "call_2", "g", "{}"),
    ExtraDelta(0, images=Raw(b'[{"type":"image_url","image_url":{"url":"data:,"}}]')),
    ExtraDelta(
        0,
        annotations=Raw(
            b'[{"type":"url_citation","url_citation":{"url":"https://a","title":"t","start_index":0,"end_index":1}}]'
        ),
    ),
    Finished("tool_calls", "tool_use"),
    Finished("content_filter", "SAFETY", 1),
    UsageReported(Usage(prompt=9, completion=4, cache_read=3)),
]


def test_stream() -> None:
    """Section 3.4: the envelope and the role on every chunk, usage on a last one without choices, then [DONE]."""
    encoder = EventEncoder(**ENVELOPE)
    text = encoder.comment("OPENROUTER\nPROCESSING") + encoder.encode(EVENTS) + encoder.finish(USAGE)
    assert text.startswith(b": OPENROUTER PROCESSING\n\ndata: {")
    assert text.endswith(b"\n\ndata: [DONE]\n\n")
    chunks = chunks_of(text)
    assert len(chunks) == len(EVENTS) - 2 + 1
    for chunk in chunks:
        assert {name: chunk[name] for name in ENVELOPE} == ENVELOPE
        assert chunk["object"] == "chat.completion.chunk"
        assert all(choice["delta"]["role"] == "assistant" for choice in chunk["choices"])
    assert chunks[2]["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": "He"},
            "finish_reason": None,
            "native_finish_reason": None,
            "logprobs": None,
        }
    ]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 13
    assert chunks[-2]["choices"][0]["native_finish_reason"] == "SAFETY"


def test_what_ends_an_answer_is_apart() -> None:
    """Events alone never write usage or [DONE]: those wait for the commit."""
    text = EventEncoder(**ENVELOPE).encode([*EVENTS, Failed(502, "x")])
    assert b"[DONE]" not in text
    assert b'"usage"' not in text
    assert b'"error"' not in text
    assert EventEncoder(**ENVELOPE).encode([Started(), UsageReported(Usage()), Failed(500, "x")]) == b""
    assert EventEncoder(**ENVELOPE).finish(None) == b"data: [DONE]\n\n"


def test_error_chunk() -> None:
    """Section 12.5: an integer code, a choice that finished with "error", then the end."""
    text = EventEncoder(**ENVELOPE).error(
        code=502, message="Acme broke", metadata={"error_type": "provider_unavailable", "provider_name": "Acme"}
    )
    assert text.endswith(b"data: [DONE]\n\n")
    (chunk,) = chunks_of(text)
    assert chunk["error"] == {
        "code": 502,
        "message": "Acme broke",
        "metadata": {"error_type": "provider_unavailable", "provider_name": "Acme"},
    }
    assert chunk["choices"][0]["finish_reason"] == "error"
    assert chunk["choices"][0]["delta"]["content"] == ""


def decoded(text: bytes) -> list[Event]:
    """The events that a client of this format would read from what we wrote."""
    decoder = EventDecoder()
    return decoder.feed(text) + decoder.end()


def with_details(said: Any) -> Any:
    """Thoughts of which there is only the text get one detail of it (recorded: openrouter.jsonl, with_reasoning)."""
    text = said.text if isinstance(said, ReasoningDelta) else said.reasoning
    own = said.details if isinstance(said, ReasoningDelta) else said.reasoning_details
    if not text or own:
        return said
    detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
    name = "details" if isinstance(said, ReasoningDelta) else "reasoning_details"
    return replace(said, **{name: (Raw(msgspec.json.encode(detail)),)})


def test_events_survive_the_way() -> None:
    """What is written reads back as the same events: two Tollways in a row lose nothing."""
    encoder = EventEncoder(**ENVELOPE)
    again = [e for e in decoded(encoder.encode(EVENTS) + encoder.finish(USAGE)) if not isinstance(e, Started)]
    assert [e for e in again if not isinstance(e, UsageReported)] == [
        with_details(e) if isinstance(e, ReasoningDelta) else e for e in EVENTS[1:-1]
    ]
    assert collect(again).usage == Usage(
        prompt=9,
        completion=4,
        cache_read=3,
        cache_write=2,
        reasoning=1,
        audio_prompt=1,
        audio_completion=1,
        image_completion=2,
    )


def unplaced(choices: Iterable[Choice]) -> list[tuple[Choice, list[Any]]]:
    """Choices, and apart from them their unknown fields: where these stood among the pieces is of no meaning here."""
    return [(replace(choice, natives=()), [piece.value for piece in choice.natives]) for choice in choices]


def test_recorded_answers_pass_through() -> None:
    """Every recorded answer, read and written again, satisfies both official clients and says the same."""
    for name, body in bodies():
        answer = decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer), name
        written = encode_answer(answer, **ENVELOPE, usage_json=USAGE)
        check_answer(written)
        again = decode_answer(written)
        assert isinstance(again, Answer), name
        expected = [
            replace(with_details(c), native_finish_reason=c.native_finish_reason or c.finish_reason)
            for c in answer.choices
        ]
        assert unplaced(again.choices) == unplaced(expected), name


def test_recorded_streams_pass_through() -> None:
    """Every recorded stream, read and written again, satisfies both official clients and folds into the same answer."""
    for name, stream in streams():
        events = decoded(stream)
        encoder = EventEncoder(**ENVELOPE)
        if isinstance(events[-1], Failed):
            events.pop()
        text = encoder.encode(events) + encoder.finish(USAGE)
        chunks_of(text)
        expected = [
            # An end that we found ourselves (Snowflake) has no native word, and none is found where it failed (Groq).
            replace(
                with_details(c),
                native_finish_reason=c.native_finish_reason or c.finish_reason,
                finish_reason=c.finish_reason or "stop",
            )
            for c in collect(events).choices
        ]
        assert unplaced(collect(decoded(text)).choices) == unplaced(expected), name


TEXT = st.text(max_size=8)
ANY_EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(TextDelta, text=TEXT, choice=st.integers(0, 2)),
    st.builds(ReasoningDelta, text=TEXT, choice=st.integers(0, 2)),
    st.builds(RefusalDelta, text=TEXT, choice=st.integers(0, 2)),
    st.builds(ToolCallDelta, index=st.just(0), id=st.just("c"), name=st.just("f"), arguments=TEXT),
    st.builds(
        Finished,
        reason=st.sampled_from(["stop", "length", "tool_calls"]),
        native=st.sampled_from(["stop", "x"]),
        choice=st.integers(0, 2),
    ),
)


@given(st.lists(ANY_EVENT, max_size=20))
def test_written_text_is_always_a_stream(events: list[Event]) -> None:
    """Whatever the texts hold, each event is one chunk that both official clients read."""
    encoder = EventEncoder(**ENVELOPE)
    assert len(chunks_of(encoder.encode(events) + encoder.finish(USAGE))) == len(events) + 1


@pytest.mark.parametrize("text", ["\x00", "\x7f", "\u2028", "\ud7ff", "\U0010ffff", '"\\/', "</script>", "data: x\n\n"])
def test_text_is_escaped(text: str) -> None:
    """No text can end an event or start another."""
    (chunk,) = chunks_of(EventEncoder(**ENVELOPE).encode([TextDelta(text)]))
    assert chunk["choices"][0]["delta"]["content"] == text
