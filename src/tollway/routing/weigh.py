"""What balancing makes of a model's endpoints: each one's cost with its faults, its troubles, its share of traffic."""

from collections.abc import Container, Mapping, Sequence

from msgspec import Struct

from tollway.domain.measured import Measured
from tollway.routing.balance import costs, rated, shares, weighted
from tollway.routing.market import Offer, Stall

UPTIME_REQUESTS = 100
UPTIME_NORMAL, UPTIME_DEGRADED = 0.95, 0.80
"""OPENROUTER.md, section 4: below the first an endpoint is degraded, below the second the last resort."""


class Weighed(Struct, frozen=True):
    """A model's endpoints on the scales."""

    costs: Mapping[str, float]
    """By endpoint id (`routing.balance`)."""
    troubles: Mapping[str, int]
    """By endpoint id: 1 for the degraded, 2 for the last resort; those without trouble are not here."""
    order: tuple[Stall, ...]
    """The least cost first."""
    shares: tuple[float, ...]
    """Of the traffic, in that order, where all take part."""


def weigh(offer: Offer, figures: Sequence[Measured], outliers: Container[str]) -> Weighed:
    """`figures`: of `offer.stalls`, in their order. `outliers`: ids of those that fail more than their peers."""
    stalls = offer.stalls
    found = costs(rated([stall.usd_per_million for stall in stalls], figures))
    by_id = {stall.endpoint.id: cost for stall, cost in zip(stalls, found, strict=True)}
    depths = {stall.endpoint.id: trouble(each) for stall, each in zip(stalls, figures, strict=True)}
    troubles = {id_: max(depth, id_ in outliers) for id_, depth in depths.items() if depth or id_ in outliers}
    order = tuple(sorted(stalls, key=lambda stall: by_id[stall.endpoint.id]))
    found = shares([by_id[stall.endpoint.id] for stall in order]) if order else []
    parts = tuple(weighted(found, [stall.weight for stall in order]))
    return Weighed(by_id, troubles, order, parts)


def trouble(measured: Measured) -> int:
    """0: none. 1: degraded. 2: the last resort."""
    if measured.unstable:
        return 2
    uptime = measured.steady
    if measured.requests < UPTIME_REQUESTS or uptime is None or uptime >= UPTIME_NORMAL:
        return 0
    return 1 if uptime >= UPTIME_DEGRADED else 2
