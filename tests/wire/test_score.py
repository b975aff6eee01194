"""The score of translation: of all recorded exchanges nothing is lost but what a checked-in list gives a reason for."""

import json
from typing import Any

import pytest

from score import DROPPED, Score, report, score_of
from score_facts import facts_of, missing
from score_folds import chat, gemini, messages, sse
from score_leaves import Dropped, DroppedFields, leaves, shown
from tests.wire.recordings import FOLDER, exchanges


def test_everything_that_was_recorded_survives() -> None:
    """100 %: each leaf of each request and answer comes back in its format, each fact of an answer in every other."""
    count = len(exchanges("chat_completions"))
    dropped = DroppedFields.read(DROPPED)
    score = score_of(FOLDER, dropped)
    assert score.is_whole, "\n".join(report(score))
    assert sum(row.recordings for (_, api, _), row in score.rows.items() if api == "chat_completions") > count
    assert not dropped.unused(), "these reasons excuse nothing any more"
    assert all(len(entry.reason.split()) > 4 for entry in dropped.entries)


def record(**changes: Any) -> dict[str, Any]:
    answer = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        **changes,
    }
    request = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    return {
        "case": "made up",
        "provider": "p",
        "api": "chat_completions",
        "request": {"json": request},
        "response": {"status": 200, "headers": {}, "json": answer},
    }


def test_it_notices_what_is_lost() -> None:
    """A field that comes back with another value is lost, unless the list has it, and the table says so."""
    score = Score(DroppedFields())
    score.take(record(id="theirs"))
    assert not score.is_whole
    row = score.rows["p", "chat_completions", "answer"]
    assert row.lost == {"id": 1}
    assert row.percent < 100
    assert "chat_completions answer: id" in "\n".join(report(score))
    excused = Score(DroppedFields([Dropped("chat_completions", "answer", "id", "ours is another")]))
    excused.take(record(id="theirs"))
    assert excused.is_whole
    assert excused.rows["p", "chat_completions", "answer"].dropped == 1


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.**", "a.b[].c", True),
        ("a[].*", "a[].b", True),
        ("a.b", "a.bc", False),
    ],
)
def test_patterns(pattern: str, path: str, covered: bool) -> None:
    """`*` is one name, `**` any number."""
    assert Dropped("f", "answer", pattern, "why").covers("f", "answer", path) is covered
    assert not Dropped("f", "answer", pattern, "why").covers("g", "answer", path)


def test_leaves() -> None:
    """What says nothing is no leaf; false and 0 say something."""
    value = {"a": [{"b": 0}, {"b": None}], "c": False, "d": [], "e": {}}
    assert [(shown(path), leaf) for path, leaf in leaves(value)] == [("a[].b", 0), ("c", False)]


def test_streams_are_put_together() -> None:
    """By each format's documentation, in a few lines of hand-written events."""
    first = {"choices": [{"index": 0, "delta": {"content": "a", "tool_calls": [{"index": 0, "id": "c"}]}}]}
    second = {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}], "usage": {"n": 1}}
    whole = chat([first, second])
    assert whole["choices"][0]["message"] == {"content": "ab", "tool_calls": [{"index": 0, "id": "c"}]}
    assert whole["usage"] == {"n": 1}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
    ]
    message = messages(events)
    assert message["content"] == [{"type": "tool_use", "input": {"a": 1}}]
    assert message["usage"] == {"input_tokens": 1, "output_tokens": 2}
    parts = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in "ab"]
    assert gemini(parts)["candidates"][0]["content"]["parts"] == [{"text": "a"}, {"text": "b"}]
    assert sse('event: x\r\ndata: {"a":1}\r\n\r\ndata: [DONE]\n\n') == [{"a": 1}]


def test_a_fact_that_is_missing_is_noticed() -> None:
    """A call whose arguments changed is not the same call."""
    call = {"id": "c", "function": {"name": "f", "arguments": json.dumps({"a": 1})}}
    answer = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    facts = facts_of("chat_completions", answer)
    other = {"content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 2}}], "stop_reason": "tool_use"}
    assert [kind for kind, _ in missing(facts, "messages", other)] == ["call"]
