"""Several keys of one endpoint: a failure of one is not the endpoint's, and no key that is down gets traffic."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.health import Outcome
from tollway.routing.breaker import COOL_DOWN_MAX_S, PROBE_S, RATE_LIMITED
from tollway.routing.concurrency import FULL
from tollway.routing.health import HealthBoard
from tollway.routing.stats import Sample

A = "a:model"
OK, LIMITED, REFUSED, BROKEN = (
    Outcome.SUCCEEDED,
    Outcome.RATE_LIMITED,
    Outcome.CREDENTIAL_REJECTED,
    Outcome.PROVIDER_ERROR,
)


def board(count: int = 2) -> HealthBoard:
    """A board whose pauses are as long as the providers say, and that knows of an endpoint's keys."""
    found = HealthBoard(lambda: 0.5)
    found.choose_key(A, count, 0.0)
    return found


def tell(board: HealthBoard, key: int, outcome: Outcome, now_s: float = 0.0, hint_s: float | None = None) -> None:
    """One attempt with this key, from begin to end."""
    board.begin(A, now_s, key)
    board.observe(A, outcome, now_s, hint_s, Sample(0.1), now_s, key)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([(1, LIMITED)], None),
        ([(1, LIMITED), (2, LIMITED)], f"none of its 2 keys can be used: {RATE_LIMITED}"),
        ([(1, REFUSED)] * 20, None),
        ([(1, LIMITED), (2, OK)], None),
        ([(1, BROKEN), (2, BROKEN)] * 2 + [(1, BROKEN)], "5 failures in a row, the last: provider_error"),
        ([(1, BROKEN)] * 4 + [(1, REFUSED), (2, BROKEN)], "5 failures in a row, the last: provider_error"),
        ([(1, BROKEN)] * 4 + [(1, LIMITED), (2, OK)], None),
    ],
)
def test_what_puts_the_endpoint_down(told: Sequence[tuple[int, Outcome]], why: str | None) -> None:
    """A key's own failures only where they are all keys'; the endpoint's failures, whatever key was used."""
    found = board()
    for key, outcome in told:
        tell(found, key, outcome)
    assert found.looks_down(A, 0.1) == why
    assert found.down(A, 0.1) == why
    assert (found.status(A, 0.1)[0] == "down") is (why is not None)


@pytest.mark.parametrize(
    ("down", "tried", "chosen"),
    [
        ((), (), {1, 2, 3}),
        ((1,), (), {2, 3}),
        ((1, 2), (), {3}),
        ((1,), (2,), {3}),
        ((1, 2), (3,), {1}),  # the least bad of those that this request has not met
        ((1, 2, 3), (), {1}),
        ((1, 2, 3), (1, 2, 3), {1}),
    ],
)
def test_which_key_is_taken(down: Sequence[int], tried: Sequence[int], chosen: set[int]) -> None:
    """Well ones only; where there is none, the one whose pause ends first."""
    dice = Random(1)
    found = HealthBoard(dice.random)
    found.choose_key(A, 3, 0.0)
    for key in down:
        tell(found, key, LIMITED, hint_s=30.0 * key)
    assert {found.choose_key(A, 3, 1.0, tried) for _ in range(60)} == chosen


def test_the_less_busy_of_two() -> None:
    """Peak-EWMA: the recent time to the first token, by the requests under way; and under way alone without it."""
    found = board()
    for key, first_s in ((1, 0.2), (2, 1.0)):
        found.begin(A, 0.0, key)
        found.observe(A, OK, 0.0, None, Sample(first_s), 0.0, key)
    chosen = []
    for _ in range(12):
        chosen.append(found.choose_key(A, 2, 0.0))
        found.begin(A, 0.0, chosen[-1])
    assert (chosen.count(1), chosen.count(2)) == (10, 2)
    assert found.load(A, 0.0) == pytest.approx(0.2 * 11)

    fresh = board()
    for _ in range(10):
        fresh.begin(A, 0.0, fresh.choose_key(A, 2, 0.0))
    ring = fresh.keys(A, 2, 0.0)
    assert ring == [("key 1", None), ("key 2", None)]
    assert fresh.choose_key(A, 2, 0.0) in (1, 2)


def test_a_key_comes_back_by_one_probe() -> None:
    """When its pause is over one request tries it, the others go on with the other; its first content ends it."""
    found = board()
    tell(found, 1, LIMITED, hint_s=10.0)
    assert {found.choose_key(A, 2, 9.9) for _ in range(9)} == {2}
    assert found.choose_key(A, 2, 10.1) == 1
    found.begin(A, 10.1, 1)
    assert {found.choose_key(A, 2, 10.1 + PROBE_S / 2) for _ in range(9)} == {2}
    had_down = found.has_down
    found.heard(A, 10.1, 11.0, 1)
    assert (had_down, found.has_down) == (True, False)
    found.observe(A, OK, 12.0, began_s=10.1, key=1)
    assert found.keys(A, 2, 12.0) == [("key 1", None), ("key 2", None)]


def test_one_plan_probes_where_all_keys_were_down() -> None:
    """As an endpoint with one key: the first who asks is let through, and the key that he gets is the one to probe."""
    found = board()
    tell(found, 1, LIMITED, hint_s=100.0)
    tell(found, 2, LIMITED, hint_s=10.0)
    assert found.down(A, 5.0) is not None
    assert [found.down(A, 11.0) is None for _ in range(3)] == [True, False, False]
    assert found.choose_key(A, 2, 11.0) == 2


def test_a_full_key_leaves_the_work_to_the_other() -> None:
    """The learned concurrency is a key's own; the endpoint is full when all its keys are."""
    found = board()
    for key in (1, 2):
        for _ in range(4):
            found.begin(A, 0.0, key)
        found.observe(A, LIMITED, 0.0, 0.5, began_s=0.0, key=key)
        found.heard(A, 1.0, 1.0, key)
        found.begin(A, 1.0, key)
        assert (found.down(A, 1.0) is not None) is (key == 2)
    assert found.down(A, 1.0) == f"none of its 2 keys can be used: {FULL}"
    assert found.badness(A, 1.0) == 0.5
    found.observe(A, OK, 1.0, key=2)
    found.observe(A, OK, 1.0, key=2)
    assert found.down(A, 1.0) is None
    assert {found.choose_key(A, 2, 1.0) for _ in range(9)} == {2}


def test_figures_are_not_spoilt_by_one_key() -> None:
    """While another key works, a refusal says nothing about the endpoint; where none does, it counts."""
    found = board()
    for _ in range(30):
        tell(found, 1, REFUSED)
        tell(found, 2, OK)
    assert found.measured(A, 0.0).error_rate < 0.05
    assert found.status(A, 0.0) == ("up", 30, 0)
    found.switch_off([A], "refused", 1.0, 1, 2)
    found.switch_off([A], "refused", 1.0, 2, 2)
    tell(found, 2, REFUSED, 2.0)
    assert found.status(A, 2.0) == ("down", 30, 1)


def test_keys_may_become_fewer() -> None:
    """An attempt that began with a key that is no more ends as any other."""
    found = board(3)
    found.begin(A, 0.0, 3)
    found.begin(A, 0.0, 3)
    assert found.choose_key(A, 2, 0.0) in (1, 2)
    found.observe(A, LIMITED, 0.0, key=3)
    found.abandon(A, 3)
    assert found.keys(A, 2, 0.0) == [("key 1", None), ("key 2", None)]


@given(
    count=st.integers(2, 5),
    dead=st.sets(st.integers(1, 5)),
    how=st.sampled_from([LIMITED, REFUSED]),
    gaps=st.lists(st.floats(0.0, 2.0), min_size=5, max_size=60),
    seed=st.integers(0, 2**16),
)
def test_a_dead_key_gets_no_traffic_while_another_lives(
    count: int, dead: set[int], how: Outcome, gaps: list[float], seed: int
) -> None:
    """Each dead key is asked once and no more within its pause; while one lives, every request is answered by it; where
    none lives, a key is taken all the same, and one that this request has not met."""
    dice = Random(seed).random
    found = HealthBoard(dice)
    dead = {key for key in dead if key <= count}
    asked = dict.fromkeys(range(1, count + 1), 0)
    now_s = 0.0
    for gap_s in gaps:
        now_s += gap_s
        was_down = found.down(A, now_s)
        tried: list[int] = []
        while len(tried) < count:
            key = found.choose_key(A, count, now_s, tried)
            assert key in asked
            assert key not in tried
            tried.append(key)
            asked[key] += 1
            tell(found, key, how if key in dead else OK, now_s, COOL_DOWN_MAX_S)
            if key not in dead:
                break
            if how is REFUSED:
                found.switch_off([A], "refused", now_s, key, count)
        assert bool(set(tried) - dead) is (len(dead) < count)
        if len(dead) < count:
            assert was_down is None
            assert all(asked[key] <= 1 for key in dead)
