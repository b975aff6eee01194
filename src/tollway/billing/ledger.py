"""The rules of holds: what one node may promise of a workspace's money and of a key's limit, in memory."""

from collections.abc import Sequence

from tollway.domain.budgets import SpendingLimit
from tollway.domain.identity import LimitReset
from tollway.domain.money import Nanodollars

DAY_MS = 86_400_000


class Lease:
    """The part of a workspace's balance that this node may spend: on one node, the whole (MONEY.md, Leases).

    `held <= amount` at every instant.
    """

    __slots__ = ("amount", "held", "owed")

    def __init__(self, amount: Nanodollars, owed: Nanodollars = 0) -> None:
        self.amount = amount
        self.held: Nanodollars = 0
        self.owed = owed
        """What the workspace has to pay before it may spend: a payment was taken back after it was spent."""

    @property
    def available(self) -> Nanodollars:
        """What one more hold may take; below 0 while more is owed than there is."""
        return self.amount - self.held - self.owed

    def add(self, amount: Nanodollars) -> None:
        """Credits that have been posted to the database."""
        self.amount += amount


class Meter:
    """A key's spending in its present window. A hold counts in the window in which it was admitted."""

    __slots__ = ("byok", "carried", "ever", "ever_own", "held", "limit", "next", "reset", "spent", "window")

    def __init__(self, limit: Nanodollars | None, reset: LimitReset | None, *, byok: bool = False) -> None:
        self.limit = limit
        self.reset = reset
        self.byok = byok
        """Whether it counts what callers' own providers bill, too."""
        self.window = 0
        self.spent: Nanodollars = 0
        self.held: Nanodollars = 0
        self.ever: Nanodollars = 0
        """What was captured in all windows together; and what callers' own providers billed."""
        self.ever_own: Nanodollars = 0
        self.next: Meter | None = None
        """The meter that took this one's place when the key's reset was changed, with what was held."""
        self.carried = 0
        """The window of `next` in which that counts."""

    def followed_by(self, reset: LimitReset | None, window: int, spent: Nanodollars) -> "Meter":
        """The meter of the same key with another reset: what is held now goes on counting, in the new window."""
        following = Meter(self.limit, reset, byok=self.byok)
        following.window = self.carried = window
        following.spent, following.held = spent, self.held
        following.ever, following.ever_own = self.ever, self.ever_own
        self.next = following
        return following

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
        if self.limit is None:
            return None
        left = self.limit - self.spent - self.held
        return left if left > 0 else 0

    def own_part(self, amount: Nanodollars, own: Nanodollars) -> Nanodollars:
        """How much of what the caller's own provider may bill counts here, beside a hold of `amount`."""
        if not own or not self.byok:
            return 0
        left = self.available
        return own if left is None else max(0, min(own, left - amount))


class Budget(Meter):
    """What keys may spend together in a window: a hold of any of them counts."""

    __slots__ = ("row", "whose")

    def __init__(
        self,
        whose: str,
        limit: Nanodollars,
        reset: LimitReset | None,
        *,
        byok: bool = False,
        row: SpendingLimit | None = None,
    ) -> None:
        super().__init__(limit, reset, byok=byok)
        self.whose = whose
        """As an error says it: "the workspace's daily budget"."""
        self.row = row
        """What set it, for those who ask what a key may spend."""


class Hold:
    """A promise of at most `amount`, which resolves once: `resolve(cost)` captures it, `resolve(0)` voids it.

    `own`: what the caller's own provider may bill besides. Meters and budgets with `byok` count it, each as far as its
    limit goes.
    """

    __slots__ = ("amount", "budgets", "lease", "listed", "meter", "open", "own", "window")

    def __init__(
        self, lease: Lease, meter: Meter, amount: Nanodollars, budgets: Sequence[Budget] = (), own: Nanodollars = 0
    ) -> None:
        while meter.next is not None:
            meter = meter.next
        # Nothing may be held even where more is owed than there is.
        if amount and not 0 < amount <= available(lease, meter, budgets):
            raise ValueError(f"a hold of {amount} where {available(lease, meter, budgets)} is available")
        self.lease = lease
        self.meter = meter
        self.amount = amount
        self.own = part = meter.own_part(amount, own) if own else 0
        self.window = meter.window
        self.open = True
        lease.held += amount
        meter.held += amount + part
        self.listed = own
        self.budgets: tuple[tuple[Budget, int, Nanodollars], ...] = ()
        """Each with the window in which this hold counts, and how much of `own` it counts."""
        if budgets:
            self.budgets = tuple([(each, each.window, each.own_part(amount, own)) for each in budgets])
            for budget, _, part in self.budgets:
                budget.held += amount + part

    def count_in(self, budget: Budget, day: int) -> None:
        """A budget that was made while this hold, admitted on `day`, was open already."""
        if self.open and window_start(budget.reset, day) >= budget.window:
            part = budget.own_part(self.amount, self.listed)
            self.budgets += ((budget, budget.window, part),)
            budget.held += self.amount + part

    def resolve(self, cost: Nanodollars, own: Nanodollars = 0) -> None:
        """Takes `cost` of the hold and releases the rest. A cost above the hold is the caller's bug: it was capped."""
        if not self.open:
            raise RuntimeError("a hold resolves once")
        if not 0 <= cost <= self.amount:
            raise ValueError(f"captured {cost} of a hold of {self.amount}")
        self.open = False
        lease, amount = self.lease, self.amount
        lease.held -= amount
        lease.amount -= cost
        meter = self._follow() if self.meter.next is not None else self.meter
        _remember(meter, cost, own)
        if meter.window == self.window:
            meter.held -= amount + self.own
            meter.spent += cost + min(own, self.own) if own else cost
        for budget, window, part in self.budgets:
            if budget.window == window:
                budget.held -= amount + part
                budget.spent += cost + min(own, part)

    def give_back(self, cost: Nanodollars, own: Nanodollars = 0) -> None:
        """What was captured was never charged, or its charge was reversed: the money is the workspace's again."""
        self.lease.amount += cost
        meter = self._follow()
        _remember(meter, -cost, -own)
        if meter.window == self.window:
            meter.spent -= cost + min(own, self.own)
        for budget, window, part in self.budgets:
            if budget.window == window:
                budget.spent -= cost + min(own, part)

    def _follow(self) -> Meter:
        """To the meter that counts now; a hold of a window that is over stays where it is, and counts nowhere."""
        while self.meter.next is not None and self.meter.window == self.window:
            self.meter, self.window = self.meter.next, self.meter.carried
        return self.meter


def _remember(meter: Meter, cost: Nanodollars, own: Nanodollars) -> None:
    while meter.next is not None:
        meter = meter.next
    meter.ever += cost
    meter.ever_own += own


def available(lease: Lease, meter: Meter, budgets: Sequence[Budget] = ()) -> Nanodollars:
    """What one more hold may take: all limits at once."""
    found = lease.amount - lease.held - lease.owed
    if meter.limit is not None:
        of_key = meter.limit - meter.spent - meter.held  # as its `available`, which costs a call
        if of_key < 0:
            of_key = 0
        if of_key < found:
            found = of_key
    for budget in budgets:
        if (left := budget.available) is not None and left < found:
            found = left
    return found


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


def window_end(reset: LimitReset, day: int) -> int:
    """The first day of the window after the one that `day` is in."""
    start = window_start(reset, day)
    if reset is LimitReset.MONTHLY:  # 31 days after a month's first day it is the next month, whatever its length
        return window_start(reset, start + 31)
    return start + (1 if reset is LimitReset.DAILY else 7)


def day_of_month(day: int) -> int:
    """The day of the month, from 1, of a day since 1970-01-01 (https://howardhinnant.github.io/date_algorithms.html)."""
    shifted = (day + 719_468) % 146_097
    year = (shifted - shifted // 1460 + shifted // 36_524 - shifted // 146_096) // 365
    of_year = shifted - (365 * year + year // 4 - year // 100)
    return of_year - (153 * ((5 * of_year + 2) // 153) + 2) // 5 + 1
