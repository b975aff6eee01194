"""A provider's stream with everything that may be odd about it (FAULTS.md U-10 to U-22, U-34)."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.events import (
    CONTENT,
    Answer,
    Event,
    ExtraDelta,
    Failed,
    Finished,
    NativeDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from tollway.domain.generation import Usage
from tollway.wire.collect import collect
from tollway.wire.openai_chat.client import EventDecoder, decode_answer

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def event(value: Any) -> bytes:
    """One event; text goes as it is."""
    return b"data: " + (value.encode() if isinstance(value, str) else json.dumps(value).encode()) + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, *, index: int = 0, **more: Any) -> bytes:
    """One chunk with one choice."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return event({"id": "c-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more})


def usage(**counts: Any) -> bytes:
    """A chunk of usage alone."""
    return event({"id": "c-1", "choices": [], "usage": {**USAGE, **counts}})


DONE = event("[DONE]")
STARTED = Started("c-1", "m")
PIECES = [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "a"}]


def read(*pieces: bytes, ends: bool = True) -> list[Event]:
    """All events."""
    decoder = EventDecoder()
    events = [found for piece in pieces for found in decoder.feed(piece)]
    return events + (decoder.end() if ends else [])


def test_nothing_commits_before_content() -> None:
    """A role, an empty content, a ping, a comment and Azure's first chunk are not content."""
    events = read(
        b": PROCESSING\n\n",
        event({"id": "", "model": "", "choices": [], "prompt_filter_results": []}),
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "content": None, "reasoning": None, "reasoning_details": [], "refusal": None}),
        chunk({"tool_calls": [], "images": [], "annotations": [], "audio": None}),
        b"data:\n\n",
        event({}),
    )
    assert events == [Started()]
    assert not isinstance(events[0], CONTENT)


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"content": "a"}, [TextDelta("a")]),
        ({"reasoning": "r"}, [ReasoningDelta("r")]),
        ({"reasoning_content": "r"}, [ReasoningDelta("r")]),
        ({"reasoning": "r", "reasoning_content": "r"}, [ReasoningDelta("r")]),
        ({"reasoning": "r", "content": "a"}, [ReasoningDelta("r"), TextDelta("a")]),
        ({"refusal": "no"}, [RefusalDelta("no")]),
        ({"content": PIECES}, [ReasoningDelta("t"), TextDelta("a")]),
        (
            {"tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            [ToolCallDelta(0, 0, "x", "f", "{}")],
        ),
        (
            {"tool_calls": [{"id": "x", "function": {"name": "f", "arguments": {"a": 1}}}]},
            [ToolCallDelta(0, 0, "x", "f", '{"a":1}')],
        ),
        ({"audio": {"id": "", "data": "", "expires_at": 0, "transcript": ""}}, []),
        (
            {"new": 1, "content": "a"},
            [TextDelta("a"), NativeDelta("openai_chat", msgspec.Raw(b'{"message":{"new":1}}'))],
        ),
    ],
)
def test_deltas(delta: dict[str, Any], expected: list[Event]) -> None:
    """Each kind of piece becomes its event."""
    assert read(chunk(delta)) == [STARTED, *expected]


def test_extras_come_as_they_are() -> None:
    """Details, images, annotations and logprobs are carried, not read."""
    details = [{"type": "reasoning.encrypted", "data": "x", "id": None, "format": "f", "index": 0}]
    events = read(
        chunk({"reasoning_details": details}),
        chunk({"images": [{"type": "image_url"}], "annotations": [{"type": "url_citation"}]}),
        event({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]}),
    )
    assert isinstance(events[1], ReasoningDelta)
    assert [json.loads(bytes(raw)) for raw in events[1].details] == details
    assert isinstance(events[2], ExtraDelta)
    assert events[2].images == msgspec.Raw(b'[{"type":"image_url"}]')
    assert isinstance(events[3], TextDelta)
    assert events[3].logprobs == msgspec.Raw(b'{"content":[{"token":"a"}]}')


def call(arguments: str = "", **more: Any) -> bytes:
    """A chunk with one piece of a tool call."""
    name = more.pop("name", None)
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{**more, "function": function}]})


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [
                call(index=0, id="a", name="f"),
                call("{", index=0),
                call("}", index=0),
                call("[]", index=1, id="b", name="g"),
            ],
            [("a", "f", "{}"), ("b", "g", "[]")],
            id="as OpenAI sends them",
        ),
        pytest.param(
            [call("{}", id="a", name="f"), call("[]", id="b", name="g")],
            [("a", "f", "{}"), ("b", "g", "[]")],
            id="no index",
        ),
        pytest.param(
            [call("{", id="a", name="f"), call("}"), call("", id="a")], [("a", "f", "{}")], id="no index, pieces"
        ),
        pytest.param(
            [call("{}", index=0, id="a", name="f"), call("[]", index=0, id="b", name="g"), call(" ", index=0)],
            [("a", "f", "{}"), ("b", "g", "[] ")],
            id="the same index for all",
        ),
        pytest.param(
            [call("{", index=0, id="a", name="f"), call("}", index=0, id="a", name="f")],
            [("a", "f", "{}")],
            id="id each time",
        ),
        pytest.param([call("{}", index=3, id="a", name="f")], [("a", "f", "{}")], id="first index is not 0"),
        pytest.param(
            [chunk({"function_call": {"name": "f", "arguments": "{"}}), chunk({"function_call": {"arguments": "}"}})],
            [(None, "f", "{}")],
            id="function_call",
        ),
        pytest.param(
            [call("{}", index=0, id="", name="f"), call("[]", index=1, name="g")],
            [(None, "f", "{}"), (None, "g", "[]")],
            id="no ids",
        ),
    ],
)
def test_tool_calls(pieces: list[bytes], expected: list[tuple[str | None, str, str]]) -> None:
    """Pieces find their call, whatever a provider leaves out; a call without an id gets one, each its own."""
    calls = collect(read(*pieces)).choices[0].tool_calls
    assert [(found.name, found.arguments) for found in calls] == [(name, text) for _, name, text in expected]
    for found, (call_id, _, _) in zip(calls, expected, strict=True):
        assert found.id == call_id if call_id else found.id.startswith("call_")
    assert len({found.id for found in calls}) == len(calls)


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("eos", "stop"),
        ("function_call", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("SAFETY", "content_filter"),
        ("novel", "stop"),
    ],
)
def test_finish(native: str, reason: str) -> None:
    """A provider's word becomes ours; its own is kept."""
    assert read(chunk({"content": "a"}), chunk(finish=native))[2:] == [Finished(reason, native)]


@pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource"])
def test_finish_that_is_a_failure(word: str) -> None:
    """Reasons that mean "it broke" are failures."""
    assert read(chunk({"content": "a"}), chunk(finish=word))[2:] == [
        Failed(502, f"The provider ended its answer with {word!r}.")
    ]


def test_after_the_end() -> None:
    """U-18, U-19: the first finish and the last usage win; text after the end is dropped; usage after [DONE] counts."""
    events = read(
        chunk({"content": "a"}),
        chunk(finish="length"),
        chunk({"content": "late"}, finish="stop"),
        usage(completion_tokens=4, total_tokens=14),
        DONE,
        chunk({"content": "later"}),
        event("not json"),
        event({"error": {"message": "late"}}),
        usage(completion_tokens=6, total_tokens=16),
    )
    assert events == [
        STARTED,
        TextDelta("a"),
        Finished("length", "length"),
        UsageReported(Usage(prompt=10, completion=4)),
        UsageReported(Usage(prompt=10, completion=6)),
    ]


def test_usage_beside_choices() -> None:
    """Usage may ride on the finish chunk, on every chunk, or (old Groq) inside `x_groq`."""
    assert read(chunk({"content": "a"}, finish="stop", usage=USAGE))[1:] == [
        TextDelta("a"),
        Finished("stop", "stop"),
        UsageReported(Usage(prompt=10, completion=5)),
    ]
    assert UsageReported(Usage(prompt=10, completion=5)) in read(chunk(x_groq={"usage": USAGE}))


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens": -1},
        {"completion_tokens": -5},
        {"prompt_tokens": 1.5},
        {"completion_tokens": "5"},
        {"prompt_tokens": 10**12},
        {"completion_tokens": 10**30},
        {"prompt_tokens": None},
        {"completion_tokens": True},
        {"prompt_tokens": float("nan")},
        {"completion_tokens": float("inf")},
        {"prompt_tokens": []},
    ],
)
def test_nonsense_usage_is_none(counts: dict[str, Any]) -> None:
    """U-34: what is no count is not billed; the answer itself is fine."""
    assert read(chunk({"content": "a"}), usage(**counts), DONE)[1:] == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            {"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3, "audio_tokens": 2}},
            Usage(prompt=10, completion=5, cache_read=4, cache_write=3, audio_prompt=2),
        ),
        (
            {"completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 1, "image_tokens": 2}},
            Usage(prompt=10, completion=5, reasoning=4, audio_completion=1, image_completion=2),
        ),
        ({"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4}, Usage(prompt=10, completion=5, cache_read=6)),
        ({"num_cached_tokens": 6}, Usage(prompt=10, completion=5, cache_read=6)),
        ({"cached_tokens": 6}, Usage(prompt=10, completion=5, cache_read=6)),
        ({"prompt_tokens_details": {"cached_tokens": 99}}, Usage(prompt=10, completion=5, cache_read=10)),
        ({"prompt_tokens_details": {"cached_tokens": -9}}, Usage(prompt=10, completion=5)),
        ({"prompt_tokens_details": None, "completion_tokens_details": []}, Usage(prompt=10, completion=5)),
        (
            {"completion_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 45},
            Usage(prompt=10, completion=35, reasoning=30),
        ),
        ({"total_tokens": 40}, Usage(prompt=10, completion=30, reasoning=25)),
        ({"total_tokens": 3}, Usage(prompt=10, completion=5)),
    ],
)
def test_usage_details(counts: dict[str, Any], expected: Usage) -> None:
    """Each provider's words for cached and reasoning tokens; no part exceeds its whole."""
    assert UsageReported(expected) in read(usage(**counts))


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        (event({"error": {"message": "Slow", "code": 429}}), Failed(429, "Slow", "429")),
        (event({"error": {"message": "Full", "type": "overloaded_error"}}), Failed(503, "Full", "overloaded_error")),
        (event({"error": "broken"}), Failed(502, "broken")),
        (
            event({"object": "error", "message": "Long", "type": "BadRequestError", "code": 400}),
            Failed(400, "Long", "BadRequestError"),
        ),
        (event({"type": "error", "error": {"type": "api_error", "message": "x"}}), Failed(500, "x", "api_error")),
        (event({"message": "gone", "code": "internal_server_error"}), Failed(500, "gone", "internal_server_error")),
        (b"event: error\n" + event({"message": "named"}), Failed(502, "named")),
        (b"event: error\n" + event("plain words"), Failed(502, "plain words")),
        (b"event: error\n" + event({"error": {"message": "x", "status_code": 400}}), Failed(400, "x")),
        (
            event(
                {
                    "choices": [
                        {
                            "index": 0,
                            "delta": {"content": ""},
                            "finish_reason": "error",
                            "error": {"code": 502, "message": "inner"},
                        }
                    ]
                }
            ),
            Failed(502, "inner", "502"),
        ),
        (chunk({"content": ""}, "error", error={"code": 502, "message": "top"}), Failed(502, "top", "502")),
    ],
)
@pytest.mark.parametrize("content", [False, True])
def test_errors_in_the_stream(text: bytes, failed: Failed, content: bool) -> None:
    """U-22: an error in any shape is one Failed, before or after content, and nothing follows it."""
    before = [chunk({"content": "a"})] if content else []
    events = read(*before, text, chunk({"content": "b"}), DONE)
    found = [event for event in events if not isinstance(event, Started)]
    assert found == ([TextDelta("a"), failed] if content else [failed])


def test_an_error_after_the_answer_takes_nothing_back() -> None:
    """OpenRouter sends "Token limit reached" behind a finished answer (recorded): the answer stays."""
    late = chunk({"content": ""}, error={"code": 400, "message": "Token limit reached"}, usage=USAGE)
    assert read(chunk({"content": "a"}, "length"), late, DONE)[1:] == [
        TextDelta("a"),
        Finished("length", "length"),
        UsageReported(Usage(prompt=10, completion=5)),
    ]


def test_malformed_events() -> None:
    """U-15: the first two are skipped and counted, the third ends the answer."""
    decoder = EventDecoder()
    events = decoder.feed(chunk({"content": "a"}) + event("{broken") + event('{"choices":5}') + chunk({"content": "b"}))
    assert events == [STARTED, TextDelta("a"), TextDelta("b")]
    assert decoder.malformed == 2
    assert decoder.feed(event("{") + chunk({"content": "c"})) == [
        Failed(502, "The provider sent events that could not be read.")
    ]


def test_never_valid() -> None:
    """U-15: a stream whose only events are broken has failed when it ends."""
    assert read(event("{broken")) == [Failed(502, "The provider sent no event that could be read.")]


def test_invalid_utf8_and_nan() -> None:
    """U-13: bad bytes are replaced; NaN, which Python servers write, is null."""
    assert read(b'data: {"choices":[{"index":0,"delta":{"content":"a\xffb"}}]}\n\n')[1:] == [TextDelta("a\ufffdb")]
    assert read(b'data: {"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"x":NaN}}]}\n\n')[1:] == [
        TextDelta("a")
    ]


def test_cut() -> None:
    """U-10, U-12: a stream that ends early says so by what is missing: no Finished, no [DONE]."""
    decoder = EventDecoder()
    assert decoder.feed(chunk({"content": "a"}) + chunk({"content": "b"})[:-9]) == [STARTED, TextDelta("a")]
    assert decoder.end() == []
    assert not decoder.saw_done


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"<html><body>Down</body></html>", [Failed(502, "Down")]),
        (b'{"error":{"message":"no","code":401}}', [Failed(401, "no", "401")]),
        (b"upstream connect error", [Failed(502, "upstream connect error")]),
        (
            json.dumps(
                {
                    "id": "c-1",
                    "model": "m",
                    "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}],
                    "usage": USAGE,
                }
            ).encode(),
            [STARTED, TextDelta("a"), Finished("stop", "stop"), UsageReported(Usage(prompt=10, completion=5))],
        ),
        (b": only comments\n\n", []),
        (b'data: {"cut":', []),
        (b"", []),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_no_event_stream_at_all(body: bytes, events: list[Event], size: int) -> None:
    """U-21, U-29: a page, an error or a whole answer where a stream was promised."""
    assert read(*(body[at : at + size] for at in range(0, len(body), size))) == events


def test_too_large_an_event() -> None:
    """U-31: past 8 MB the answer has failed."""
    piece = b"x" * 1_000_000
    assert read(chunk({"content": "a"}), b"data: ", *[piece] * 9)[2:] == [
        Failed(502, "The provider sent an event that is too large.")
    ]


def test_choices_apart() -> None:
    """With n > 1 each choice has its own text, calls and end; an index beyond reason is dropped."""
    events = read(
        chunk({"content": "a"}),
        chunk({"content": "b"}, index=1),
        chunk({"content": "x"}, index=10**9),
        chunk({"content": "x"}, index=-1),
        chunk(finish="stop"),
        chunk({"content": "c"}, index=1),
        chunk(finish="length", index=1),
    )
    answer = collect(events)
    assert [(c.index, c.text, c.finish_reason) for c in answer.choices] == [(0, "a", "stop"), (1, "bc", "length")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"5",
        b"[]",
        b"{}",
        b"<!doctype html><p>hi",
        b'{"choices":[',
        b'{"choices":null}',
        b'{"choices":"x"}',
        b'{"choices":[5]}',
        b'{"error":{"message":"no"}}',
        b'{"object":"error","message":"x"}',
        b'{"detail":"no"}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_bodies_that_are_no_answer(body: bytes) -> None:
    """U-11, U-21, U-29: a body of status 200 that is no answer is a failure."""
    failed = decode_answer(body)
    assert isinstance(failed, Failed)
    assert 400 <= failed.status <= 599
    assert failed.message


def test_finish_with_zero_content() -> None:
    """U-20: an empty answer with a finish is an answer; without one it has none (zero-completion insurance)."""
    empty = {"id": "c", "choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "stop"}]}
    answer = decode_answer(json.dumps(empty).encode())
    assert isinstance(answer, Answer)
    assert answer.choices[0].finish_reason == "stop"
    assert read(chunk({"content": ""}), DONE) == [STARTED]


@given(
    st.lists(
        st.sampled_from(
            [
                chunk({"content": "a"}),
                chunk({"content": "\u2028é"}),
                chunk(finish="stop"),
                usage(),
                DONE,
                b": c\n\n",
                event("{"),
                call("{", index=0, id="a", name="f"),
                call("}", index=0),
                event({"error": {"message": "e"}}),
                b"\r\n",
                b"<html>",
                b"event: error\n",
            ]
        ),
        max_size=12,
    ).map(b"".join),
    st.lists(st.integers(0, 900), max_size=8),
)
def test_any_cut_gives_the_same(stream: bytes, cuts: list[int]) -> None:
    """UB2: any stream, cut anywhere: the same events, and at most one Failed, at the end."""
    whole = read(stream)
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(places))) == whole
    assert not any(isinstance(found, Failed) for found in whole[:-1])
