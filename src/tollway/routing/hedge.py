"""When a second endpoint is asked beside one that is slow to begin: rarely, and only before the first event.

Who is slower than all but a small part of its own answers has most likely stalled; asking another then cuts the tail
for that part of the requests, and costs no more than that part (Dean and Barroso, "The Tail at Scale").
"""

from tollway.domain.measured import Measured

EXTRA_MAX = 0.05
"""Of all requests, so many may be asked twice."""
TIMED_MIN = 100
"""Streamed answers of the last five minutes below which an endpoint's percentiles say too little."""


def hedge_after_s(measured: Measured, extra: float) -> float | None:
    """Seconds without a first event after which another endpoint is asked as well; None: never.

    `extra`: the part of the requests that may be asked twice, 0 to EXTRA_MAX.
    """
    if extra <= 0 or measured.late_s is None or measured.timed < TIMED_MIN:
        return None
    p95, p98 = measured.late_s
    return p98 if extra < 0.02 else p95 + (p98 - p95) * (EXTRA_MAX - min(extra, EXTRA_MAX)) / 0.03


class HedgeBudget:
    """No more hedges than their part of the requests, whatever the percentiles said.

    `extra`: of requests that say nothing of hedges. `extra_max`: of those that ask for them (`provider.hedge`).
    """

    __slots__ = ("_asked", "_extra", "_saved")

    def __init__(self, extra: float, extra_max: float = 0.0) -> None:
        self._extra = min(extra, EXTRA_MAX)
        self._asked = min(max(extra, extra_max), EXTRA_MAX)
        self._saved = 0.0

    def request(self, wish: bool | None = None) -> float:
        """A request was sent: its part, by what it wishes. 0: it is not hedged."""
        extra = self._extra if wish is None else self._asked if wish else 0.0
        self._saved = min(10.0, self._saved + extra)
        return extra

    def take(self) -> bool:
        """Whether a hedge may be sent; if so it is paid for."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
