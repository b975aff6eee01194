"""The order in which endpoints are tried: the caller's own, a sorted one, or a balanced draw with the rest behind."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median, pstdev
from typing import Literal, Protocol

from tollway.domain.caps import Strategy
from tollway.domain.chat import Percentiles, Preferences, SortBy
from tollway.domain.measured import Measured, Spread
from tollway.routing.balance import shares, weighted
from tollway.routing.market import Offer, Stall, seventy_thirty
from tollway.routing.provider_names import NO_NAMES, ProviderNames, means
from tollway.routing.weigh import Weighed, trouble

Dice = Callable[[], float]
"""A number in [0, 1)."""

Policy = Literal["traffic", "price"]
"""How traffic is balanced where nobody asks for an order (`routing.balance`)."""

Place = tuple[Stall, str, float]
"""An endpoint, why it stands where it stands, and its share of the first places, from 0 to 1."""


class Sight(Protocol):
    """What a plan sees of the endpoints' health, at one moment."""

    def why_down(self, endpoint_id: str) -> str | None: ...
    def measured(self, endpoint_id: str) -> Measured: ...
    def load(self, endpoint_id: str) -> float: ...
    def weighed(self, offer: Offer) -> Weighed: ...
    def badness(self, endpoint_id: str) -> float: ...


NEAR_TIE = 0.05
"""Endpoints whose costs differ by less are near ties."""
EXACTO_PROVIDERS = 4
EXACTO_REQUESTS = 100
"""In 30 minutes; below it there is too little data to call an endpoint good or poor."""
EXACTO_TOOL_ANSWERS = 200
"""In two hours, likewise."""
EXACTO_TOOLS_SIGMA, EXACTO_SPEED_SIGMA = 2.0, 1.5


def order_stalls(
    offer: Offer,
    well: list[Stall],
    unwell: Sequence[Stall],
    preferences: Preferences,
    tools: bool,
    sight: Sight,
    policy: Policy,
    dice: Dice,
    kept: str | None = None,
    strategy: Strategy | None = None,
    names: ProviderNames = NO_NAMES,
) -> list[Place]:
    """Endpoints (cheapest first) -> places, best first. Unwell ones come last, the least bad first; they never vanish.

    `tools`: the request has tools, so that who calls them badly goes behind the others (Auto-Exacto). `kept`: the id of
    the endpoint that holds the conversation's prompt cache; it goes first if it is well. `strategy`: as `routing` asks,
    where `provider` names neither an order nor a sort.
    """
    if preferences.order:
        return _as_listed([*well, *unwell], preferences.order, names)
    if len(well) == 1 and not unwell:
        return [(well[0], "the only one that fits", 1.0)]
    by = preferences.sort.by if isinstance(preferences.sort, SortBy) else preferences.sort
    if len(well) == 1:
        places: list[Place] = [(well[0], "the only one that fits", 1.0)]
    elif by is None and strategy == "cheapest":
        places, kept = _by_rank(well, lambda stall: 0.0, ("cheapest", "next by price")), None
    elif by is None and strategy == "continuity":
        places = _by_rank(
            well, lambda stall: _illness(sight.measured(stall.endpoint.id)), ("healthiest", "next by health")
        )
    elif by is None or by == "exacto":
        places = _balanced(offer, well, sight, policy, dice)
        if tools or by == "exacto":
            places = _able_first(places, sight)
    else:
        places = sorted_places(well, by, sight)
    if kept is not None and len(places) > 1:
        places = _kept_first(places, kept)
    places = preferred_first(places, preferences, sight)
    if len(unwell) > 1:
        unwell = sorted(unwell, key=lambda stall: sight.badness(stall.endpoint.id))
    places += [(stall, "unwell: tried last", 0.0) for stall in unwell]
    return places


def sorted_places(stalls: Sequence[Stall], by: Literal["price", "throughput", "latency"], sight: Sight) -> list[Place]:
    """A strict order, and no balancing; who was never timed comes last, by price."""
    if by == "price":
        first = min(stalls, key=lambda stall: stall.blended, default=None)
        ordered = sorted(stalls, key=lambda stall: stall.blended)
        return [(stall, "cheapest" if stall is first else "next by price", float(stall is first)) for stall in ordered]
    speeds: list[tuple[float, int, Stall]] = []
    for stall in stalls:
        measured = sight.measured(stall.endpoint.id)
        spread = measured.speed if by == "throughput" else measured.first_s
        rank = float("inf") if spread is None else -spread.p50 if by == "throughput" else spread.p50
        speeds.append((rank, stall.blended, stall))
    speeds.sort(key=lambda each: each[:2])
    return [
        (stall, f"by {by}" if rank != float("inf") else f"no {by} measured yet: by price", float(place == 0))
        for place, (rank, _, stall) in enumerate(speeds)
    ]


def _by_rank(stalls: Sequence[Stall], rank: Callable[[Stall], float], words: tuple[str, str]) -> list[Place]:
    """A strict order: the least rank first, of the same rank the cheapest."""
    ordered = sorted(stalls, key=lambda stall: (rank(stall), seventy_thirty(stall.price.rates)))
    return [(stall, words[place > 0], float(place == 0)) for place, stall in enumerate(ordered)]


def _illness(measured: Measured) -> float:
    """0.0: nothing is known against it. Trouble weighs more than any rate of errors; 429s count like failures."""
    return 2.0 * trouble(measured) + measured.error_rate + measured.limited_rate


def _balanced(offer: Offer, well: Sequence[Stall], sight: Sight, policy: Policy, dice: Dice) -> list[Place]:
    """One of the stable endpoints is drawn, the other stable ones follow, then those in trouble, the worst last."""
    weighed = sight.weighed(offer)
    costs, troubles = weighed.costs, weighed.troubles
    everybody = policy == "traffic" and not troubles and len(well) == len(offer.stalls)
    groups: Sequence[Sequence[Stall]] = (weighed.order,) if everybody else _by_trouble(well, troubles)
    places: list[Place] = []
    for depth, group in enumerate(groups):
        if not group:
            continue
        if policy == "traffic" and not everybody:
            group = sorted(group, key=lambda stall: costs[stall.endpoint.id])
        if places:
            places += [(stall, _TROUBLES[depth], 0.0) for stall in group]
            continue
        if everybody:
            parts: Sequence[float] = weighed.shares
        else:
            parts = shares([costs[stall.endpoint.id] for stall in group]) if policy == "traffic" else by_price(group)
            parts = weighted(parts, [stall.weight for stall in group])
        drawn = draw(parts, dice())
        if policy == "traffic" and len(group) > 1:
            drawn = _less_busy(group, costs, drawn, draw(parts, dice()), sight)
        by = "cost" if policy == "traffic" else "price"
        following = f"next by {by}"
        places = [(stall, following, part) for stall, part in zip(group, parts, strict=True)]
        stall, _, part = places.pop(drawn)
        places.insert(0, (stall, f"drawn by {by}", part))
    return places


def _by_trouble(well: Sequence[Stall], troubles: Mapping[str, int]) -> tuple[list[Stall], list[Stall], list[Stall]]:
    """None, degraded, the last resort."""
    groups: tuple[list[Stall], list[Stall], list[Stall]] = ([], [], [])
    for stall in well:
        groups[troubles.get(stall.endpoint.id, 0)].append(stall)
    return groups


def _less_busy(group: Sequence[Stall], costs: Mapping[str, float], one: int, other: int, sight: Sight) -> int:
    """Of two draws that cost nearly the same, the one with less to do (power of two choices, by Peak-EWMA)."""
    if one == other:
        return one
    mine, its = group[one].endpoint.id, group[other].endpoint.id
    if abs(costs[mine] - costs[its]) > NEAR_TIE * min(costs[mine], costs[its]):
        return one
    return other if sight.load(its) < sight.load(mine) else one


_TROUBLES = (
    "",
    "degraded: under 95% uptime, or failing more than its peers",
    "in trouble: a recent outage, or under 80% uptime",
)


def by_price(stalls: Sequence[Stall]) -> list[float]:
    """Shares in proportion to 1/price²; free ones share everything between them."""
    pulls = [float(not stall.pull) for stall in stalls]
    if not any(pulls):
        pulls = [stall.pull for stall in stalls]
    whole = sum(pulls)
    return [pull / whole for pull in pulls]


def draw(parts: Sequence[float], mark: float) -> int:
    """The index of one of the parts, which sum to 1, by a number in [0, 1)."""
    for index, part in enumerate(parts):
        mark -= part
        if mark < 0:
            return index
    return max(range(len(parts)), key=parts.__getitem__)  # floats: the sum fell short of the mark


def _able_first(places: list[Place], sight: Sight) -> list[Place]:
    """Who calls tools well, then those of whom too little is known, then the poor (OPENROUTER.md 4, Auto-Exacto).

    Who is in trouble stays behind the others, and before the poor.
    """
    figures = {place[0].endpoint.id: sight.measured(place[0].endpoint.id) for place in places}
    known = {
        id_: (each, each.speed.p50) for id_, each in figures.items() if _is_judged(each) and each.speed is not None
    }
    if len({place[0].endpoint.provider for place in places if place[0].endpoint.id in known}) < EXACTO_PROVIDERS:
        return places
    success = [1 - each.tool_error_rate for each, _ in known.values()]
    speeds = [speed for _, speed in known.values()]
    least_success = median(success) - EXACTO_TOOLS_SIGMA * pstdev(success)
    least_speed = median(speeds) - EXACTO_SPEED_SIGMA * pstdev(speeds)

    def tier(place: Place) -> int:
        found = known.get(place[0].endpoint.id)
        if found is not None and (1 - found[0].tool_error_rate < least_success or found[1] < least_speed):
            return len(_TIERS) - 1
        if place[1] in _TROUBLES:
            return 2
        return 0 if found is not None else 1

    tiers = [(tier(place), place) for place in places]
    tiers.sort(key=lambda each: each[0])
    return [place if (why := _TIERS[level]) is None else (place[0], why, 0.0) for level, place in tiers]


_TIERS = (None, "too little is known of its tool calls", None, "poor at tool calls")
"""Why an endpoint stands behind for its tool calls; the third are those in trouble, who say so already."""


def _is_judged(measured: Measured) -> bool:
    return measured.requests >= EXACTO_REQUESTS and measured.tool_answers >= EXACTO_TOOL_ANSWERS


def _kept_first(places: list[Place], kept: str) -> list[Place]:
    """The endpoint that holds the conversation's prompt cache, where it is among them."""
    found = [place[0] for place in places if place[0].endpoint.id == kept]
    if not found:
        return places
    rest = [(stall, reason, 0.0) for stall, reason, _ in places if stall.endpoint.id != kept]
    return [(found[0], "holds this conversation's prompt cache", 1.0), *rest]


def preferred_first(places: list[Place], preferences: Preferences, sight: Sight) -> list[Place]:
    """Who misses a preferred throughput or latency goes behind the others; nobody is left out."""
    slowest, latest = preferences.preferred_min_throughput, preferences.preferred_max_latency
    if slowest is None and latest is None:
        return places

    def misses(place: Place) -> bool:
        measured = sight.measured(place[0].endpoint.id)
        return _misses(slowest, measured.speed, at_least=True) or _misses(latest, measured.first_s, at_least=False)

    missing = [place for place in places if misses(place)]
    kept = [place for place in places if place not in missing]
    return kept + [(stall, "behind the preferred throughput or latency", 0.0) for stall, _, _ in missing]


def _misses(wanted: float | Percentiles | None, found: Spread | None, *, at_least: bool) -> bool:
    """Whether a cutoff is missed; what was never measured misses none."""
    if wanted is None or found is None:
        return False
    cutoffs = wanted if isinstance(wanted, Percentiles) else Percentiles(p50=float(wanted))
    for name in Percentiles.__struct_fields__:
        cutoff, value = getattr(cutoffs, name), getattr(found, name)
        if cutoff is not None and (value < cutoff if at_least else value > cutoff):
            return True
    return False


def _as_listed(stalls: Sequence[Stall], order: Sequence[str], names: ProviderNames) -> list[Place]:
    """The caller's order; a name that covers several endpoints (a base slug) takes them by price."""
    places: list[Place] = []
    rest = list(stalls)
    for rank, name in enumerate(order, 1):
        for stall in [stall for stall in rest if means(names.meant, stall.endpoint, (name,))]:
            places.append((stall, f"provider.order, place {rank}", 0.0))
            rest.remove(stall)
    return places + [(stall, "after provider.order", 0.0) for stall in rest]
