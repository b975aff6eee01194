"""Hours in which endpoints failed: read once a minute, however many look at the status."""

import asyncio
from collections.abc import Callable, Sequence

from tollway.domain.measured import EndpointHour
from tollway.storage.database import Database
from tollway.storage.endpoint_hours import HOUR_MS, KEPT_HOURS, troubled_hours

KEPT_MS = 60_000


class Troubles:
    """Of every endpoint, over the 30 days that are kept."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._lock = asyncio.Lock()
        self._kept: tuple[int, Sequence[tuple[tuple[str, int], EndpointHour]]] = (0, ())

    async def hours(self) -> Sequence[tuple[tuple[str, int], EndpointHour]]:
        """Endpoints' ids and hours (since 1970), with what was counted; up to a minute old."""
        async with self._lock:
            now_ms = self._now_ms()
            if self._kept[0] <= now_ms - KEPT_MS:
                hour = now_ms // HOUR_MS
                self._kept = now_ms, await troubled_hours(self._database, hour - KEPT_HOURS, hour)
            return self._kept[1]
