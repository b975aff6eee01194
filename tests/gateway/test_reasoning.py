"""Reasoning that the caller excludes is not shown and is billed; `:thinking` asks for it; tags are told apart."""

import json
from typing import Any

import pytest

from tests.gateway.town import Town
from tests.support import World

SECRET = "reasoning=24"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wish", [{"reasoning": {"exclude": True}}, {"include_reasoning": False}])
def test_excluded_and_billed(town: Town, stream: bool, wish: dict[str, Any]) -> None:
    """The same tokens and the same cost as shown, and no word of it in the answer."""
    shown = town.after(SECRET, stream=stream)
    hidden = town.after(SECRET, stream=stream, **wish)
    assert b'"reasoning":"' in shown.seen.body
    assert b'"reasoning":"' not in hidden.seen.body
    assert b"reasoning_details" not in hidden.seen.body
    assert hidden.seen.complete
    assert hidden.seen.finish == "stop"
    assert hidden.record.usage.reasoning == 24
    assert (hidden.charged, hidden.record.usage) == (shown.charged, shown.record.usage)
    assert hidden.charged > 0


def test_nothing_is_committed_by_what_is_hidden(town: Town) -> None:
    """A provider that fails while it thinks is followed by the next: the caller has seen nothing of it."""
    told = {"a": f"{SECRET},then=reset,after=4", "b": f"{SECRET},then=reset,after=4"}
    fields: dict[str, Any] = {"model": "test/model", "stream": True, "provider": {"order": ["a", "b", "c"]}}
    outcome = town.after(told, reasoning={"exclude": True}, **fields)
    assert outcome.seen.complete
    assert [attempt.provider for attempt in outcome.record.attempts] == ["a", "b", "c"]
    assert town.after(told, **fields).seen.failed_in_order  # who has seen some of it is told of the failure


@pytest.mark.parametrize(
    ("model", "fields", "told"),
    [
        ("test/one:thinking", {}, "medium"),
        ("test/one:thinking", {"include_reasoning": False}, "medium"),
        ("test/one:thinking", {"reasoning": {"exclude": True}}, "medium"),
        ("test/one:thinking", {"reasoning": {"effort": "high"}}, "high"),
        ("test/one:thinking", {"reasoning_effort": "low"}, "low"),
        ("test/one:thinking", {"reasoning": {"enabled": False}}, "none"),
        ("test/one", {}, None),
    ],
)
def test_thinking(town: Town, model: str, fields: dict[str, Any], told: str | None) -> None:
    """The variant reasons unless it is told how much; the answer names the model itself."""
    there: World = town.world({})
    before = len(there.received)
    outcome = town.after(model=model, **fields)
    assert outcome.seen.status == 200
    assert outcome.seen.json["model"] == "test/one"
    (body,) = [json.loads(request.body) for request in there.received[before:]]
    assert body.get("reasoning_effort") == told
