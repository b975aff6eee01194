"""What this node knows of each workspace's money and each key's limit; read once, then the truth."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from msgspec import Struct

from tollway.billing.ledger import DAY_MS, Budget, Lease, Meter, available, window_start
from tollway.billing.lots import Lot, lots_of
from tollway.domain.identity import Key
from tollway.domain.ledger import PROMOTIONS, Transfer, TransferKind, debt_of
from tollway.domain.money import Nanodollars
from tollway.gateway.budget_meters import BudgetMeters, UnderWay, today_of, waiting
from tollway.storage.database import ConflictError, Database, NewRows, Statement, StorageError
from tollway.storage.keys import counted_since, create_workspace, spent_by_day
from tollway.storage.ledger import (
    Balance,
    balance,
    balance_and_debt,
    find_transfer,
    post_transfers,
    purchased,
)
from tollway.storage.marks import list_marks

PURCHASED_S = 10.0
"""How long the database is not asked again for what a workspace has bought."""

Decide = Callable[[Sequence[Lot]], Sequence[Transfer]]
Beside = Callable[[Sequence[Transfer]], Sequence[Statement | NewRows]]


def nothing(_: Sequence[Transfer]) -> Sequence[Statement | NewRows]:
    return ()


class Book:
    """A key's purse: the lease of its workspace, its own meter, the budgets that it shares; and what is under way."""

    __slots__ = ("budgets", "key_id", "lease", "maker", "meter", "revoked", "rolls_ms", "running", "workspace_id")

    def __init__(self, key: Key, lease: Lease, meter: Meter) -> None:
        self.key_id = key.id
        self.maker = key.creator_user_id
        self.workspace_id = key.workspace_id
        self.lease = lease
        self.meter = meter
        self.budgets: tuple[Budget, ...] = ()
        """The workspace's, the broadest first; then those of guardrails."""
        self.rolls_ms = 0
        """When windows may begin next, at a midnight; 0: where the meter or a budget is another one now."""
        self.running: set[UnderWay] = set()
        self.revoked = False
        """Whether who was let in before may not begin any more."""

    @property
    def available(self) -> Nanodollars:
        """What one more request may cost."""
        return available(self.lease, self.meter, self.budgets)

    @property
    def listed_available(self) -> Nanodollars | None:
        """What fee and list price of one more request over callers' own keys may come to; None: nothing counts both."""
        found = self.meter.available if self.meter.byok else None
        for budget in self.budgets:
            if budget.byok and (left := budget.available) is not None and (found is None or left < found):
                found = left
        return found

    def roll(self, now_ms: int) -> None:
        """Starts the windows that begin now: none does before `rolls_ms`."""
        if now_ms < self.rolls_ms:
            return
        self.rolls_ms = (now_ms // DAY_MS + 1) * DAY_MS
        self.meter.roll(now_ms)
        for budget in self.budgets:
            budget.roll(now_ms)

    def tightest(self) -> Budget | None:
        """The budget that leaves less than the key and the workspace have; of several, the broadest."""
        if not self.budgets or self.available >= available(self.lease, self.meter):
            return None
        return min(self.budgets, key=lambda budget: budget.available or 0)


class _Doubt(Struct, frozen=True):
    """What changes in a lease when it is known whether a transfer is there: `if_there`, or if it is not."""

    transfer: Transfer
    amount: Nanodollars
    owed: Nanodollars
    if_there: bool


class Books:
    """One node's leases and meters. On one node a lease is the workspace's whole balance (MONEY.md, Leases)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leases: dict[str, Lease] = {}
        self._books: dict[str, Book] = {}
        self._budgets: dict[str, BudgetMeters] = {}
        """By workspace; none where none of its keys was used."""
        self._purchased: dict[str, tuple[float, Nanodollars]] = {}
        """Workspace -> until when this is believed, and what it has bought."""
        self._unsure: defaultdict[str, list[_Doubt]] = defaultdict(list)
        """Workspace -> transfers that may be in the database."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def get(self, key: Key) -> Book | None:
        """The key's book, if it has been opened: no await on the hot path."""
        return self._books.get(key.id)

    async def open(self, key: Key) -> Book:
        """The key's book, read from the database the first time; once, whoever else asks meanwhile."""
        async with self._locks[key.workspace_id]:
            if (book := self._books.get(key.id)) is not None:
                return book
            lease = await self._lease(key.workspace_id)
            today = today_of(int(time.time() * 1000))
            budgets = self._budgets.get(key.workspace_id)
            if budgets is None:
                budgets = BudgetMeters(self._database, key.workspace_id, lease)
                await budgets.begin()
                self._budgets[key.workspace_id] = budgets
            meter = Meter(key.limit, key.limit_reset, byok=key.include_byok)
            meter.window = window_start(key.limit_reset, today)
            days = await spent_by_day(self._database, key.id)
            meter.spent = counted_since(days, meter.window, byok=key.include_byok)
            meter.ever, meter.ever_own = sum(each.spent for each in days), sum(each.byok for each in days)
            book = Book(key, lease, meter)
            await budgets.enter(book, today)
            self._books[key.id] = book
            return book

    async def change(self, before: Key, key: Key) -> None:
        """A key's limit, when it starts again or what it counts was changed: what was spent and is held goes on
        counting."""
        async with self._locks[key.workspace_id]:
            book = self._books.get(key.id)
            if book is None:
                return
            meter = book.meter
            if key.limit_reset is not meter.reset or key.include_byok is not before.include_byok:
                days = await spent_by_day(self._database, key.id)
                window = window_start(key.limit_reset, today_of(int(time.time() * 1000)))
                spent = counted_since(days, window, byok=key.include_byok)
                spent += waiting(meter, days, byok=key.include_byok)
                book.meter = meter = meter.followed_by(key.limit_reset, window, spent)
                book.rolls_ms = 0
                meter.byok = key.include_byok
            meter.limit = key.limit

    async def change_budgets(self, workspace_id: str) -> None:
        """Budgets of a workspace, or of its guardrails, were changed: those that stay go on counting."""
        async with self._locks[workspace_id]:
            if (budgets := self._budgets.get(workspace_id)) is not None:
                await budgets.refresh(today_of(int(time.time() * 1000)))

    def revoke(self, key_id: str) -> None:
        """A key does not work any more: its answers under way end (FAULTS.md S-T13)."""
        if (book := self._books.get(key_id)) is not None:
            book.revoked = True
        self.cut(key_id)

    def cut(self, key_id: str) -> None:
        """A key's answers under way end; it may begin others."""
        if (book := self._books.get(key_id)) is not None:
            for each in tuple(book.running):
                each.revoke()

    def restore(self, key_id: str) -> None:
        """It works again."""
        if (book := self._books.get(key_id)) is not None:
            book.revoked = False

    def keys_of(self, workspace_id: str) -> list[str]:
        """The ids of those of its keys that were used since the start."""
        return [key_id for key_id, book in self._books.items() if book.workspace_id == workspace_id]

    async def grant(
        self, workspace_id: str, amount: Nanodollars, ref: str, reason: str, now_ms: int, *beside: Statement
    ) -> Balance:
        """Credits from the platform's promotions, spendable at once; the balance after it.

        The workspace is made if it is not there. With the same `ref` again, nothing more is granted.
        """
        workspace_id = await create_workspace(self._database, workspace_id, workspace_id, now_ms)
        grant = Transfer(TransferKind.GRANT, ref, PROMOTIONS, workspace_id, amount, now_ms, reason)
        await self.credit(grant, *beside)
        return await balance(self._database, workspace_id) or Balance(0, 0)

    async def credit(self, transfer: Transfer, *beside: Statement | NewRows) -> bool:
        """Credits for a workspace, and what is to be written with them; debts are paid out of them first.

        -> whether it was done now. False: it was before, and nothing of `beside` was written now.
        ConflictError: refused, but not because it was done. StorageError: as `Database.write`; it may be repeated.
        """
        # Shielded, as `take`: whoever hangs up in the middle must not leave the lease behind the database.
        return await asyncio.shield(asyncio.ensure_future(self._credit(transfer, beside)))

    async def _credit(self, transfer: Transfer, beside: Sequence[Statement | NewRows]) -> bool:
        workspace_id = transfer.credit
        async with self._locks[workspace_id]:
            lease = await self._lease(workspace_id)
            paid = max(0, min(lease.owed, lease.amount - lease.held + transfer.amount))
            transfers = [transfer]
            if paid:
                transfers.append(_settlement(transfer, paid))
            try:
                await post_transfers(self._database, transfers, *beside)
            except ConflictError:
                if await find_transfer(self._database, transfer.kind, transfer.ref) is None:
                    raise
                return False
            except StorageError as error:
                if not error.sure:
                    self._unsure[workspace_id].append(_Doubt(transfer, transfer.amount - paid, -paid, if_there=True))
                raise
            lease.amount += transfer.amount - paid
            lease.owed -= paid
            self._purchased.pop(workspace_id, None)
            return True

    async def take(self, workspace_id: str, decide: Decide, beside: Beside = nothing) -> Sequence[Transfer]:
        """Takes credits away that are neither spent nor held: a refund, a chargeback, an expiry. -> what was moved.

        `decide`: the workspace's lots, as they are if all that is held will be spent -> the transfers. They leave the
        lease first, so that no hold can want the same money; a debt is owed from then on. `beside`: what is written
        with them.
        ConflictError: it was done before.
        """
        return await asyncio.shield(asyncio.ensure_future(self._take(workspace_id, decide, beside)))

    async def _take(self, workspace_id: str, decide: Decide, beside: Beside) -> Sequence[Transfer]:
        async with self._locks[workspace_id]:
            lease = await self._lease(workspace_id)
            found = await balance(self._database, workspace_id) or Balance(0, 0)
            marks = await list_marks(self._database, workspace_id)
            transfers = decide(lots_of(marks, found.credited, found.credited - (lease.amount - lease.held)))
            if not transfers:
                return ()
            taken = sum(each.amount for each in transfers if each.debit == workspace_id)
            owing = sum(each.amount for each in transfers if each.kind is TransferKind.DEBT)
            paid = sum(each.amount for each in transfers if each.kind is TransferKind.SETTLEMENT)
            lease.amount -= taken
            lease.owed += owing - paid
            try:
                await post_transfers(self._database, transfers, *beside(transfers))
            except StorageError as error:
                if error.sure:
                    lease.amount += taken
                    lease.owed -= owing - paid
                else:
                    self._unsure[workspace_id].append(_Doubt(transfers[0], taken, paid - owing, if_there=False))
                raise
            return transfers

    async def _lease(self, workspace_id: str) -> Lease:
        """The workspace's lease, from the database the first time; with its lock held, and no doubt about it left."""
        lease = self._leases.get(workspace_id)
        if lease is None:
            lease = self._leases[workspace_id] = Lease(*await balance_and_debt(self._database, workspace_id))
            self._unsure.pop(workspace_id, None)
        while doubts := self._unsure.get(workspace_id):
            doubt = doubts[-1]
            there = await find_transfer(self._database, doubt.transfer.kind, doubt.transfer.ref) is not None
            if there is doubt.if_there:
                lease.amount += doubt.amount
                lease.owed += doubt.owed
            doubts.pop()
        return lease

    async def balance(self, workspace_id: str) -> Nanodollars:
        """What a workspace has now, with what is held; charges that wait for their commit are off already."""
        async with self._locks[workspace_id]:
            if (lease := self._leases.get(workspace_id)) is not None:
                return lease.amount
            found = await balance(self._database, workspace_id)
            return found.posted if found else 0

    def held_of(self, workspace_id: str) -> Nanodollars:
        """What a workspace's requests under way hold of its balance."""
        lease = self._leases.get(workspace_id)
        return lease.held if lease is not None else 0

    async def purchased(self, workspace_id: str) -> Nanodollars:
        """What the workspace ever paid for credits, some seconds old at most."""
        until_s, amount = self._purchased.get(workspace_id, (0.0, 0))
        if time.monotonic() >= until_s:
            amount = await purchased(self._database, workspace_id)
            self._purchased[workspace_id] = time.monotonic() + PURCHASED_S, amount
        return amount

    @property
    def held(self) -> Nanodollars:
        """Everything that is held just now."""
        return sum(lease.held for lease in self._leases.values())

    @property
    def under_way(self) -> int:
        """How many requests are being answered just now."""
        return sum(len(book.running) for book in self._books.values())


def _settlement(of: Transfer, amount: Nanodollars) -> Transfer:
    """What `of` brought goes into the workspace's debt."""
    return Transfer(
        TransferKind.SETTLEMENT,
        f"{of.kind.value} {of.ref}",
        of.credit,
        debt_of(of.credit),
        amount,
        of.created_ms,
    )
