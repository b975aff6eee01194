"""One endpoint's breaker: failures in a row or in a burst pause it, one probe tries it, a success ends the pause.

Time and dice are passed in. A pause is drawn between its least and an upper bound that doubles (full jitter), so that
nodes which saw the same outage do not come back together.
"""

from tollway.domain.health import Outcome

FAILURES_TO_OPEN = 5
"""In a row, or within BURST_S where they are half of the requests or more; 429s apart."""
BURST_S = 10.0
BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 20.0
OPENINGS_COUNTED = 10
"""More do not make the pause longer, and 2 to the power of a thousand is no float."""
PROBE_S = 10.0
"""A probe of which nothing was heard for so long is no reason to wait with the next one."""
COOL_DOWN_S = 5.0
COOL_DOWN_MAX_S = 300.0
COOL_DOWN_JITTER = 0.1
REFUSALS_TO_SWITCH_OFF = 3
"""In a row: a credential that is refused, or a model that is not there, does not mend itself."""
SWITCHED_OFF_S = 300.0
"""So long nobody is sent there; then one request finds out whether the operator has mended it."""

RATE_LIMITED = "rate limited by the provider"


class Breaker:
    """While `until_s` is ahead, the endpoint is asked last; after that, one request at a time probes it."""

    __slots__ = ("failures_in_row", "not_offered", "openings", "paused_s", "probe_until_s", "rank", "until_s", "why")

    def __init__(self) -> None:
        self.failures_in_row = 0
        self.not_offered = 0
        """404s in a row."""
        self.openings = 0
        self.paused_s = 0.0
        """When the pause began that is on, or was the last."""
        self.until_s = 0.0
        """0: no pause."""
        self.probe_until_s = 0.0
        self.why = ""
        self.rank = 0.0
        """How bad its trouble is: where everybody is paused, the least is tried first."""

    def is_stale(self, began_s: float | None) -> bool:
        """Whether an attempt that began so long ago says nothing of how the endpoint is now."""
        return bool(self.until_s) and began_s is not None and began_s < self.paused_s

    def lets_through(self, now_s: float) -> bool:
        """Whether the pause is over and nobody probes; he who is told so is the probe."""
        if now_s < self.until_s or now_s < self.probe_until_s:
            return False
        self.probe_until_s = now_s + BACKOFF_MIN_S  # until it is sent, if it is
        return True

    def sent(self, now_s: float) -> None:
        """An attempt begins in spite of the pause: the others wait for what becomes of it."""
        self.probe_until_s = now_s + PROBE_S

    def failed(self, outcome: Outcome, now_s: float, burst: tuple[int, int], dice: float) -> bool:
        """A failure of its own. `burst`: requests and failures of the last BURST_S. Whether it pauses now."""
        self.failures_in_row += 1
        self.not_offered = self.not_offered + 1 if outcome is Outcome.NOT_OFFERED else 0
        if self.not_offered >= REFUSALS_TO_SWITCH_OFF:
            self.switch_off("the provider does not have this model (404)", now_s, dice)
            return True
        asked, failures = burst
        if self.failures_in_row >= FAILURES_TO_OPEN:
            why = f"{FAILURES_TO_OPEN} failures in a row, the last: {outcome.value}"
        elif failures >= FAILURES_TO_OPEN and 2 * failures >= asked:
            why = f"{failures} of {asked} requests failed within {BURST_S:g} s, the last: {outcome.value}"
        else:
            return False
        self.openings += 1
        most_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2 ** min(self.openings, OPENINGS_COUNTED))
        self._pause(now_s, BACKOFF_MIN_S + dice * (most_s - BACKOFF_MIN_S), why, 2.0 + self.openings)
        self.failures_in_row = FAILURES_TO_OPEN - 1  # one failed probe pauses it again
        return True

    def rate_limited(self, hint_s: float | None, now_s: float, dice: float) -> None:
        """A 429: it says for how long, give or take a tenth; never earlier than a pause that is on."""
        pause_s = min(COOL_DOWN_S if hint_s is None else hint_s, COOL_DOWN_MAX_S)
        pause_s *= 1 + COOL_DOWN_JITTER * (2 * dice - 1)
        if now_s + pause_s >= self.until_s:
            self._pause(now_s, pause_s, RATE_LIMITED, 1.0)

    def switch_off(self, why: str, now_s: float, dice: float) -> None:
        """Until the operator has done something about it, as far as we can tell."""
        self.openings += 1
        self._pause(now_s, SWITCHED_OFF_S * (1 + COOL_DOWN_JITTER * (2 * dice - 1)), f"switched off: {why}", 1000.0)

    def heard(self) -> None:
        """An answer has begun: everybody may go there. Should it break off, that counts as a failed probe."""
        self.until_s = self.probe_until_s = 0.0
        self.rank = 0.0
        self.not_offered = 0

    def succeeded(self) -> None:
        """Whatever was, is forgotten."""
        self.heard()
        self.failures_in_row = self.openings = 0

    def _pause(self, now_s: float, pause_s: float, why: str, rank: float) -> None:
        self.paused_s, self.until_s, self.probe_until_s = now_s, now_s + pause_s, 0.0
        self.why, self.rank = why, rank
