"""Endpoints' figures gathered by hour, from the slices that are saved each minute: nothing is done for a request.

A restart begins new slices, which cut time elsewhere: of the minute around it a request may be counted twice or not.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from tollway.domain.measured import EndpointHour, Figures
from tollway.routing.stats import MINUTE_S, SPEED_SLICE_S

HOUR_MS = 3_600_000
SLACK_MS = 2_000
"""Wall time and monotonic time drift apart by less than this between two savings."""

COUNTED = ("requests", "failed", "limited", "timed_out", "unreached", "refused")
"""What an hour keeps of a minute's counters, by their names."""

K = TypeVar("K", str, int)
Place = tuple[str, int]
"""An endpoint's id, and the hour (hours since 1970)."""


class HourBook:
    """The present hours, and which of them are to be saved."""

    def __init__(self) -> None:
        self._hours: dict[Place, EndpointHour] = {}
        self._taken: dict[str, tuple[int, int]] = {}
        """The last minute and the last slice of speeds that were counted of an endpoint."""
        self._changed: set[Place] = set()
        self.waiting: set[str] = set()
        """Endpoints of which a slice is not over yet; they are taken again, also if nobody asks them any more."""

    def take(self, endpoint_id: str, figures: Figures, now_ms: int) -> None:
        """Counts every slice that is over and was not counted before."""
        minutes_ms, speeds_ms = self._taken.get(endpoint_id, (0, 0))
        for at_ms, counts in _over(figures.minutes, minutes_ms, MINUTE_S, now_ms):
            hour = self._at(endpoint_id, at_ms)
            for name in COUNTED:
                setattr(hour, name, getattr(hour, name) + counts.get(name, 0))
            hour.minutes_ms = minutes_ms = at_ms
        newest_ms = speeds_ms
        for name, slices in (("first", figures.first), ("speed", figures.speed)):
            for at_ms, steps in _over(slices, speeds_ms, SPEED_SLICE_S, now_ms):
                hour = self._at(endpoint_id, at_ms)
                kept: dict[int, int] = getattr(hour, name)
                for step, count in steps.items():
                    kept[step] = kept.get(step, 0) + count
                newest_ms = max(newest_ms, at_ms)
                hour.speeds_ms = max(hour.speeds_ms, at_ms)
        self._taken[endpoint_id] = (minutes_ms, newest_ms)
        (self.waiting.add if _under_way(figures, now_ms) else self.waiting.discard)(endpoint_id)

    def changed(self) -> list[tuple[Place, EndpointHour]]:
        """What is to be saved; it is asked for again until `saved` says that it was."""
        return [(place, self._hours[place]) for place in sorted(self._changed)]

    def saved(self, now_ms: int) -> None:
        """What was to be saved is; hours that are over are forgotten here."""
        self._changed.clear()
        oldest = now_ms // HOUR_MS - 1  # a slice that began in the last hour may still come
        for place in [place for place in self._hours if place[1] < oldest]:
            del self._hours[place]

    def restore(self, hours: Iterable[tuple[Place, EndpointHour]]) -> None:
        """Hours of an earlier process, the present one and the one before: they go on."""
        for place, hour in hours:
            self._hours[place] = hour
            minutes_ms, speeds_ms = self._taken.get(place[0], (0, 0))
            self._taken[place[0]] = (max(minutes_ms, hour.minutes_ms), max(speeds_ms, hour.speeds_ms))

    def _at(self, endpoint_id: str, at_ms: int) -> EndpointHour:
        place = (endpoint_id, at_ms // HOUR_MS)
        self._changed.add(place)
        return self._hours.setdefault(place, EndpointHour(first={}, speed={}))


def _over(
    slices: Mapping[int, dict[K, int]], taken_ms: int, width_s: float, now_ms: int
) -> list[tuple[int, dict[K, int]]]:
    """Slices that have ended, after the one that was taken last, in order. Keys are the middles, in wall time."""
    half_ms = int(500 * width_s)
    return [
        (at_ms, slices[at_ms])
        for at_ms in sorted(slices)
        if taken_ms + half_ms < at_ms and at_ms + half_ms + SLACK_MS <= now_ms
    ]


def _under_way(figures: Figures, now_ms: int) -> bool:
    """Whether a slice has something in it that is not over yet."""
    newest_ms = max((*figures.minutes, *figures.first, *figures.speed), default=0)
    return newest_ms + 1000 * MINUTE_S / 2 + SLACK_MS > now_ms
