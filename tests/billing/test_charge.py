"""Who pays for what: each row of MONEY.md's table, and what holds whatever happened."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.billing import drawn
from tollway.billing.charge import Charge, Ending, charge, with_lost
from tollway.billing.pricing import FREE, Cost, cost
from tollway.domain.catalog import Price, Rates
from tollway.domain.generation import Usage

PRICE = Price(1, Rates(10**12, 2 * 10**12))
REPORTED = Usage(prompt=100, completion=50)
COUNTED = Usage(prompt=90, completion=40, estimated=True)
BY_REPORT, BY_COUNT = 200_000, 170_000
HOLD = 1_000_000


def ending(
    *,
    accepted: bool = True,
    finish: str | None = None,
    produced: bool = False,
    reported: Usage | None = None,
    counted: Usage = COUNTED,
    left: bool = False,
) -> Ending:
    """An ending; what is not said did not happen."""
    return Ending(accepted, finish, produced, reported, counted, left)


ROWS: tuple[tuple[str, Ending, int, int, Usage], ...] = (
    # (row, how it ended, charged, absorbed, the usage on record)
    ("finished", ending(finish="stop", produced=True, reported=REPORTED), BY_REPORT, 0, REPORTED),
    ("finished: length", ending(finish="length", produced=True, reported=REPORTED), BY_REPORT, 0, REPORTED),
    ("finished: tools", ending(finish="tool_calls", produced=True, reported=REPORTED), BY_REPORT, 0, REPORTED),
    ("finished: filter", ending(finish="content_filter", reported=REPORTED), BY_REPORT, 0, REPORTED),
    ("finished, no usage: counted", ending(finish="stop", produced=True), BY_COUNT, 0, COUNTED),
    ("nothing came, finish null", ending(), 0, 0, COUNTED),
    ("nothing came, finish error", ending(finish="error"), 0, 0, COUNTED),
    ("nothing came, yet it counts", ending(finish="error", reported=REPORTED), 0, BY_REPORT, REPORTED),
    ("no attempt began to answer", ending(accepted=False, finish="error"), 0, 0, Usage()),
    ("died after some output", ending(finish="error", produced=True), 0, BY_COUNT, COUNTED),
    ("died after output and usage", ending(finish="error", produced=True, reported=REPORTED), 0, BY_REPORT, REPORTED),
    ("broke off: finish null", ending(produced=True), 0, BY_COUNT, COUNTED),
    ("left before it was accepted", ending(accepted=False, left=True), 0, 0, Usage()),
    ("left, cancelled", ending(produced=True, left=True), BY_COUNT, 0, COUNTED),
    ("left, cancelled, nothing received", ending(left=True, counted=Usage(90)), 90_000, 0, Usage(90)),
    ("left, a count had come", ending(produced=True, left=True, reported=REPORTED), BY_REPORT, 0, REPORTED),
    ("left, after an error had come", ending(finish="error", produced=True, left=True), 0, BY_COUNT, COUNTED),
    ("left, drained to its end", ending(finish="stop", produced=True, reported=REPORTED), BY_REPORT, 0, REPORTED),
)


@pytest.mark.parametrize(("row", "how", "charged", "absorbed", "usage"), ROWS, ids=[row[0] for row in ROWS])
def test_who_pays_for_what(row: str, how: Ending, charged: int, absorbed: int, usage: Usage) -> None:
    """Each row of "Who pays for what": what is captured, what we absorb, and which usage is written down."""
    found = charge(how, PRICE, HOLD)
    assert (found.cost.total, found.absorbed, found.usage, found.alarm) == (charged, absorbed, usage, None)


def test_nobody_was_asked() -> None:
    """No candidate, no price: nothing is charged."""
    assert charge(ending(), None, HOLD) == Charge(Usage(), FREE)


def test_a_cost_above_the_hold_is_capped_and_alarms() -> None:
    """The caller pays the hold, we absorb the excess, and an operator sees it."""
    found = charge(ending(finish="stop", produced=True, reported=REPORTED), PRICE, 120_000)
    assert found.cost == Cost(120_000, 100_000, 20_000, 0)
    assert found.absorbed == 80_000
    assert found.alarm == "cost 200000 above the hold 120000"
    # The parts never add up to more than what is charged.
    low = charge(ending(finish="stop", produced=True, reported=REPORTED), PRICE, 30_000)
    assert (low.cost.total, low.cost.prompt, low.cost.completion) == (30_000, 30_000, 0)


@pytest.mark.parametrize(
    ("rates", "usage", "free", "alarms"),
    [
        (Rates(0, 10**12), Usage(prompt=5), False, True),
        (Rates(10**12, 0), Usage(completion=5), False, True),
        (Rates(0, 0), Usage(prompt=5, completion=5), False, True),
        (Rates(0, 0), Usage(prompt=5, completion=5), True, False),
        (Rates(1, 1), Usage(prompt=5, completion=5), False, False),
        (Rates(0, 10**12), Usage(), False, False),
        (Rates(1, 0), Usage(prompt=5), False, False),  # an embedding: what was used has a price, too small to show
    ],
)
def test_zero_cost_for_tokens(rates: Rates, usage: Usage, free: bool, alarms: bool) -> None:
    """Tokens that cost nothing where nothing was declared free: an alarm, and the hold is captured (MONEY.md)."""
    found = charge(ending(finish="stop", produced=True, reported=usage), Price(1, rates, declared_free=free), HOLD)
    assert (found.alarm is not None) is alarms
    assert found.cost.total == (HOLD if alarms else 0)
    assert found.absorbed == 0


endings = st.builds(
    Ending,
    accepted=st.booleans(),
    finish_reason=st.sampled_from([None, "error", "stop", "length", "tool_calls", "content_filter"]),
    produced=st.booleans(),
    reported=st.none() | drawn.usages,
    counted=drawn.usages,
    caller_left=st.booleans(),
)


@settings(max_examples=500, deadline=None)
@given(endings, st.none() | drawn.prices, st.integers(0, 10**12))
def test_whatever_happened(how: Ending, price: Price | None, hold: int) -> None:
    """Never above the hold, nothing negative, an error is never charged, and no dollar is lost between the sides."""
    found = charge(how, price, hold)
    assert 0 <= found.cost.total <= hold
    assert found.cost.prompt >= 0
    assert found.cost.completion >= 0
    assert found.absorbed >= 0
    if not how.accepted or price is None:
        assert (found.cost.total, found.absorbed) == (0, 0)
        return
    if how.finish_reason == "error" or (how.finish_reason is None and not how.caller_left):
        assert found.cost.total == 0
    elif found.alarm is None or "above the hold" in found.alarm:
        assert found.cost.total + found.absorbed == cost(found.usage, price).total


@settings(max_examples=200, deadline=None)
@given(endings, st.none() | drawn.prices, st.integers(0, 10**12), drawn.usages, drawn.prices)
def test_a_lost_race_is_ours_to_pay(how: Ending, price: Price | None, hold: int, usage: Usage, lost: Price) -> None:
    """What the loser cost is absorbed, to the nanodollar; the caller's charge, usage and alarm stay what they were."""
    alone = charge(how, price, hold)
    found = with_lost(alone, usage, lost)
    assert (found.cost, found.usage, found.alarm) == (alone.cost, alone.usage, alone.alarm)
    assert found.absorbed - alone.absorbed == cost(usage, lost).total >= 0
