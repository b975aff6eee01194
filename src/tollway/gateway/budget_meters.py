"""What budgets have left: those of a workspace, and those of its guardrails for single keys and members."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tollway.billing.ledger import DAY_MS, Budget, Hold, Lease, Meter, window_start
from tollway.domain.budgets import Scope, SpendingLimit
from tollway.domain.guardrails import limits_of
from tollway.domain.money import Nanodollars
from tollway.storage.budgets import budgets_of, spent_in_workspace
from tollway.storage.database import Database
from tollway.storage.guardrails import guards_for, has_guardrails
from tollway.storage.keys import DaySpent, counted_since, spent_by_day, spent_by_key

Name = tuple[Scope, str, str]
"""Of a budget: its scope, what set it, and whose spending it counts."""
Spent = tuple[Nanodollars, Mapping[str, Sequence[DaySpent]]]
"""A balance, where the whole workspace counts; and what was spent on each day, by key or in all."""


class UnderWay(Protocol):
    """A request of a key, from its hold to the end of its answer."""

    hold: Hold

    @property
    def day(self) -> int:
        """Since 1970, on which it was admitted."""
        ...

    def revoke(self) -> None:
        """Its key does not work any more: the answer ends now."""
        ...


class Purse(Protocol):
    """A key's book, as far as budgets go."""

    key_id: str
    maker: str | None
    meter: Meter
    budgets: tuple[Budget, ...]
    rolls_ms: int
    running: set[UnderWay]


class BudgetMeters:
    """A workspace's, shared by its keys' books. All is called with the workspace's lock held."""

    def __init__(self, database: Database, workspace_id: str, lease: Lease) -> None:
        self._database = database
        self._workspace_id = workspace_id
        self._lease = lease
        self._kept: dict[Name, Budget] = {}
        self._books: dict[str, Purse] = {}
        self._shared: tuple[SpendingLimit, ...] = ()
        """The workspace's own, the broadest first."""
        self._guarded = False

    async def begin(self) -> None:
        """Reads what the workspace has; before any of its keys is entered."""
        await self._read_limits()

    async def enter(self, book: Purse, today: int) -> None:
        """A key that will be used from now on; it has all its budgets, and none of its requests has begun."""
        await self._apply({book.key_id: book}, {book.key_id: await self._limits(book)}, today)
        self._books[book.key_id] = book

    async def refresh(self, today: int) -> None:
        """Something was changed: what stays goes on counting, and what is new counts what is held, too."""
        await self._read_limits()
        books = dict(self._books)
        wanted = {id_: await self._limits(book) for id_, book in books.items()}
        await self._apply(books, wanted, today)
        used = {id(budget) for book in books.values() for budget in book.budgets}
        self._kept = {name: budget for name, budget in self._kept.items() if id(budget) in used}

    async def _read_limits(self) -> None:
        found = await budgets_of(self._database, self._workspace_id)
        self._shared = tuple(
            SpendingLimit(
                Scope.WORKSPACE, row.id, row.workspace_id, f"the workspace's {interval.value} budget", row.limit,
                interval.reset, row.byok,
            )
            for interval, row in found.items()
        )  # fmt: skip
        self._guarded = await has_guardrails(self._database, self._workspace_id)

    async def _limits(self, book: Purse) -> list[SpendingLimit]:
        if not self._guarded:
            return list(self._shared)
        found = await guards_for(self._database, self._workspace_id, book.key_id, book.maker)
        return [*self._shared, *limits_of(found, book.key_id, book.maker)]

    async def _apply(
        self, books: Mapping[str, Purse], wanted: Mapping[str, Sequence[SpendingLimit]], today: int
    ) -> None:
        new = {_name(each): each for limits in wanted.values() for each in limits if not self._goes_on(each)}
        spent = {name: await self._read_spent(limit) for name, limit in new.items()}
        # From here on nothing waits: what is captured meanwhile would be counted nowhere.
        everybody = {**self._books, **books}
        for name, limit in new.items():
            budget = self._kept[name] = self._made(limit, spent[name], everybody.values(), today)
            for id_, book in everybody.items():
                if id_ not in wanted and _counts(limit, book):
                    _give(book, (*book.budgets, budget))
        for id_, limits in wanted.items():
            for limit in limits:
                budget = self._kept[_name(limit)]
                budget.limit, budget.whose, budget.row = limit.limit, limit.whose, limit
            _give(books[id_], tuple(self._kept[_name(limit)] for limit in limits))

    def _goes_on(self, limit: SpendingLimit) -> bool:
        kept = self._kept.get(_name(limit))
        return kept is not None and kept.reset is limit.reset and kept.byok is limit.byok

    async def _read_spent(self, limit: SpendingLimit) -> Spent:
        if _by_balance(limit):
            posted, days = await spent_in_workspace(self._database, self._workspace_id)
            return posted, {"": [DaySpent(day, amount) for day, amount in days.items()]}
        if limit.scope.of_key:
            return 0, {limit.subject: await spent_by_day(self._database, limit.subject)}
        maker = None if limit.scope is Scope.WORKSPACE else limit.subject
        return 0, await spent_by_key(self._database, self._workspace_id, maker)

    def _made(self, limit: SpendingLimit, spent: Spent, books: Iterable[Purse], today: int) -> Budget:
        """With what was spent; what was captured and waits for its commit counts as spent today."""
        budget = Budget(limit.whose, limit.limit, limit.reset, byok=limit.byok, row=limit)
        budget.window = window_start(limit.reset, today)
        posted, by_key = spent
        budget.spent = sum(counted_since(days, budget.window, byok=limit.byok) for days in by_key.values())
        if _by_balance(limit):
            budget.spent += max(0, posted - self._lease.amount)
        else:
            sharers = [book for book in books if _counts(limit, book)]
            budget.spent += sum(waiting(book.meter, by_key.get(book.key_id, ()), byok=limit.byok) for book in sharers)
        return budget


def waiting(meter: Meter, days: Sequence[DaySpent], *, byok: bool) -> Nanodollars:
    """What a key spent that the database did not have when it was asked for those days."""
    left = meter.ever - sum(each.spent for each in days)
    own = meter.ever_own - sum(each.byok for each in days) if byok else 0
    return max(0, left) + max(0, own)


def today_of(now_ms: int) -> int:
    """Days since 1970."""
    return now_ms // DAY_MS


def _name(limit: SpendingLimit) -> Name:
    return limit.scope, limit.id, limit.subject


def _by_balance(limit: SpendingLimit) -> bool:
    """Whether what it counts is what the workspace's balance lost; what own providers bill is in no balance."""
    return limit.scope is Scope.WORKSPACE and not limit.byok


def _counts(limit: SpendingLimit, book: Purse) -> bool:
    return limit.scope is Scope.WORKSPACE or limit.subject == (book.key_id if limit.scope.of_key else book.maker)


def _give(book: Purse, budgets: tuple[Budget, ...]) -> None:
    before, book.budgets = book.budgets, budgets
    book.rolls_ms = 0
    for budget in budgets:
        if budget not in before:
            for each in book.running:
                each.hold.count_in(budget, each.day)
