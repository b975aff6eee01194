"""The committer: commits all finished requests that are queued in one transaction, then takes what came meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from msgspec import Struct

from tollway.domain.generation import Generation
from tollway.storage.database import ConflictError, Database, StorageError
from tollway.storage.ledger import commit_generations, committed_ids, void_generation

log = structlog.get_logger(__name__)

RETRY_FOR_S = 10.0
"""How long a commit is retried before the answers that wait for it end with an error (MONEY.md, Capture)."""
RETRY_EVERY_S = 0.1
GATHER_FROM = 4
"""So many that finished during one commit are a crowd: more are about to finish, and the next commit waits for them."""
GATHER_S = 0.002
GATHERINGS_MAX = 5
"""It waits `GATHER_S`, and again for as long as the crowd still grows, so many times at most. What a commit costs
(threads that take turns, pages that all of it touches) is shared by more then; who comes alone never waits (the idea of
PostgreSQL's commit_delay and commit_siblings)."""
NOT_RECORDED = "The answer ended with an error: its charge could not be recorded in time, so it was taken back."

Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class Entry(Struct, eq=False):
    """One finished request on its way to the disk. `done`: True when it is durable, False when it was given up."""

    generation: Generation
    give_back: Callable[[], None]
    done: asyncio.Future[bool]
    queued_s: float

    def decide(self, durable: bool) -> None:
        """Tells who waits, if anybody still does: a handler that was cancelled took its future with it."""
        if not self.done.done():
            self.done.set_result(durable)


class Committer:
    """Group commit. `queue` is synchronous, so that no cancellation can come between an answer and its charge."""

    def __init__(self, database: Database, spawn: Spawn, retry_for_s: float = RETRY_FOR_S) -> None:
        self._database = database
        self._spawn = spawn
        self._retry_for_s = retry_for_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: list[Entry] = []
        self.doubtful: list[Entry] = []
        """Those that were given up, while it is not known whether they were charged: new paid work waits then."""
        self._busy = False
        self._settling = False
        self.commits = 0
        self.committed = 0
        self.given_up = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def healthy(self) -> bool:
        """Whether the last word from the database was a good one."""
        return not self.doubtful

    def queue(self, generation: Generation, give_back: Callable[[], None]) -> Entry:
        """Takes a generation with its capture. `give_back` is called if its charge is never made, or was reversed."""
        if (loop := self._loop) is None:
            loop = self._loop = asyncio.get_running_loop()
        entry = Entry(generation, give_back, loop.create_future(), loop.time())
        self._queue.append(entry)
        if not self._busy:
            self._busy = True
            self._spawn(self._run(), "committer")
        return entry

    async def drain(self) -> None:
        """Returns when everything that was queued has been decided, and doubts are settled, or can't be in time."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._retry_for_s
        while self._busy or (self._settling and loop.time() < end_s):  # noqa: ASYNC110  # twice in a process's life
            await asyncio.sleep(0.005)
        for entry in self.doubtful:
            log.error("stopped before it was known whether this was charged", id=entry.generation.id)

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._gather()
                batch, self._queue = self._queue, []
                await self._commit(batch)
        finally:
            self._busy = False

    async def _gather(self) -> None:
        before, rounds = GATHER_FROM - 1, 0
        while len(self._queue) > before and rounds < GATHERINGS_MAX:
            before = len(self._queue)
            rounds += 1
            await asyncio.sleep(GATHER_S)

    async def _commit(self, batch: list[Entry]) -> None:
        left = batch
        while left:
            try:
                await commit_generations(self._database, [entry.generation for entry in left])
            except ConflictError as error:
                await self._isolate(left, error)
                return
            except StorageError as error:
                log.error("commit failed", error=str(error), entries=len(left))
                if not error.sure:
                    left = await self._without_committed(left)
                left = self._without_late(left)
                if left:
                    await asyncio.sleep(RETRY_EVERY_S)
                continue
            except Exception as error:  # noqa: BLE001  # a record that can't be written must not keep all waiting
                await self._isolate(left, error)
                return
            self.commits += 1
            self._succeed(left)
            return

    def _succeed(self, entries: list[Entry]) -> None:
        self.committed += len(entries)
        for entry in entries:
            entry.decide(True)

    def _give_up(self, entries: list[Entry]) -> None:
        """Their answers end with an error. Whether they were charged is found out when the database answers again."""
        self.given_up += len(entries)
        self.doubtful += entries
        for entry in entries:
            entry.decide(False)
        if entries and not self._settling:
            self._settling = True
            self._spawn(self._settle_doubts(), "settle doubts")

    def _without_late(self, entries: list[Entry]) -> list[Entry]:
        """Gives up those that have waited for as long as a caller may be kept waiting."""
        oldest_s = asyncio.get_running_loop().time() - self._retry_for_s
        self._give_up([entry for entry in entries if entry.queued_s <= oldest_s])
        return [entry for entry in entries if entry.queued_s > oldest_s]

    async def _isolate(self, entries: list[Entry], error: Exception) -> None:
        """The batch was refused: one of it is to blame. Each is tried alone, and the one that is refused is voided.

        It may have been refused because its id is there: an earlier try, whose outcome was not known, did succeed.
        """
        if len(entries) > 1:
            for entry in entries:
                await self._commit([entry])
        elif left := await self._without_committed(entries):
            log.error("the ledger refused a generation", id=left[0].generation.id, error=str(error))
            self._give_up(left)

    async def _without_committed(self, entries: list[Entry]) -> list[Entry]:
        """After a commit of unknown outcome: those that are in the database after all have succeeded."""
        try:
            found = await committed_ids(self._database, (entry.generation.id for entry in entries))
        except StorageError:
            return entries
        self._succeed([entry for entry in entries if entry.generation.id in found])
        return [entry for entry in entries if entry.generation.id not in found]

    async def _settle_doubts(self) -> None:
        """What was given up costs nothing, whether it was charged or not; when that is durable, the money is back."""
        try:
            while self.doubtful:
                entry = self.doubtful[0]
                try:
                    await void_generation(self._database, entry.generation, NOT_RECORDED)
                except StorageError:
                    await asyncio.sleep(RETRY_EVERY_S)
                    continue
                except Exception as error:  # noqa: BLE001  # what can't be written was not charged; on to the next
                    log.error("a generation has no record", id=entry.generation.id, error=repr(error))
                entry.give_back()
                self.doubtful.pop(0)
        finally:
            self._settling = False
