"""One timer for all calls of a client: to set and to cancel one for each costs as much as to parse an answer's head."""

import asyncio
import math
from typing import Protocol

from tollway.upstream.faults import UpstreamFault

CLOCK_S = 0.001
"""uvloop's clock counts in whole milliseconds, so that a timer may come this much early."""
FAR_S, GRID_S = 5.0, 0.25
"""What is due later than this is looked at up to a quarter of a second late: many calls share one ring of the timer."""


class Watched(Protocol):
    """A call under way. `due_s`: the loop's time at which to look at it, in seconds."""

    due_s: float

    def look(self, now_s: float) -> float:
        """Give up if a deadline has passed; the time of the next look, `math.inf` for none."""

    def abort(self, fault: UpstreamFault | None = None) -> None:
        """Give up."""


class Watch:
    """Who is under way, and when the first of them is due. It belongs to one event loop."""

    __slots__ = ("_rings_s", "_timer", "calls")

    def __init__(self) -> None:
        self.calls: set[Watched] = set()
        self._rings_s = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: Watched, now_s: float, wait_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """Look at `call` in `wait_s` seconds, unless it is discarded before."""
        due_s = now_s + wait_s
        if FAR_S <= wait_s < math.inf:
            due_s = due_s // GRID_S * GRID_S + GRID_S
        call.due_s = due_s
        self.calls.add(call)
        if due_s < self._rings_s:
            self._ring_at(due_s, loop)

    def discard(self, call: Watched) -> None:
        """It has ended. The timer may ring for it all the same, and find nothing to do."""
        self.calls.discard(call)

    def close(self) -> None:
        """No timer is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._rings_s = None, math.inf

    def _ring_at(self, due_s: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_s = due_s
        self._timer = loop.call_at(due_s, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._rings_s = None, math.inf
        now_s = loop.time() + CLOCK_S
        for call in tuple(self.calls):
            if call.due_s <= now_s:
                call.due_s = _late(now_s, call.look(now_s))
        first_s = min((call.due_s for call in self.calls), default=math.inf)
        if first_s < self._rings_s:
            self._ring_at(max(first_s, now_s), loop)


def _late(now_s: float, due_s: float) -> float:
    return due_s if due_s - now_s < FAR_S or due_s == math.inf else math.ceil(due_s / GRID_S) * GRID_S
