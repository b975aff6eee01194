"""What the last hour came to: the metrics of each of its minutes, beside those of now."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping

from msgspec import Struct

from tollway.telemetry import pulse
from tollway.telemetry.metrics import Metrics

EVERY_S = 60.0
MINUTES = 60


class Mark(Struct, frozen=True):
    """The counters at a moment, in seconds of the loop's clock."""

    at_s: float
    responses: Mapping[int, int]
    attempts: Mapping[tuple[str, str], int]


class Hour(Struct, frozen=True):
    """What was counted since an hour ago, or since the start where that is later."""

    span_s: float
    responses: Mapping[int, int]
    """HTTP status -> answers of the inference URLs."""
    attempts: Mapping[tuple[str, str], int]
    """Provider and outcome -> tries."""
    per_minute: float
    """Answers of the last whole minutes, five at most."""


class Minutes:
    """Keeps a mark for each minute of the last hour: nothing is counted for a request that was not before."""

    def __init__(self, metrics: Metrics, now_s: Callable[[], float]) -> None:
        self._metrics = metrics
        self._now_s = now_s
        self._marks: deque[Mark] = deque([self._mark()], maxlen=MINUTES)

    async def keep(self) -> None:
        """Runs for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.note()
            pulse.ran()

    def note(self) -> None:
        """A minute is over."""
        self._marks.append(self._mark())

    def hour(self) -> Hour:
        """Up to now."""
        now, first = self._mark(), self._marks[0]
        recent = self._marks[max(0, len(self._marks) - 5)]
        span_s = max(1.0, now.at_s - recent.at_s)
        asked = sum(now.responses.values()) - sum(recent.responses.values())
        return Hour(
            now.at_s - first.at_s,
            Counter(now.responses) - Counter(first.responses),
            Counter(now.attempts) - Counter(first.attempts),
            asked * 60 / max(60.0, span_s),
        )

    def _mark(self) -> Mark:
        return Mark(self._now_s(), dict(self._metrics.responses), dict(self._metrics.attempts))
