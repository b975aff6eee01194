"""Who fails clearly more often than its peers of the same model, as far as chance does not explain it.

They are asked behind the others, and at most half of a model's endpoints are: compared with each other, never all.
"""

import math
from collections.abc import Mapping

from msgspec import Struct

REQUESTS_MIN = 20
"""Below it an endpoint is not compared, nor do its peers speak against another."""
POINTS = 0.05
"""So much above its peers' failure rate, at least."""
SIGMAS = 3.0


class Tally(Struct, frozen=True):
    """What was asked of an endpoint in the last minutes, 429s apart, and how much of it failed."""

    requests: int
    failed: int


def outliers(tallies: Mapping[str, Tally]) -> frozenset[str]:
    """The ids of those whose failure rate stands out, the worst first if half is too many (two-proportion z-test)."""
    asked = sum(each.requests for each in tallies.values())
    failed = sum(each.failed for each in tallies.values())
    if not failed:
        return frozenset()
    found: list[tuple[float, str]] = []
    for id_, each in tallies.items():
        peers, peers_failed = asked - each.requests, failed - each.failed
        if each.requests < REQUESTS_MIN or peers < REQUESTS_MIN:
            continue
        rate, usual, pooled = each.failed / each.requests, peers_failed / peers, failed / asked
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / each.requests + 1 / peers))
        if rate - usual >= POINTS and rate - usual >= SIGMAS * deviation:
            found.append((rate, id_))
    found.sort(reverse=True)
    return frozenset(id_ for _, id_ in found[: len(tallies) // 2])
