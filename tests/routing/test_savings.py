"""What routing saved: the bill against the same tokens at the mean of the endpoints' prices."""

import pytest

from tests.routing.stage import MICRO, MODEL, endpoint, market
from tollway.routing.savings import Bought, saved

TWO = market(endpoint("a", prompt=MICRO, completion=2 * MICRO), endpoint("b", prompt=3 * MICRO, completion=4 * MICRO))
"""A million tokens of prompt cost 1 and 3 dollars, of output 2 and 4."""


def bought(cost: int, model: str = MODEL, cached: int = 0) -> Bought:
    return Bought(model, 1, 1_000_000, cached, 1_000_000, cost)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [(3 * 10**9, 2 * 10**9), (5 * 10**9, 0), (7 * 10**9, -2 * 10**9)],
)
def test_the_mean_is_what_it_is_measured_by(cost: int, expected: int) -> None:
    """Evenly spread it would have been 5 dollars: the cheaper endpoint saves 2, the dearer one costs 2 more."""
    assert saved(TWO, [bought(cost)]) == expected
    assert saved(TWO, [bought(cost), bought(cost)]) == 2 * expected


def test_what_has_no_choice_saves_nothing() -> None:
    """One endpoint, a model that is gone, one that was free: nothing is claimed of them."""
    assert saved(market(endpoint("a")), [bought(10**9)]) is None
    assert saved(TWO, [bought(10**9, "no/such"), bought(0)]) is None
    assert saved(TWO, []) is None


def test_cached_tokens_have_their_own_price() -> None:
    """Where an endpoint has one; elsewhere they cost what others do."""
    plain = saved(TWO, [bought(10**9, cached=500_000)])
    assert plain == saved(TWO, [bought(10**9)])
