"""How many requests an endpoint bears at once, learned from its 429s; and who of two near ties has less to do.

Without a 429 there is no limit. Each 429 sets it below what was under way; answers raise it again, by one for as many
successes as the limit says (additive increase, multiplicative decrease).
"""

from tollway.domain.health import RATE_LIMITED, SUCCEEDED, Outcome

FULL = "as many requests under way as it bears, by its 429s"
FULL_RANK = 0.5
"""Of the troubles for which endpoints are asked last, the least."""
DECREASE = 0.8
LIMIT_MIN = 1.0
FORGOTTEN_S = 300.0
"""So long after the last 429 the limit is gone."""
PEAK_DECAY_S = 10.0
"""How fast a peak of the time to the first token is forgotten (Peak-EWMA)."""


class Load:
    """One endpoint's requests under way, its limit, and its recent time to the first token."""

    __slots__ = ("_limit", "_limited_s", "_peak_s", "_seen_s", "under_way")

    def __init__(self) -> None:
        self.under_way = 0
        self._limit: float | None = None
        """How many it bears; None: there was no 429 of late."""
        self._limited_s = 0.0
        self._peak_s = 0.0
        self._seen_s = 0.0

    def end(self, outcome: Outcome, now_s: float, first_s: float | None = None) -> None:
        """It has ended. `first_s`: seconds to its first token."""
        if outcome is RATE_LIMITED:
            self._limit = max(LIMIT_MIN, DECREASE * min(self.under_way, self._limit or self.under_way))
            self._limited_s = now_s
        elif self._limit is not None and outcome is SUCCEEDED:
            self._limit += 1 / self._limit
        if self.under_way > 0:
            self.under_way -= 1
        if first_s is not None:
            self._peak_s = max(first_s, self._decayed(now_s) * 0.9 + first_s * 0.1)
            self._seen_s = now_s

    def is_full(self, now_s: float) -> bool:
        """Whether one request more would be one too many."""
        if self._limit is None:
            return False
        if now_s - self._limited_s > FORGOTTEN_S:
            self._limit = None
            return False
        return self.under_way >= self._limit

    def why_full(self, now_s: float) -> str | None:
        """The same, as a reason."""
        return None if self._limit is None or not self.is_full(now_s) else FULL

    def why_down(self, now_s: float) -> str | None:
        """The same, of somebody who means it: where a probe is due, he is told None and is the probe."""
        return None if self._limit is None or not self.is_full(now_s) else FULL

    def rank(self, now_s: float) -> float:
        """How bad it is; 0.0: not full."""
        return FULL_RANK if self.is_full(now_s) else 0.0

    def weight(self, now_s: float) -> float:
        """What the next request would wait for: the recent time to the first token, for each that is under way."""
        return self._decayed(now_s) * (self.under_way + 1)

    def _decayed(self, now_s: float) -> float:
        return self._peak_s * max(0.0, 1 - (now_s - self._seen_s) / PEAK_DECAY_S)
