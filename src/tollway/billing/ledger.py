"""The rules of holds: what one node may promise of a workspace's money and of a key's limit, in memory."""

from tollway.domain.identity import LimitReset
from tollway.domain.money import Nanodollars

DAY_MS = 86_400_000


class Lease:
    """The part of a workspace's balance that this node may spend: on one node, the whole (MONEY.md, Leases).

    `held <= amount` at every instant.
    """

    __slots__ = ("amount", "held")

    def __init__(self, amount: Nanodollars) -> None:
        self.amount = amount
        self.held: Nanodollars = 0

    @property
    def available(self) -> Nanodollars:
        return self.amount - self.held

    def add(self, amount: Nanodollars) -> None:
        """Credits that have been posted to the database."""
        self.amount += amount


class Meter:
    """A key's spending in its present window. A hold counts in the window in which it was admitted."""

    __slots__ = ("held", "limit", "reset", "spent", "window")

    def __init__(self, limit: Nanodollars | None, reset: LimitReset | None) -> None:
        self.limit = limit
        self.reset = reset
        self.window = 0
        self.spent: Nanodollars = 0
        self.held: Nanodollars = 0

    def roll(self, now_ms: int) -> None:
        """Starts a new window when the last one is over: what is held keeps counting where it was admitted.

        A clock that is set back opens no earlier window: what was spent in it would be forgotten.
        """
        window = window_start(self.reset, now_ms // DAY_MS)
        if window > self.window:
            self.window, self.spent, self.held = window, 0, 0

    @property
    def available(self) -> Nanodollars | None:
        """What the limit leaves in this window; None: no limit."""
        return None if self.limit is None else max(0, self.limit - self.spent - self.held)


class Hold:
    """A promise of at most `amount`, which resolves once: `resolve(cost)` captures it, `resolve(0)` voids it."""

    __slots__ = ("amount", "lease", "meter", "open", "window")

    def __init__(self, lease: Lease, meter: Meter, amount: Nanodollars) -> None:
        if not 0 <= amount <= max(0, available(lease, meter)):
            raise ValueError(f"a hold of {amount} where {available(lease, meter)} is available")
        self.lease = lease
        self.meter = meter
        self.amount = amount
        self.window = meter.window
        self.open = True
        lease.held += amount
        meter.held += amount

    def resolve(self, cost: Nanodollars) -> None:
        """Takes `cost` of the hold and releases the rest. A cost above the hold is the caller's bug: it was capped."""
        if not self.open:
            raise RuntimeError("a hold resolves once")
        if not 0 <= cost <= self.amount:
            raise ValueError(f"captured {cost} of a hold of {self.amount}")
        self.open = False
        self.lease.held -= self.amount
        self.lease.amount -= cost
        if self.meter.window == self.window:
            self.meter.held -= self.amount
            self.meter.spent += cost

    def give_back(self, cost: Nanodollars) -> None:
        """What was captured was never charged, or its charge was reversed: the money is the workspace's again."""
        self.lease.amount += cost
        if self.meter.window == self.window:
            self.meter.spent -= cost


def available(lease: Lease, meter: Meter) -> Nanodollars:
    """What one more hold may take: all limits at once."""
    of_key = meter.available
    return lease.available if of_key is None else min(lease.available, of_key)


def window_start(reset: LimitReset | None, day: int) -> int:
    """The first day (since 1970, UTC) of the window that `day` is in; 0 for a limit without reset.

    Weeks run Monday to Sunday; 1970-01-01 was a Thursday. Months by the civil calendar (Hinnant's algorithm).
    """
    if reset is None:
        return 0
    if reset is LimitReset.DAILY:
        return day
    if reset is LimitReset.WEEKLY:
        return day - (day + 3) % 7
    return day - day_of_month(day) + 1


def day_of_month(day: int) -> int:
    """The day of the month, from 1, of a day since 1970-01-01 (https://howardhinnant.github.io/date_algorithms.html)."""
    shifted = (day + 719_468) % 146_097
    year = (shifted - shifted // 1460 + shifted // 36_524 - shifted // 146_096) // 365
    of_year = shifted - (365 * year + year // 4 - year // 100)
    return of_year - (153 * ((5 * of_year + 2) // 153) + 2) // 5 + 1
