"""What this node knows of each workspace's money and each key's limit; read once, then the truth."""

import asyncio
import time
from collections import defaultdict

from msgspec import Struct

from tollway.billing.ledger import Lease, Meter, window_start
from tollway.domain.identity import Key
from tollway.domain.ledger import PROMOTIONS, Transfer, TransferKind
from tollway.domain.money import Nanodollars
from tollway.storage.database import ConflictError, Database, StorageError
from tollway.storage.keys import create_workspace, spent_by_day
from tollway.storage.ledger import DAY_MS, Balance, balance, find_transfer, post_transfers


class Book(Struct, frozen=True):
    """A key's purse: the lease of its workspace, and its own meter."""

    lease: Lease
    meter: Meter


class Books:
    """One node's leases and meters. On one node a lease is the workspace's whole balance (MONEY.md, Leases)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leases: dict[str, Lease] = {}
        self._books: dict[str, Book] = {}
        self._unsure: set[str] = set()
        """Grants that may be in the database without being in their lease."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def get(self, key: Key) -> Book | None:
        """The key's book, if it has been opened: no await on the hot path."""
        return self._books.get(key.id)

    async def open(self, key: Key) -> Book:
        """The key's book, read from the database the first time; once, whoever else asks meanwhile."""
        async with self._locks[key.workspace_id]:
            if (book := self._books.get(key.id)) is not None:
                return book
            lease = self._leases.get(key.workspace_id)
            if lease is None:
                found = await balance(self._database, key.workspace_id)
                lease = self._leases[key.workspace_id] = Lease(found.posted if found else 0)
            meter = Meter(key.limit, key.limit_reset)
            today = int(time.time() * 1000) // DAY_MS
            meter.window = window_start(key.limit_reset, today)
            days = await spent_by_day(self._database, key.id)
            meter.spent = sum(day.spent for day in days if day.day >= meter.window)
            book = self._books[key.id] = Book(lease, meter)
            return book

    async def grant(self, workspace_id: str, amount: Nanodollars, ref: str, reason: str, now_ms: int) -> Balance:
        """Credits from the platform's promotions, spendable at once; the balance after it.

        The workspace is made if it is not there. With the same `ref` again, nothing more is granted.
        """
        async with self._locks[workspace_id]:
            await create_workspace(self._database, workspace_id, workspace_id, now_ms)
            transfer = Transfer(TransferKind.GRANT, ref, PROMOTIONS, workspace_id, amount, now_ms, reason)
            try:
                await post_transfers(self._database, [transfer])
            except ConflictError:
                if await find_transfer(self._database, TransferKind.GRANT, ref) is None:
                    raise
                new = ref in self._unsure
            except StorageError as error:
                if not error.sure and workspace_id in self._leases:
                    self._unsure.add(ref)
                raise
            else:
                new = True
            self._unsure.discard(ref)
            if new and (lease := self._leases.get(workspace_id)) is not None:
                lease.add(amount)
            return await balance(self._database, workspace_id) or Balance(0, 0)

    @property
    def held(self) -> Nanodollars:
        """Everything that is held just now."""
        return sum(lease.held for lease in self._leases.values())
