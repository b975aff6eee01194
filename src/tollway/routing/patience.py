"""How long an attempt may take to begin, so that all of them fit the time that a request has until content."""

from tollway.domain.measured import Measured
from tollway.routing.hedge import TIMED_MIN

LEAST_S = 10.0
"""However quick an endpoint usually is, it has so long where others could be asked."""
TIMES_P99 = 3.0
LONG_PROMPT = 32_000
"""Tokens. Longer ones take what they take, and would take as long elsewhere; so do models that think first."""


def first_event_s(usual_s: float, left_s: float, measured: Measured, *, others: bool, slow: bool) -> float:
    """Seconds until an endpoint that has not begun is given up: clamp(3 x its p99, 10, usual), and what is left.

    `usual_s`: the provider's own. `left_s`: of the request's time. `others`: somebody else could be asked afterwards;
    where the endpoint was not timed yet, half of the time is left for them. `slow`: a model that thinks before it
    writes, or a long prompt.
    """
    wait_s = usual_s
    if others and not slow:
        if measured.first_s is not None and measured.timed >= TIMED_MIN:
            wait_s = min(usual_s, max(LEAST_S, TIMES_P99 * measured.first_s.p99))
        else:
            wait_s = min(usual_s, left_s / 2)
    return min(wait_s, left_s)
