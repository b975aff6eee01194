"""Budgets by hand: retries by first tries, the floor for quiet endpoints, hedges, and limits learned from 429s."""

import pytest

from tollway.domain.health import Outcome
from tollway.domain.measured import Measured
from tollway.routing.budget import FLOOR_PER_S, SAVED_MAX, RetryBudget, RetryBudgets
from tollway.routing.concurrency import FORGOTTEN_S, Load
from tollway.routing.hedge import HedgeBudget, hedge_after_s


def taken(budget: RetryBudget, now_s: float) -> int:
    """How many retries it lets through at once."""
    return sum(budget.take(now_s) for _ in range(1000))


def test_a_fifth_of_the_first_tries() -> None:
    """A busy endpoint: a fifth, of which ten can be saved up, and what it had as a quiet one."""
    budget = RetryBudget()
    for number in range(1000):
        budget.first_try(number / 1000)
    assert taken(budget, 1.0) == SAVED_MAX
    passed = 0
    for number in range(1000):
        budget.first_try(1 + number / 1000)
        passed += budget.take(1 + number / 1000)
    assert passed == pytest.approx(200, abs=2)


def test_a_quiet_endpoint_has_a_floor() -> None:
    """Ten retries a second, however few first tries there are."""
    budget = RetryBudget()
    assert taken(budget, 0.0) == FLOOR_PER_S
    assert taken(budget, 0.5) == FLOOR_PER_S / 2
    assert taken(budget, 100.0) == FLOOR_PER_S


def test_an_unwell_endpoint_costs_double() -> None:
    """Half as many where it was failing already, and of the floor one a second; each endpoint has its own budget."""
    budgets = RetryBudgets()
    assert sum(budgets.take("a", 0.0, unwell=True) for _ in range(100)) == 1
    for number in range(1000):
        budgets.first_try("a", number / 1000)
    assert sum(budgets.take("a", 0.9, unwell=True) for _ in range(100)) == SAVED_MAX / 2
    assert budgets.take("b", 0.0)


@pytest.mark.parametrize(
    ("late_s", "timed", "extra", "after_s"),
    [
        ((0.8, 2.0), 1000, 0.05, 0.8),
        ((0.8, 2.0), 1000, 0.5, 0.8),
        ((0.8, 2.0), 1000, 0.02, 2.0),
        ((0.8, 2.0), 1000, 0.01, 2.0),
        ((0.8, 2.0), 1000, 0.035, 1.4),
        ((0.8, 2.0), 1000, 0.0, None),
        ((0.8, 2.0), 50, 0.05, None),
        (None, 0, 0.05, None),
    ],
)
def test_when_to_hedge(late_s: tuple[float, float] | None, timed: int, extra: float, after_s: float | None) -> None:
    """At the endpoint's own percentile, once enough is known; never when it is off."""
    found = hedge_after_s(Measured(timed=timed, late_s=late_s), extra)
    assert found == (None if after_s is None else pytest.approx(after_s))


def test_hedges_keep_to_their_part() -> None:
    """One in twenty requests at most, ten saved up."""
    budget = HedgeBudget(0.05)
    assert not budget.take()
    for _ in range(1000):
        budget.request()
    assert sum(budget.take() for _ in range(100)) == 10


def test_who_asks_for_hedges_has_his_own_part() -> None:
    """Up to the operator's maximum; who refuses them has none; nobody's part is above a twentieth."""
    budget = HedgeBudget(0.01, 0.04)
    assert [budget.request(wish) for wish in (None, True, False)] == [0.01, 0.04, 0.0]
    assert [HedgeBudget(0.03).request(wish) for wish in (None, True, False)] == [0.03, 0.03, 0.0]
    assert HedgeBudget(0.0, 0.5).request(True) == 0.05
    assert HedgeBudget(0.0, 0.05).request() == 0.0


def test_a_limit_is_learned() -> None:
    """Without a 429 there is none; one sets it to four fifths of what was under way; successes raise it slowly."""
    load = Load()
    load.under_way = 100
    assert not load.is_full(0.0)
    load.end(Outcome.RATE_LIMITED, 0.0)
    load.under_way = 80
    assert load.is_full(1.0)
    load.under_way = 79
    assert not load.is_full(1.0)
    for _ in range(81):
        load.under_way = 79
        load.end(Outcome.SUCCEEDED, 1.0)
    load.under_way = 80
    assert not load.is_full(1.0)
    load.under_way = 1000
    assert not load.is_full(FORGOTTEN_S + 1)


def test_who_has_less_to_do() -> None:
    """The recent time to the first token, for each that is under way; a peak is forgotten in ten seconds."""
    load = Load()
    load.under_way = 1
    load.end(Outcome.SUCCEEDED, 0.0, first_s=2.0)
    assert load.weight(0.0) == 2.0
    load.under_way = 3
    assert load.weight(5.0) == pytest.approx(4.0)
    assert load.weight(20.0) == 0.0
