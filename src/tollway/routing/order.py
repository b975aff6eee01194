"""The order in which endpoints are tried: the caller's own, or a price-weighted choice with the rest as fallbacks."""

from collections.abc import Callable, Sequence

from tollway.domain.chat import Preferences, SortBy
from tollway.routing.market import Stall
from tollway.routing.rules import is_named

Dice = Callable[[], float]
"""A number in [0, 1)."""

Place = tuple[Stall, str]
"""An endpoint, and why it stands where it stands."""


def order_stalls(well: list[Stall], unwell: Sequence[Stall], preferences: Preferences, dice: Dice) -> list[Place]:
    """Endpoints (cheapest first) -> places, best first. Unwell ones come last and never vanish.

    Default: one of the healthy drawn with weight 1/price^2, the others by price (OPENROUTER.md, section 4).
    """
    if preferences.order:
        return _as_listed([*well, *unwell], preferences.order)
    by = preferences.sort.by if isinstance(preferences.sort, SortBy) else preferences.sort
    places = [(stall, "next by price") for stall in well]
    if len(places) == 1:
        places[0] = (well[0], "the only one that fits")
    elif places and by is None:
        drawn = draw(well, dice)
        del places[drawn]
        places.insert(0, (well[drawn], "drawn by price"))
    elif places:
        places[0] = (well[0], "cheapest")
    places += [(stall, "unwell: tried last") for stall in unwell]
    return places


def draw(stalls: Sequence[Stall], dice: Dice) -> int:
    """The index of one endpoint, with probability in proportion to 1/price^2; free ones share first place."""
    if not stalls[0].pull:
        return int(dice() * sum(not stall.pull for stall in stalls))
    pulls = [stall.pull for stall in stalls]
    mark = dice() * sum(pulls)
    for index, pull in enumerate(pulls):
        mark -= pull
        if mark < 0:
            return index
    return 0


def _as_listed(stalls: Sequence[Stall], names: Sequence[str]) -> list[Place]:
    """The caller's order; a name that covers several endpoints (a base slug) takes them by price."""
    places: list[Place] = []
    rest = list(stalls)
    for rank, name in enumerate(names, 1):
        for stall in [stall for stall in rest if is_named(stall.endpoint, name)]:
            places.append((stall, f"provider.order, place {rank}"))
            rest.remove(stall)
    return places + [(stall, "after provider.order") for stall in rest]
