"""One timer for many calls: none is looked at early, none much too late, and nobody who has ended at all."""

import asyncio
import math
import random
from typing import Any, cast

import pytest

from tollway.upstream.faults import UpstreamFault
from tollway.upstream.watch import CLOCK_S, FAR_S, GRID_S, Watch


class Loop:
    """A loop whose time goes on by itself from one timer to the next."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[asyncio.TimerHandle] = []
        self.rings = 0

    def time(self) -> float:
        return self.now_s

    @property
    def typed(self) -> asyncio.AbstractEventLoop:
        """As who needs a whole loop wants it, though he asks for no more than this one has."""
        return cast("asyncio.AbstractEventLoop", self)

    def get_debug(self) -> bool:
        return False

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        self.timers.append(asyncio.TimerHandle(when, callback, args, self.typed, context))
        return self.timers[-1]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers.remove(handle)

    def run_until(self, end_s: float) -> None:
        """Rings what is due, in its order."""
        while self.timers and (first := min(self.timers, key=asyncio.TimerHandle.when)).when() <= end_s:
            self.now_s = max(self.now_s, first.when())
            self.timers.remove(first)
            self.rings += 1
            first._run()
        self.now_s = end_s


class Call:
    """Looked at once, unless it wants to be looked at again after `again_s` seconds."""

    def __init__(self, again_s: float = math.inf) -> None:
        self.due_s = math.inf
        self.again_s = again_s
        self.looks: list[float] = []

    def look(self, now_s: float) -> float:
        self.looks.append(now_s - CLOCK_S)
        return now_s + self.again_s

    def abort(self, fault: UpstreamFault | None = None) -> None:
        """Nothing is under way."""


@pytest.mark.parametrize("seed", range(20))
def test_each_is_looked_at_in_time(seed: int) -> None:
    """Exactly when it is due, where that is soon; at most a quarter of a second late otherwise."""
    dice, loop, watch = random.Random(seed), Loop(), Watch()
    calls: list[tuple[Call, float]] = []
    for _ in range(200):
        call, wait_s = Call(), dice.choice((0.05, 0.4, 3.0, 60.0)) * dice.uniform(0.5, 1.5)
        watch.add(call, loop.now_s, wait_s, loop.typed)
        calls.append((call, loop.now_s + wait_s))
        loop.run_until(loop.now_s + dice.uniform(0, 0.2))
    loop.run_until(loop.now_s + 200)
    for call, due_s in calls:
        (looked_s,) = call.looks
        late_s = looked_s - due_s
        assert -2 * CLOCK_S <= late_s <= GRID_S + CLOCK_S
    assert loop.timers == []


def test_who_has_ended_is_left_alone() -> None:
    """The timer rings once for nobody, and no more."""
    loop, watch, call = Loop(), Watch(), Call()
    watch.add(call, loop.now_s, 1.0, loop.typed)
    watch.discard(call)
    loop.run_until(200)
    assert (call.looks, loop.rings, loop.timers) == ([], 1, [])


def test_many_share_a_ring() -> None:
    """A thousand streams that are looked at each minute ring four times a second at most."""
    loop, watch = Loop(), Watch()
    for _ in range(1000):
        watch.add(Call(again_s=60), loop.now_s, FAR_S + 1, loop.typed)
        loop.run_until(loop.now_s + 0.06)
    loop.rings = 0
    loop.run_until(loop.now_s + 60)
    assert loop.rings <= 60 / GRID_S


def test_a_closed_watch_has_no_timer() -> None:
    """Nothing rings behind it."""
    loop, watch = Loop(), Watch()
    watch.add(Call(), loop.now_s, 1.0, loop.typed)
    watch.close()
    assert loop.timers == []
