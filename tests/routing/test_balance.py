"""Balancing by cost: the published shares, draws that keep to them, and what moves an endpoint's cost."""

import random
from collections import Counter
from itertools import pairwise
from operator import mul

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.stage import MICRO, ask, endpoint, market, order_of, plan
from tollway.domain.measured import Measured, Spread
from tollway.routing.balance import EXPLORED_MAX, Rated, costs, preference, rated, shares, weighted

FIVE = {
    "balanced": (0.98, 92.0, 0.35),
    "fast": (1.32, 125.0, 0.34),
    "budget": (0.84, 59.0, 0.22),
    "slow-start": (1.54, 77.0, 0.07),
    "unreliable": (2.06, 83.0, 0.02),
}
"""Adjusted USD per million, tokens per second, and the published share of each."""

DRAWS = 100_000
CHI_SQUARE_999_OF_4 = 18.47


def flat(speed: float) -> Spread:
    return Spread(speed, speed, speed, speed)


def test_the_published_shares() -> None:
    """The five endpoints that the policy was published with."""
    found = shares(costs([Rated(usd, speed=speed) for usd, speed, _ in FIVE.values()]))
    assert [round(share, 2) for share in found] == [share for _, _, share in FIVE.values()]


def test_draws_keep_to_the_shares() -> None:
    """100,000 plans: a chi-square test against the shares that the plan itself names."""
    figures = {name: Measured(timed=10**9, speed=flat(speed)) for name, (_, speed, _) in FIVE.items()}
    prices = {name: round(usd * MICRO) for name, (usd, _, _) in FIVE.items()}
    on_offer = market(*(endpoint(name, prompt=usd, completion=usd) for name, usd in prices.items()))
    dice, request = random.Random(1).random, ask()
    firsts: Counter[str] = Counter()
    for _ in range(DRAWS):
        firsts[order_of(plan(request, on_offer, dice=dice, policy="traffic", measured=figures))[0]] += 1
    found = plan(request, on_offer, policy="traffic", measured=figures)
    told = {each.endpoint.provider: each.share for each in found.candidates}
    assert {name: round(share, 2) for name, share in told.items()} == {
        name: share for name, (*_, share) in FIVE.items()
    }
    chi_square = sum((firsts[name] - DRAWS * share) ** 2 / (DRAWS * share) for name, share in told.items())
    assert chi_square < CHI_SQUARE_999_OF_4


def test_the_draws_test_can_fail() -> None:
    """Shares by 1/price² are far from these."""
    whole = sum(usd**-2 for usd, _, _ in FIVE.values())
    off = sum((DRAWS * (usd**-2 / whole - share)) ** 2 / (DRAWS * share) for usd, _, share in FIVE.values())
    assert off > 100 * CHI_SQUARE_999_OF_4


@pytest.mark.parametrize(
    ("changed", "cost"),
    [
        (Rated(1.0, speed=100.0), 2.0),
        (Rated(1.0, error_rate=0.05, speed=100.0), 2.4),
        (Rated(1.0, malformed_rate=0.5, speed=100.0), 2.5),
        (Rated(1.0, limited_rate=0.2, speed=100.0), 2.2),
        (Rated(1.0, speed=50.0), 3.0),
        (Rated(1.0), 1.0),
    ],
)
def test_what_moves_a_cost(changed: Rated, cost: float) -> None:
    """An error weighs eight times; 429s and broken tool calls once; 100 tokens per second are a dollar."""
    assert costs([changed]) == [pytest.approx(cost)]


def test_a_slow_beginning() -> None:
    """Time to the first token counts against the median of the peers, up to doubling the price."""
    usual, late, never = (Rated(1.0, first_s=seconds) for seconds in (0.4, 1.2, 400.0))
    assert costs([usual, usual, late]) == [1.0, 1.0, pytest.approx(1.5)]
    assert costs([usual, usual, never]) == [1.0, 1.0, pytest.approx(2.0)]


def test_a_new_endpoint_is_like_its_peers() -> None:
    """Two failures at the start are no verdict: 20 requests of the peers stand beside them."""
    proven = Measured(requests=1000, error_rate=0.01, timed=1000, speed=flat(80.0))
    fresh = Measured(requests=2, error_rate=1.0, timed=2, speed=flat(8.0))
    found = rated([1.0] * 3, [proven, proven, fresh])
    assert found[2].error_rate == pytest.approx((2 * 1.0 + 20 * 0.01) / 22)
    assert found[2].speed == pytest.approx((2 * 8 + 20 * 80) / 22)
    assert found[0].error_rate == pytest.approx(0.01)
    assert rated([1.0, 1.0], [proven, Measured()])[1].speed == 80.0


def test_what_tokens_did_cost() -> None:
    """The price that was paid replaces the list's as tokens come in: cache reads make an endpoint cheaper."""
    found = rated([1.0, 1.0], [Measured(usd_per_million=0.5, tokens=100_000), Measured()])
    assert [each.usd_per_million for each in found] == [0.75, 1.0]


def test_free_ones_share_nearly_everything() -> None:
    """Beside what costs nothing, the others are only explored."""
    found = shares([0.0, 0.0, 1.0])
    assert found == pytest.approx([0.4925, 0.4925, 0.015])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_shares_are_shares(found: list[float]) -> None:
    """They sum to 1, nobody has nothing, and who costs less never has less."""
    parts = shares(found)
    assert sum(parts) == pytest.approx(1.0)
    assert min(parts) >= EXPLORED_MAX / 60 / 2 or len(found) < 10
    ordered = sorted(zip(found, parts, strict=True))
    assert all(dear[1] <= cheap[1] + 1e-12 for cheap, dear in pairwise(ordered))


@given(st.floats(0.001, 1e4), st.floats(1, 100))
def test_preference_falls(least: float, times: float) -> None:
    """1 at the best, and less the more it costs."""
    assert preference(least, least) == 1.0
    assert 0 <= preference(least * times * 1.01, least) <= preference(least * times, least) <= 1


@given(st.lists(st.tuples(st.floats(0.01, 100), st.sampled_from([0.0, 0.5, 1.0, 3.0])), min_size=1, max_size=9))
def test_weights_multiply_shares(drawn: list[tuple[float, float]]) -> None:
    """Shares still sum to 1; of two, the ratio is that of before by their weights; 0 is nobody, unless all are 0."""
    before = shares([cost for cost, _ in drawn])
    weights = [weight for _, weight in drawn]
    after = weighted(before, weights)
    assert sum(after) == pytest.approx(1)
    if not any(weights):
        assert after == before
        return
    for one, its, weight in zip(before, after, weights, strict=True):
        assert its == pytest.approx(one * weight / sum(map(mul, before, weights)))
