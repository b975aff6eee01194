"""The order in which endpoints are tried: the caller's own, or a price-weighted choice with the rest as fallbacks."""

from collections.abc import Callable, Sequence

from tollway.domain.catalog import Endpoint
from tollway.domain.chat import Preferences, SortBy
from tollway.routing.market import blended_price

Dice = Callable[[], float]
"""A number in [0, 1)."""


def order_endpoints(
    well: Sequence[Endpoint], unwell: Sequence[Endpoint], preferences: Preferences, dice: Dice
) -> list[tuple[Endpoint, str]]:
    """Endpoints (cheapest first) -> (endpoint, why it stands here), best first. Unwell ones come last, never vanish.

    Default: one of the healthy drawn with weight 1/price^2, the others by price (OPENROUTER.md, section 4).
    """
    if preferences.order:
        return _as_listed([*well, *unwell], preferences.order)
    by = preferences.sort.by if isinstance(preferences.sort, SortBy) else preferences.sort
    ordered = [(endpoint, "next by price") for endpoint in well]
    if by is None and len(ordered) > 1:
        chosen = draw(well, dice)
        ordered.insert(0, (ordered.pop(chosen)[0], "drawn by price"))
    elif ordered:
        ordered[0] = (ordered[0][0], "cheapest" if len(ordered) > 1 else "the only one that fits")
    return ordered + [(endpoint, "unwell: tried last") for endpoint in unwell]


def draw(endpoints: Sequence[Endpoint], dice: Dice) -> int:
    """The index of one endpoint, with probability in proportion to 1/price^2; free ones share first place."""
    prices = [blended_price(endpoint) for endpoint in endpoints]
    if not prices[0]:
        return int(dice() * prices.count(0))
    least = prices[0]
    weights = [(least / price) ** 2 for price in prices]
    mark = dice() * sum(weights)
    for index, weight in enumerate(weights):
        mark -= weight
        if mark < 0:
            return index
    return 0


def _as_listed(endpoints: Sequence[Endpoint], names: Sequence[str]) -> list[tuple[Endpoint, str]]:
    ranks = {name.lower(): place for place, name in reversed(list(enumerate(names)))}
    listed = [(ranks[endpoint.provider], endpoint) for endpoint in endpoints if endpoint.provider in ranks]
    listed.sort(key=lambda pair: pair[0])
    rest = [(endpoint, "after provider.order") for endpoint in endpoints if endpoint.provider not in ranks]
    return [(endpoint, f"provider.order, place {rank + 1}") for rank, endpoint in listed] + rest
