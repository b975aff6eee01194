"""Rates by GCRA, in whole nanoseconds: one number for each bucket, several buckets taken from together or not at all.

The generic cell rate algorithm (ITU-T I.371; Brandur Leach, "Rate limiting, cells, and GCRA") is a leaky bucket that
needs no timer: a bucket is the instant at which it is empty again. What is taken moves the instant on, what is given
back moves it back, and a bucket whose instant has come is as good as one that was never used, and is forgotten.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from msgspec import Struct

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
SWEEP_MIN = 1024


class Rate(Struct, frozen=True):
    """`count` in `period_ns`; at most `burst` of them at once."""

    count: int
    interval_ns: int
    """Between two of them when they come evenly."""
    burst: int

    @property
    def room_ns(self) -> int:
        return self.burst * self.interval_ns


def rate(count: int, period_ns: int, burst_s: float) -> Rate:
    """Rounded so that never more than `count` fit into the period; the burst is what comes in `burst_s`, at least 1."""
    share = min(1.0, burst_s * SECOND_NS / period_ns)
    return Rate(count, -(-period_ns // count), max(1, int(count * share)))


def per_minute(count: int, burst_s: float = 60.0) -> Rate:
    return rate(count, MINUTE_NS, burst_s)


class Want(Struct, frozen=True):
    """What one request takes of one bucket. A `cost` above the burst can never be had: callers cap it."""

    bucket: Hashable
    rate: Rate
    said: str
    """The limit in words: "requests per minute for this key"."""
    cost: int = 1
    of_tokens: bool = False
    """The cost is an estimate, to be made good when the request ends."""


class Short(Struct, frozen=True):
    """Why a request has to wait: the limit, what is left of it, and when it will do."""

    said: str
    limit: int
    remaining: int
    wait_ns: int | None
    """Until the same request goes through, if nothing else comes; None: until another one ends."""
    reset_ns: int | None
    """Until the whole limit is there again."""


class Left(Struct, frozen=True):
    """How a limit stands: so much is left of it, and all of it is there again when so much time is over."""

    limit: int
    remaining: int
    reset_ns: int


class Buckets:
    """The buckets in use, at most `most`.

    When room is made and more than half of them are in use, the emptiest are forgotten: limits fail open on purpose.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._empty_at: dict[Hashable, int] = {}
        self._sweep_at = min(SWEEP_MIN, most)

    def __len__(self) -> int:
        return len(self._empty_at)

    def short(self, wants: Sequence[Want], now_ns: int) -> Short | None:
        """The limit that makes these wait longest, or None: all of them can be had."""
        worst, wait_ns = None, 0
        for want in wants:
            over = self._ahead(want, now_ns) + want.cost * want.rate.interval_ns - want.rate.room_ns
            if over > wait_ns:
                worst, wait_ns = want, over
        if worst is None:
            return None
        left = self.left(worst, now_ns)
        return Short(worst.said, left.limit, left.remaining, wait_ns, left.reset_ns)

    def left(self, want: Want, now_ns: int) -> Left:
        """What of a bucket is left just now."""
        ahead = self._ahead(want, now_ns)
        return Left(want.rate.count, max(0, want.rate.room_ns - ahead) // want.rate.interval_ns, ahead)

    def take(self, wants: Sequence[Want], now_ns: int) -> Short | None:
        """Takes all of these, whose buckets differ, or nothing; then the reason."""
        if (found := self.short(wants, now_ns)) is None:
            for want in wants:
                self.add(want, want.cost, now_ns)
        return found

    def add(self, want: Want, amount: int, now_ns: int) -> None:
        """Takes `amount` more from a bucket, whether it is there or not; gives it back where it is negative."""
        empty_at = now_ns + self._ahead(want, now_ns) + amount * want.rate.interval_ns
        if empty_at <= now_ns:
            self._empty_at.pop(want.bucket, None)
            return
        self._empty_at[want.bucket] = empty_at
        if len(self._empty_at) > self._sweep_at:
            self._sweep(now_ns)

    def held(self, buckets: Iterable[Hashable]) -> dict[Hashable, int]:
        """Those of these that are not empty -> when each is; to be kept elsewhere."""
        return {bucket: self._empty_at[bucket] for bucket in buckets if bucket in self._empty_at}

    def restore(self, empty_at: Mapping[str, int]) -> None:
        """What an earlier process held, where this one does not hold more."""
        for bucket, at in empty_at.items():
            self._empty_at[bucket] = max(at, self._empty_at.get(bucket, 0))

    def _ahead(self, want: Want, now_ns: int) -> int:
        return max(0, self._empty_at.get(want.bucket, 0) - now_ns)

    def _sweep(self, now_ns: int) -> None:
        """Forgets what is empty. The next time is when there are twice as many: constant work for each request."""
        kept = {bucket: at for bucket, at in self._empty_at.items() if at > now_ns}
        if len(kept) > self._most // 2:
            fullest = sorted(kept, key=kept.__getitem__, reverse=True)[: self._most // 2]
            kept = {bucket: kept[bucket] for bucket in fullest}
        self._empty_at = kept
        self._sweep_at = min(self._most, max(SWEEP_MIN, 2 * len(kept)))
