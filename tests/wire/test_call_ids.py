"""Ids of tool calls: legal, unique, and every result finds its call."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.call_ids import CallIds, made

MISTRAL = "[a-zA-Z0-9]{9}"
PATTERNS = ["", MISTRAL, "[a-zA-Z0-9_-]{1,64}", ".{1,40}"]
TURNS = st.lists(st.lists(st.sampled_from(["a", "b", "call_0", "", "functions.f:0", "x" * 70]), max_size=4), max_size=5)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(turns=TURNS)
def test_a_conversation(pattern: str, turns: list[list[str]]) -> None:
    """Every call has an id of its own that is legal, and the results, in the order of the calls, get the same ids."""
    ids, again = CallIds(pattern), CallIds(pattern)
    sent: list[str] = []
    for given_ids in turns:
        calls = ids.calls(given_ids)
        assert [ids.result(each) for each in given_ids] == calls
        assert again.calls(given_ids) == calls  # the same conversation, the same ids
        sent += calls
    assert len(set(sent)) == len(sent)
    assert all(re.fullmatch(pattern or ".+", each) for each in sent)


def test_legal_ids_stay() -> None:
    """Nothing is changed without need."""
    ids = CallIds("")
    assert ids.calls(["call_1", "call_2"]) == ["call_1", "call_2"]
    assert [ids.result("call_2"), ids.result("call_1"), ids.result("call_1")] == ["call_2", "call_1", "call_1"]


def test_a_call_without_an_answer() -> None:
    """A later turn's result of the same id is that turn's, not the one's that was never answered."""
    ids = CallIds("")
    (first,), (second,) = ids.calls(["x"]), ids.calls(["x"])
    assert first == "x"
    assert ids.result("x") == second != first


def test_a_result_without_a_call() -> None:
    """A conversation that was cut has results whose calls are gone: they are legal all the same."""
    assert CallIds(MISTRAL).result("call_123") == made("call_123")
    assert CallIds("").result("call_123") == "call_123"
