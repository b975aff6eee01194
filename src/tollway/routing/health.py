"""How endpoints have been doing: a breaker after failures in a row, and cool-downs after 429s. Time is passed in."""

from tollway.domain.health import Outcome

FAILURES_TO_OPEN = 5
BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 20.0
COOL_DOWN_S = 5.0
COOL_DOWN_MAX_S = 300.0


class EndpointHealth:
    """One endpoint's present state. While `until_s` is ahead it is tried last; after that one request probes it."""

    __slots__ = ("failed", "failures_in_row", "openings", "succeeded", "until_s", "why")

    def __init__(self) -> None:
        self.failures_in_row = 0
        self.openings = 0
        self.until_s = 0.0
        self.why = ""
        self.succeeded = 0
        self.failed = 0


class HealthBoard:
    """What routing knows of each endpoint's health. Memory only: after a restart everyone is presumed well."""

    def __init__(self) -> None:
        self._endpoints: dict[str, EndpointHealth] = {}
        self._down: set[str] = set()

    def observe(self, endpoint_id: str, outcome: Outcome, now_s: float, retry_after_s: float | None = None) -> None:
        """Records what became of an attempt (monotonic seconds)."""
        health = self._endpoints.get(endpoint_id)
        if health is None:
            health = self._endpoints[endpoint_id] = EndpointHealth()
        if outcome is Outcome.SUCCEEDED:
            health.succeeded += 1
            health.failures_in_row = 0
            if health.until_s:
                health.openings, health.until_s = 0, 0.0
                self._down.discard(endpoint_id)
        elif outcome is Outcome.RATE_LIMITED:
            hint = COOL_DOWN_S if retry_after_s is None else retry_after_s
            self._close(endpoint_id, health, now_s + min(hint, COOL_DOWN_MAX_S), "rate limited by the provider")
        elif outcome.endpoint_at_fault:
            health.failed += 1
            health.failures_in_row += 1
            if health.failures_in_row >= FAILURES_TO_OPEN:
                pause_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2**health.openings)
                health.openings += 1
                health.failures_in_row = FAILURES_TO_OPEN - 1  # one failed probe opens it again
                why = f"{FAILURES_TO_OPEN} failures in a row, the last: {outcome.value}"
                self._close(endpoint_id, health, now_s + pause_s, why)

    def down(self, endpoint_id: str, now_s: float) -> str | None:
        """Why the endpoint is to be avoided just now, or None. When its pause is over, one caller is let through."""
        if endpoint_id not in self._down:
            return None
        health = self._endpoints[endpoint_id]
        if now_s < health.until_s:
            return health.why
        health.until_s = now_s + BACKOFF_MIN_S  # the probe; the others wait for what becomes of it
        return None

    def status(self, endpoint_id: str, now_s: float) -> tuple[str, int, int]:
        """("up" | "down" | "untried", succeeded, failed) since the start."""
        health = self._endpoints.get(endpoint_id)
        if health is None:
            return "untried", 0, 0
        return ("down" if now_s < health.until_s else "up"), health.succeeded, health.failed

    def _close(self, endpoint_id: str, health: EndpointHealth, until_s: float, why: str) -> None:
        health.until_s, health.why = until_s, why
        self._down.add(endpoint_id)
