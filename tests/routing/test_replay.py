"""Decisions made anew: shares, costs, times and failures worked out by hand from small recordings."""

from typing import Any

import pytest

from tests.routing.stage import MICRO, MODEL, endpoint, market
from tollway.domain.catalog import Price, Rates
from tollway.domain.generation import Attempt, Generation, Placed, Trace, Usage
from tollway.domain.health import Outcome
from tollway.routing.replay import replay

CHEAP, DEAR = f"cheap:{MODEL}", f"dear:{MODEL}"
TWO = market(endpoint("cheap"), endpoint("dear", prompt=2 * MICRO, completion=2 * MICRO))
EVEN = (Placed(CHEAP, "drawn by cost", 0.5), Placed(DEAR, "next by cost", 0.5))


def ended(
    at_s: int, *attempts: tuple[str, Outcome, int], plan: tuple[Placed, ...] | None = EVEN, **fields: Any
) -> Generation:
    """A streamed generation of 100 tokens and 100 of the answer; attempts as (endpoint, outcome, ms)."""
    last, outcome, _ = attempts[-1]
    values: dict[str, Any] = {
        "usage": Usage(100, 100), "cost": 1, "streamed": True, "generation_ms": 2_000,
        "endpoint_id": last if outcome is Outcome.SUCCEEDED else None,
    } | fields  # fmt: skip
    return Generation(
        id=f"gen-{at_s}", workspace_id="w", key_id="k", created_ms=at_s * 1000, model=MODEL, api_type="completions",
        origin="/", cancelled=False, finish_reason="stop", native_finish_reason=None, provider=None, price_id=None,
        absorbed=0, cache_discount=0, latency_ms=1,
        attempts=tuple(Attempt(id_, id_, each, latency_ms=ms) for id_, each, ms in attempts),
        plan=None if plan is None else Trace(plan), **values,
    )  # fmt: skip


def test_price_shares_by_the_square() -> None:
    """Twice the price: 80% to 20%, where the recording had half each. 200 tokens are 200,000 or 400,000 nanodollars."""
    found = replay(
        [ended(0, (CHEAP, Outcome.SUCCEEDED, 100)), ended(1, (DEAR, Outcome.SUCCEEDED, 500), cost=7)], TWO, "price"
    )
    assert (found.drawn, found.fixed, found.gone, found.paid) == (2, 0, 0, 8)
    assert (found.recorded.cost, found.replayed.cost) == (600_000, 480_000)
    assert found.recorded.first_ms == pytest.approx(300)
    assert found.replayed.first_ms == pytest.approx(0.8 * 100 + 0.2 * 500)
    assert [(each.endpoint_id, each.recorded, round(each.replayed, 6)) for each in found.endpoints] == [
        (CHEAP, 0.5, 0.8),
        (DEAR, 0.5, 0.2),
    ]


def test_prices_are_those_of_the_time() -> None:
    """The cheap one was the dearer one before second 1: shares and costs follow, by either policy."""
    prices = {
        CHEAP: (Price(2, Rates(4 * MICRO, 4 * MICRO)), Price(3, Rates(MICRO, MICRO), effective_ms=1_000)),
        DEAR: (Price(4, Rates(9 * MICRO, 0), effective_ms=5_000),),
    }
    recorded = [ended(0, (CHEAP, Outcome.SUCCEEDED, 100)), ended(1, (DEAR, Outcome.SUCCEEDED, 500))]
    found = replay(recorded, TWO, "price", prices)
    assert found.recorded.cost == (800_000 + 400_000) // 2 + (200_000 + 400_000) // 2
    assert found.replayed.cost == (800_000 * 0.2 + 400_000 * 0.8) + (200_000 * 0.8 + 400_000 * 0.2)
    first, second = (replay([each], TWO, "traffic", prices).endpoints[0].replayed for each in recorded)
    assert first < 0.5 < second
    assert replay(recorded, TWO, "price").recorded.cost == 600_000


def test_failures_follow_the_shares() -> None:
    """One of the cheap one's two tries failed: at 80% of two decisions it is 0.8 of a failure."""
    found = replay(
        [
            ended(0, (CHEAP, Outcome.PROVIDER_ERROR, 5), (DEAR, Outcome.SUCCEEDED, 500)),
            ended(1, (CHEAP, Outcome.SUCCEEDED, 100)),
        ],
        TWO,
        "price",
    )
    assert (found.recorded.failed, round(found.replayed.failed, 6)) == (0.5, 0.8)


def test_who_left_or_asked_nonsense_failed_nobody() -> None:
    """It is no try, either."""
    [moved, _] = replay(
        [ended(0, (CHEAP, Outcome.CANCELLED, 5)), ended(1, (CHEAP, Outcome.REQUEST_REJECTED, 5))], TWO, "price"
    ).endpoints
    assert (moved.tries, moved.failure_rate, moved.first_ms) == (0, None, None)


def test_who_was_never_tried_is_said() -> None:
    """Its time and its failures are not known; the share that would have gone there is."""
    found = replay([ended(0, (CHEAP, Outcome.SUCCEEDED, 100))], TWO, "price")
    assert (found.recorded.unknown, round(found.replayed.unknown, 6)) == (0.5, 0.2)
    assert found.replayed.first_ms == pytest.approx(100)


def test_traffic_learns_only_from_what_came_before() -> None:
    """While nothing is known prices decide; once the cheap one has failed a while it gets next to nothing."""
    bad = [ended(second, (CHEAP, Outcome.TIMED_OUT, 9), (DEAR, Outcome.SUCCEEDED, 500)) for second in range(200)]
    first = replay(bad[:1], TWO, "traffic").endpoints[0].replayed
    later = replay(bad, TWO, "traffic").endpoints[0].replayed
    assert first == pytest.approx(0.985, abs=0.01)
    assert later < 0.2


def test_what_was_not_drawn_stays() -> None:
    """One candidate, an order of the caller's, a sorted one: no policy would change these."""
    listed = (Placed(CHEAP, "provider.order, place 1", 0.0), Placed(DEAR, "after provider.order", 0.0))
    by_speed = (Placed(CHEAP, "by throughput", 1.0), Placed(DEAR, "by throughput", 0.0))
    found = replay(
        [ended(at_s, (CHEAP, Outcome.SUCCEEDED, 1), plan=plan) for at_s, plan in enumerate((None, listed, by_speed))],
        TWO,
        "price",
    )
    assert (found.drawn, found.fixed, found.gone) == (0, 3, 0)
    assert found.endpoints == ()


def test_an_endpoint_that_is_off_now() -> None:
    """Its decisions can't be made anew."""
    plan = (Placed("gone:m", "drawn by cost", 0.5), Placed(DEAR, "next by cost", 0.5))
    found = replay([ended(0, ("gone:m", Outcome.SUCCEEDED, 1), plan=plan)], TWO, "price")
    assert (found.drawn, found.fixed, found.gone) == (0, 0, 1)


def test_another_model_s_endpoints_are_not_drawn_from() -> None:
    """Of `models` only the first is balanced."""
    both = market(
        endpoint("cheap"), endpoint("dear", prompt=2 * MICRO), endpoint("x", model="o"), endpoint("y", model="o")
    )
    plan = (*EVEN, Placed("x:o", "drawn by cost", 0.5), Placed("y:o", "next by cost", 0.5))
    found = replay([ended(0, (CHEAP, Outcome.SUCCEEDED, 1), plan=plan)], both, "price")
    assert [each.endpoint_id for each in found.endpoints] == [CHEAP, DEAR]
    assert sum(each.replayed for each in found.endpoints) == pytest.approx(1)


@pytest.mark.parametrize("policy", ["price", "traffic"])
def test_nothing_recorded(policy: Any) -> None:
    found = replay([], TWO, policy)
    assert (found.drawn, found.recorded.cost, found.recorded.first_ms, found.recorded.unknown) == (0, 0, None, 0.0)
