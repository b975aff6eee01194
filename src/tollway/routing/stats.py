"""Rolling figures of each endpoint: percentiles of its speed, rates of its errors, its uptime. Time is passed in.

Counting is a few additions for a request; reading is done at most once a second for an endpoint, and remembered.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from msgspec import Struct

from tollway.domain.health import RATE_LIMITED, SUCCEEDED, Outcome
from tollway.domain.measured import NOTHING, Figures, HalfHour, Measured, Spread, Uptime

T = TypeVar("T")

SPEED_SLICE_S, SPEED_SLICES = 30.0, 60
BALANCED_SLICES = 10
"""Speeds that routing goes by, and that a restart keeps: five minutes. What is older is for people."""
MINUTE_S, MINUTES = 60.0, 30
QUARTER_S, QUARTERS = 900.0, 96
LATELY = 5
"""Minutes."""
FRESH_S, SHOWN_FRESH_S = 1.0, 10.0
"""How long what was read is good: for routing, and for people, who may ask for all endpoints at once."""
RECENT_S = 2.0
"""The shortest slice. The others are multiples, so that what it counted belongs to one slice of each."""
UNSTABLE_S = 30.0
UNSTABLE_FAILURES = 3
"""So many failures in UNSTABLE_S, and half of the requests or more: a significant outage."""

_STEP = math.log(1.1)
_PERCENTS = (50, 75, 90, 99)
_LATE = (95, 98)
_FALLING = (50, 25, 10, 1)


class Ring(Generic[T]):
    """The last slices of time, each with a counter; old ones are dropped when time has gone on."""

    __slots__ = ("_make", "_slices", "_width_s")

    def __init__(self, width_s: float, count: int, make: type[T]) -> None:
        self._width_s = width_s
        self._make = make
        self._slices: list[tuple[int, T] | None] = [None] * count

    def at(self, now_s: float) -> T:
        """The present slice's counter."""
        number = int(now_s // self._width_s)
        place = number % len(self._slices)
        found = self._slices[place]
        if found is None or found[0] != number:
            found = self._slices[place] = (number, self._make())
        return found[1]

    def last(self, now_s: float, count: int | None = None) -> Iterator[T]:
        """Counters of the last `count` slices, the present one among them; without `count`, of all."""
        return (counter for _, counter in self.timed(now_s, count))

    def timed(self, now_s: float, count: int | None = None) -> Iterator[tuple[float, T]]:
        """As `last`, each with the time of its slice's middle, or the present."""
        newest, size = int(now_s // self._width_s), len(self._slices)
        for number in range(newest - (size if count is None else count) + 1, newest + 1):
            found = self._slices[number % size]
            if found is not None and found[0] == number:
                yield min(now_s, (number + 0.5) * self._width_s), found[1]

    def since(self, then_s: float, now_s: float, count: int) -> Iterator[T]:
        """As `last`, without slices that had begun before a time."""
        newest = int(now_s // self._width_s)
        for found in self._slices:
            if found is not None and newest - count < found[0] <= newest and found[0] * self._width_s >= then_s:
                yield found[1]

    def earlier(self, then_s: float, now_s: float) -> T | None:
        """The counter of an earlier time. None: it is no longer kept, or the time is ahead (a clock was set back)."""
        age = int(now_s // self._width_s) - int(then_s // self._width_s)
        return self.at(then_s) if 0 <= age < len(self._slices) else None


class Histogram:
    """Values in steps of 10%; a percentile is right to 5%."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def add(self, value: float) -> None:
        """A value above 0."""
        step = round(math.log(max(value, 1e-6)) / _STEP)
        self.counts[step] = self.counts.get(step, 0) + 1

    def take(self, counts: Mapping[int, int]) -> None:
        """Adds what another one counted."""
        for step, count in counts.items():
            self.counts[step] = self.counts.get(step, 0) + count


class Speeds:
    """One slice of speeds."""

    __slots__ = ("first", "speed")

    def __init__(self) -> None:
        self.first = Histogram()
        self.speed = Histogram()


class Counts:
    """One slice of what became of requests."""

    __slots__ = (
        "calls", "failed", "limited", "malformed", "nanodollars", "probes", "refused", "requests", "timed_out",
        "tokens", "unreached",
    )  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.failed = self.probes = self.limited = self.calls = self.malformed = 0
        self.timed_out = self.unreached = self.refused = 0
        self.tokens = self.nanodollars = 0

    def add(self, outcome: Outcome, probe: bool = False) -> None:
        """Who left, and who asked for the impossible, says nothing about the endpoint."""
        if outcome is SUCCEEDED:
            self.requests += 1
        elif outcome is RATE_LIMITED:
            self.requests += 1
            self.limited += 1
        elif outcome.endpoint_at_fault:
            self.requests += 1
            self.failed += 1
            self.probes += probe
            if (kind := KINDS.get(outcome)) is not None:
                setattr(self, kind, getattr(self, kind) + 1)

    def take(self, counts: Mapping[str, int]) -> None:
        """Adds what was counted elsewhere; names that are not ours are passed over."""
        for name in Counts.__slots__:
            setattr(self, name, getattr(self, name) + counts.get(name, 0))


KINDS = {
    Outcome.TIMED_OUT: "timed_out",
    Outcome.UNREACHABLE: "unreached",
    Outcome.UNKNOWN: "unreached",
    Outcome.CREDENTIAL_REJECTED: "refused",
    Outcome.NOT_OFFERED: "refused",
}
"""Failures that are counted by their kind, too; those that are left are 5xx and broken answers."""
_OUTCOMES = frozenset({"requests", "failed", "limited", "probes"})
_OF_QUARTERS = _OUTCOMES | {"calls", "malformed"}
TOOL_QUARTERS = 8
"""Tool calls are rare: they are judged over two hours (OPENROUTER.md 4, Auto-Exacto)."""


class Sample(Struct, frozen=True):
    """What one attempt taught, besides its outcome."""

    first_s: float | None = None
    """Seconds to the first token, of a streamed answer."""
    tokens_per_s: float | None = None
    called_tools: bool = False
    malformed: bool = False
    """A tool call of the answer can't be read, or is of a tool that the request does not have."""


PLAIN = Sample()


class EndpointStats:
    """One endpoint's figures."""

    __slots__ = (
        "_begins_s",
        "_ends_s",
        "_minutes",
        "_new",
        "_quarters",
        "_recent",
        "_shown",
        "_shown_s",
        "_speeds",
        "_told",
        "_told_s",
    )

    def __init__(self) -> None:
        self._speeds = Ring(SPEED_SLICE_S, SPEED_SLICES, Speeds)
        self._recent = Ring(RECENT_S, round(UNSTABLE_S / RECENT_S), Counts)
        self._minutes = Ring(MINUTE_S, MINUTES, Counts)
        self._quarters = Ring(QUARTER_S, QUARTERS, Counts)
        self._begins_s = self._ends_s = -math.inf
        self._new = Counts()
        """What was counted in the slice between these times and is in no window yet."""
        self._told = NOTHING
        self._told_s = -math.inf
        self._shown = HalfHour()
        self._shown_s = -math.inf

    def add(self, outcome: Outcome, now_s: float, sample: Sample = PLAIN, *, probe: bool = False) -> None:
        """An attempt has ended. `probe`: it was sent there although the endpoint was known to be in an outage."""
        new = self._new if self._begins_s <= now_s < self._ends_s else self._begin(now_s)
        new.add(outcome, probe)
        if sample is PLAIN:
            return
        new.calls += sample.called_tools
        new.malformed += sample.malformed
        if sample.first_s is not None or sample.tokens_per_s is not None:
            speeds = self._speeds.at(now_s)
            if sample.first_s is not None:
                speeds.first.add(sample.first_s)
            if sample.tokens_per_s is not None:
                speeds.speed.add(sample.tokens_per_s)

    def burst(self, window_s: float, since_s: float, now_s: float) -> tuple[int, int]:
        """Requests and failures of the last seconds, at most UNSTABLE_S, 429s apart; none from before `since_s`."""
        self._spread()
        return tried(self._recent.since(since_s, now_s, round(window_s / RECENT_S)))

    def lately(self, since_s: float, now_s: float) -> tuple[int, int]:
        """As `burst`, of the last LATELY minutes."""
        self._spread()
        return tried(self._minutes.since(since_s, now_s, LATELY))

    def paid(self, tokens: int, nanodollars: int, now_s: float) -> None:
        """What the tokens of an answer, prompt and all, did cost."""
        new = self._new if self._begins_s <= now_s < self._ends_s else self._begin(now_s)
        new.tokens += tokens
        new.nanodollars += nanodollars

    def _begin(self, now_s: float) -> Counts:
        """The counter of another slice than before."""
        self._spread()
        number = now_s // RECENT_S
        self._begins_s, self._ends_s = number * RECENT_S, (number + 1) * RECENT_S
        return self._new

    def _spread(self) -> None:
        """What was counted goes into the windows."""
        counts = counted(self._new)
        if not counts:
            return
        self._new = Counts()
        at_s = self._begins_s + RECENT_S / 2
        self._minutes.at(at_s).take(counts)
        outcomes = {name: count for name, count in counts.items() if name in _OUTCOMES}
        self._recent.at(at_s).take(outcomes)
        self._quarters.at(at_s).take({name: count for name, count in counts.items() if name in _OF_QUARTERS})

    def figures(self, now_s: float, now_ms: int) -> Figures:
        """What a restart keeps. `now_ms`: the wall time of `now_s`."""
        self._spread()
        zero_ms = now_ms - now_s * 1000
        speeds = list(self._speeds.timed(now_s, BALANCED_SLICES))
        return Figures(
            minutes={int(zero_ms + 1000 * at_s): counted(each) for at_s, each in self._minutes.timed(now_s)},
            quarters={int(zero_ms + 1000 * at_s): counted(each) for at_s, each in self._quarters.timed(now_s)},
            first={int(zero_ms + 1000 * at_s): dict(each.first.counts) for at_s, each in speeds},
            speed={int(zero_ms + 1000 * at_s): dict(each.speed.counts) for at_s, each in speeds},
        )

    def day(self, now_s: float) -> list[float | None]:
        """The uptime of each quarter of an hour of the last day, the oldest first; None: nobody asked it then."""
        self._spread()
        newest = int(now_s // QUARTER_S)
        found: list[float | None] = [None] * QUARTERS
        for at_s, counts in self._quarters.timed(now_s):
            found[QUARTERS - 1 - (newest - int(at_s // QUARTER_S))] = uptime(counts)
        return found

    def restore(self, figures: Figures, now_s: float, now_ms: int) -> None:
        """Adds what was counted before a restart, where its time is still in its window."""
        for ring, slices in ((self._minutes, figures.minutes), (self._quarters, figures.quarters)):
            for at_ms, counts in slices.items():
                if (counter := ring.earlier(now_s - (now_ms - at_ms) / 1000, now_s)) is not None:
                    counter.take(counts)
        for name, histograms in (("first", figures.first), ("speed", figures.speed)):
            for at_ms, steps in histograms.items():
                speeds = self._speeds.earlier(now_s - (now_ms - at_ms) / 1000, now_s)
                if speeds is not None:
                    getattr(speeds, name).take(steps)

    def measured(self, now_s: float) -> Measured:
        """The figures of this moment, or of up to a second ago."""
        if now_s - self._told_s >= FRESH_S:
            self._told, self._told_s = self._measure(now_s), now_s
        return self._told

    def half_hour(self, now_s: float) -> HalfHour:
        """Speeds of the last 30 minutes, for people, up to ten seconds old; routing goes by `measured`."""
        if now_s - self._shown_s >= SHOWN_FRESH_S:
            slices = list(self._speeds.last(now_s))
            first, speed = merged(each.first for each in slices), merged(each.speed for each in slices)
            self._shown, self._shown_s = HalfHour(spread(first, _PERCENTS), spread(speed, _FALLING)), now_s
        return self._shown

    def _measure(self, now_s: float) -> Measured:
        self._spread()
        half_hour = total(self._minutes.last(now_s))
        asked, failed = tried(self._minutes.last(now_s))
        recent_asked, recent_failed = tried(self._recent.last(now_s))
        slices = list(self._speeds.last(now_s, BALANCED_SLICES))
        first = merged(each.first for each in slices)
        speed = merged(each.speed for each in slices)
        tools = total(self._quarters.last(now_s, TOOL_QUARTERS))
        p95, p98 = percentiles(first, _LATE) if first else (0.0, 0.0)
        requests, tokens = asked + half_hour.limited, half_hour.tokens
        return Measured(
            requests=requests,
            error_rate=failed / requests if requests else 0.0,
            limited_rate=half_hour.limited / requests if requests else 0.0,
            malformed_rate=half_hour.malformed / half_hour.calls if half_hour.calls else 0.0,
            tool_answers=tools.calls,
            tool_error_rate=tools.malformed / tools.calls if tools.calls else 0.0,
            timed=sum(first.values()),
            first_s=spread(first, _PERCENTS),
            late_s=(p95, p98) if first else None,
            speed=spread(speed, _FALLING),
            usd_per_million=half_hour.nanodollars / tokens / 1000 if tokens else None,
            tokens=tokens,
            unstable=recent_failed >= UNSTABLE_FAILURES and 2 * recent_failed >= recent_asked,
            steady=(asked - failed) / asked if asked else None,
            uptime=Uptime(
                uptime(total(self._minutes.last(now_s, LATELY))),
                uptime(half_hour),
                uptime(total(self._quarters.last(now_s))),
            ),
        )


def tried(slices: Iterable[Counts]) -> tuple[int, int]:
    """Requests and failures, 429s apart, and without failed probes: an outage is over when it is over.

    Who was asked by nobody else for an hour would have failed at nothing but probes, and nobody would come back to him.
    """
    requests = failed = 0
    for each in slices:
        requests += each.requests - each.limited - each.probes
        failed += each.failed - each.probes
    return requests, failed


def counted(counts: Counts) -> dict[str, int]:
    """A slice's counters by name; those at 0 go without saying."""
    return {name: count for name in Counts.__slots__ if (count := getattr(counts, name))}


def total(slices: Iterable[Counts]) -> Counts:
    """The sum of some slices."""
    found = Counts()
    for each in slices:
        for name in Counts.__slots__:
            setattr(found, name, getattr(found, name) + getattr(each, name))
    return found


def uptime(counts: Counts) -> float | None:
    """Requests that did not fail by the endpoint's fault; a 429 is no fault (OPENROUTER.md, section 4)."""
    counted = counts.requests - counts.limited
    return (counted - counts.failed) / counted if counted else None


def merged(histograms: Iterable[Histogram]) -> dict[int, int]:
    """The sum of histograms."""
    found = Histogram()
    for each in histograms:
        found.take(each.counts)
    return found.counts


def spread(counts: dict[int, int], percents: tuple[int, int, int, int]) -> Spread | None:
    """Percentiles by nearest rank; None where nothing was counted."""
    if not counts:
        return None
    p50, p75, p90, p99 = percentiles(counts, percents)
    return Spread(p50, p75, p90, p99)


def percentiles(counts: dict[int, int], percents: Iterable[int]) -> list[float]:
    """Percentiles of what was counted, which is not nothing, by nearest rank."""
    everyone = sum(counts.values())
    ordered = sorted(counts.items())

    def at(percent: int) -> float:
        rank = max(1, math.ceil(everyone * percent / 100))
        for step, count in ordered:
            rank -= count
            if rank <= 0:
                return math.exp(step * _STEP)
        return math.exp(ordered[-1][0] * _STEP)

    return [at(percent) for percent in percents]
