"""The committer: commits all finished requests that are queued in one transaction, then takes what came meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tollway.domain.generation import Generation
from tollway.domain.ledger import REVENUE, Transfer, TransferKind
from tollway.storage.database import ConflictError, Database, StorageError
from tollway.storage.ledger import commit_generations, committed_ids, post_transfers

log = structlog.get_logger(__name__)

RETRY_FOR_S = 10.0
"""How long a commit is retried before the answers that wait for it end with an error (MONEY.md, Capture)."""
RETRY_EVERY_S = 0.1

Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class Entry:
    """One finished request on its way to the disk. `done`: True when it is durable, False when it was given up."""

    __slots__ = ("done", "generation", "give_back")

    def __init__(self, generation: Generation, give_back: Callable[[], None], done: asyncio.Future[bool]) -> None:
        self.generation = generation
        self.give_back = give_back
        self.done = done


class Committer:
    """Group commit. `queue` is synchronous, so that no cancellation can come between an answer and its charge."""

    def __init__(self, database: Database, spawn: Spawn, retry_for_s: float = RETRY_FOR_S) -> None:
        self._database = database
        self._spawn = spawn
        self._retry_for_s = retry_for_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: list[Entry] = []
        self._doubtful: list[Entry] = []
        self._busy = False
        self.commits = 0
        self.committed = 0
        self.given_up = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def healthy(self) -> bool:
        """Whether the last word from the database was a good one: new paid work waits while it is not."""
        return not self._doubtful

    def queue(self, generation: Generation, give_back: Callable[[], None]) -> Entry:
        """Takes a generation with its capture. `give_back` is called if its charge is never made, or was reversed."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        entry = Entry(generation, give_back, self._loop.create_future())
        self._queue.append(entry)
        if not self._busy:
            self._busy = True
            self._spawn(self._run(), "committer")
        return entry

    async def drain(self) -> None:
        """Returns when everything that was queued has been decided."""
        while self._busy:
            await asyncio.sleep(0.005)

    async def _run(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                await self._commit(batch)
        finally:
            self._busy = False
        if self._doubtful:
            await self._settle_doubts()

    async def _commit(self, batch: list[Entry]) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._retry_for_s
        left = batch
        while left:
            try:
                await commit_generations(self._database, [entry.generation for entry in left])
            except ConflictError as error:
                left = await self._isolate(left, error)
                continue
            except StorageError as error:
                log.error("commit failed", error=str(error), entries=len(left))
                if not error.sure:
                    left = await self._without_committed(left)
                if loop.time() >= deadline_s:
                    self._give_up(left)
                    return
                await asyncio.sleep(RETRY_EVERY_S)
                continue
            self.commits += 1
            self._succeed(left)
            return

    def _succeed(self, entries: list[Entry]) -> None:
        self.committed += len(entries)
        for entry in entries:
            if not entry.done.done():
                entry.done.set_result(True)

    def _give_up(self, entries: list[Entry]) -> None:
        """Their answers end with an error. Whether they were charged is found out when the database answers again."""
        self.given_up += len(entries)
        self._doubtful += entries
        for entry in entries:
            if not entry.done.done():
                entry.done.set_result(False)

    async def _isolate(self, entries: list[Entry], error: ConflictError) -> list[Entry]:
        """A rule of the schema refused the batch: one of it is to blame. Each is tried alone; the bad one is refused."""
        if len(entries) == 1:
            log.error("the ledger refused a generation", id=entries[0].generation.id, error=str(error))
            self.given_up += 1
            entries[0].give_back()
            entries[0].done.set_result(False)
            return []
        for entry in entries:
            await self._commit([entry])
        return []

    async def _without_committed(self, entries: list[Entry]) -> list[Entry]:
        """After a commit of unknown outcome: those that are in the database after all have succeeded."""
        try:
            found = await committed_ids(self._database, (entry.generation.id for entry in entries))
        except StorageError:
            return entries
        self._succeed([entry for entry in entries if entry.generation.id in found])
        return [entry for entry in entries if entry.generation.id not in found]

    async def _settle_doubts(self) -> None:
        """What was given up: if it was charged after all, the charge is reversed; then the money is given back."""
        while self._doubtful:
            entry = self._doubtful[0]
            generation = entry.generation
            try:
                if await committed_ids(self._database, (generation.id,)) and generation.cost:
                    reversal = Transfer(
                        TransferKind.REVERSAL,
                        generation.id,
                        REVENUE,
                        generation.workspace_id,
                        generation.cost,
                        generation.created_ms,
                        "its answer ended with an error before the charge was known to be durable",
                    )
                    await post_transfers(self._database, [reversal])
            except ConflictError:
                pass  # reversed already
            except StorageError:
                await asyncio.sleep(RETRY_EVERY_S)
                continue
            entry.give_back()
            self._doubtful.pop(0)
