"""How much of the traffic each endpoint should get: by price alone, or by price, speed and reliability together.

`price` is OpenRouter's documented default, 1/price². `traffic` puts a cost on an endpoint, in dollars per million
tokens: its price, made dearer by errors, 429s and slow beginnings, plus 100 divided by its tokens per second. Who costs
within 30% of the best shares the traffic, and everybody is tried now and then. docs/balancing.md has it with a plot.
"""

import math
from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from tollway.domain.measured import Measured

EDGE = 0.30
"""How much dearer than the best an endpoint may be before its share falls steeply."""
SLOPE = 0.31
STEEPNESS = 4.4
EXPLORED = 0.015
"""The share of each endpoint that is not for use but for measuring it."""
EXPLORED_MAX = 0.15
"""The same for all endpoints together."""
ERROR_WEIGHT = 8.0
SPEED_WEIGHT = 100.0
PEERS_COUNT = 20
"""So many requests of its peers an endpoint's own figures must outweigh: a new one is believed to be like them."""
PEERS_TOKENS = 100_000
SLOW_START_MAX = 1.0

_AT_BEST = 1 / (1 + math.exp(-STEEPNESS))


class Rated(Struct, frozen=True):
    """An endpoint's figures after its peers have had their say. None: nobody has been timed yet."""

    usd_per_million: float
    error_rate: float = 0.0
    limited_rate: float = 0.0
    malformed_rate: float = 0.0
    first_s: float | None = None
    speed: float | None = None


def rated(lists: Sequence[float], figures: Sequence[Measured]) -> list[Rated]:
    """The endpoints of one model: their list prices (USD per million tokens) and what was measured of them.

    A figure with little behind it is shrunk towards the median of the peers; a price towards the list's.
    """
    errors = median(each.error_rate for each in figures)
    limited = median(each.limited_rate for each in figures)
    malformed = median(each.malformed_rate for each in figures)
    firsts = [each.first_s.p50 for each in figures if each.first_s]
    speeds = [each.speed.p50 for each in figures if each.speed]
    first = median(firsts) if firsts else None
    speed = median(speeds) if speeds else None
    return [
        Rated(
            usd_per_million=_mixed(each.usd_per_million, each.tokens, usd, PEERS_TOKENS) or 0.0,
            error_rate=_mixed(each.error_rate, each.requests, errors, PEERS_COUNT) or 0.0,
            limited_rate=_mixed(each.limited_rate, each.requests, limited, PEERS_COUNT) or 0.0,
            malformed_rate=_mixed(each.malformed_rate, each.requests, malformed, PEERS_COUNT) or 0.0,
            first_s=_mixed(each.first_s.p50 if each.first_s else None, each.timed, first, PEERS_COUNT),
            speed=_mixed(each.speed.p50 if each.speed else None, each.timed, speed, PEERS_COUNT),
        )
        for usd, each in zip(lists, figures, strict=True)
    ]


def costs(endpoints: Sequence[Rated]) -> list[float]:
    """Each endpoint's cost in dollars per million tokens, its faults and its slowness in it."""
    firsts = [each.first_s for each in endpoints if each.first_s is not None]
    usual = median(firsts) if firsts else 0.0
    return [_adjusted(each, usual) + (SPEED_WEIGHT / each.speed if each.speed else 0.0) for each in endpoints]


def shares(found: Sequence[float]) -> list[float]:
    """Costs -> shares of the traffic, which sum to 1."""
    least = min(found)
    preferences = [preference(cost, least) for cost in found]
    whole = sum(preferences)
    explored = min(EXPLORED, EXPLORED_MAX / len(found))
    rest = 1 - explored * len(found)
    return [rest * each / whole + explored for each in preferences]


def weighted(parts: Sequence[float], weights: Sequence[float]) -> Sequence[float]:
    """Shares of the traffic, multiplied by the operator's weights; they sum to 1. Weights of nothing but 0 are none."""
    if all(weight == 1.0 for weight in weights):
        return parts
    found = [part * weight for part, weight in zip(parts, weights, strict=True)]
    whole = sum(found)
    return [each / whole for each in found] if whole else parts


def preference(cost: float, least: float) -> float:
    """1 for the best, less for who costs more, next to nothing beyond the edge."""
    if cost <= least:
        return 1.0
    if least <= 0:
        return 0.0  # beside what costs nothing, everything else is beyond the edge
    over = (cost / least - 1) / EDGE
    if over > 100:
        return 0.0
    return math.exp(-SLOPE * over) / (1 + math.exp(-STEEPNESS * (1 - over))) / _AT_BEST


def _adjusted(each: Rated, usual_first_s: float) -> float:
    late = each.first_s / usual_first_s - 1 if each.first_s and usual_first_s else 0.0
    waiting = each.limited_rate + min(SLOW_START_MAX, max(0.0, late) / 4)
    return each.usd_per_million * (1 + ERROR_WEIGHT * each.error_rate + each.malformed_rate + waiting)


def _mixed(own: float | None, count: int, peers: float | None, weight: int) -> float | None:
    """The endpoint's own figure and its peers', each by what is behind it."""
    if own is None or peers is None:
        return peers if own is None else own
    return (own * count + peers * weight) / (count + weight)
