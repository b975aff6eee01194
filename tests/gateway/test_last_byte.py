"""What ends an answer waits for its commit; a commit that fails, or whose outcome is unknown, never charges twice."""

import asyncio
from typing import Any

import pytest

from tests.gateway.clients import Seen, broken_promises, chat, generations, post, posted, run, send, until
from tests.gateway.oracle import USD, nano, price, prompt_tokens
from tests.support import Stage, ask, offer, staged
from tollway.storage.database import Database, NewRows, Row, Statement, StorageError
from tollway.storage.keys import spent_by_day

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
CONTENT = "test/model", "m@tokens=20"
DUE = price(prompt_tokens("Say hello."), 20)
RETRY_FOR_S = 0.4


class MoodyDatabase:
    """A database that waits, refuses, or does the work and denies it, as it is told."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.open = asyncio.Event()
        self.open.set()
        self.refuses = False
        self.denies = 0
        """So many writes are done and reported as failed."""
        self.blind = 0
        """So many reads fail."""
        self.writes = 0

    async def read(self, sql: str, /, **parameters: Any) -> list[Row]:
        if self.blind:
            self.blind -= 1
            raise StorageError("the disk can't be read")
        return await self._inner.read(sql, **parameters)

    async def write(self, *statements: Statement | NewRows) -> list[list[Row]]:
        await asyncio.wait_for(self.open.wait(), 5)  # a test that fails must not keep the server from stopping
        self.writes += 1
        if self.refuses:
            raise StorageError("the disk is full")
        answers = await self._inner.write(*statements)
        if self.denies:
            self.denies -= 1
            raise StorageError("the disk did not say whether it is done", sure=False)
        return answers

    async def close(self) -> None:
        await self._inner.close()


def moody(stage: Stage) -> MoodyDatabase:
    """Puts it between the committer, and nobody else, and the disk."""
    database = MoodyDatabase(stage.house.database)
    stage.house.committer._database = database
    stage.house.committer._retry_for_s = RETRY_FOR_S
    return database


async def in_order(stage: Stage, *, charged: int) -> None:
    """Balance, lease and meters say the same, and the audit is clean."""
    await until(lambda: stage.house.committer.healthy)
    await stage.house.committer.drain()
    lease = stage.house.gateway.books._leases["home"]
    assert await posted(stage) == 100 * USD - charged
    assert (lease.amount, lease.held) == (100 * USD - charged, 0)
    book = stage.house.gateway.books.get(stage.key.key)
    assert book is not None
    assert (book.meter.spent, book.meter.held) == (charged, 0)
    assert sum(day.spent for day in await spent_by_day(stage.house.database, stage.key.key.id)) == charged
    assert await broken_promises(stage.house.database) == []


@BOTH
def test_the_end_waits_for_the_commit(stream: bool) -> None:
    """Content comes at once; the usage chunk and [DONE], or the JSON body, not before the charge is on the disk."""

    async def scene() -> None:
        async with staged(offer(*CONTENT)) as stage:
            database, seen = moody(stage), Seen()
            database.open.clear()
            asking = asyncio.create_task(send(stage.house.port, post(stage.key, ask(stream=stream)), seen=seen))
            await asyncio.sleep(0.4)
            assert not asking.done()
            assert stage.house.gateway.books._leases["home"].amount == 100 * USD - DUE, "captured in memory by now"
            if stream:
                assert len(seen.deltas) == 20
                assert seen.finish == "stop"
                assert seen.usage is None
                assert b"[DONE]" not in seen.raw
            else:
                assert seen.raw == b""
            assert await posted(stage) == 100 * USD
            database.open.set()
            assert (await asking).complete
            assert seen.usage is not None
            assert nano(seen.usage["cost"]) == DUE
            await in_order(stage, charged=DUE)

    run(scene)


@BOTH
def test_leaving_while_the_end_waits_changes_nothing(stream: bool) -> None:
    """The provider's own end was read: who leaves before the commit is charged all the same, once."""

    async def scene() -> None:
        async with staged(offer(*CONTENT)) as stage:
            database = moody(stage)
            database.open.clear()
            asking = asyncio.create_task(chat(stage, stream=stream))
            await until(lambda: stage.house.committer._busy)
            asking.cancel()
            await asyncio.sleep(0.1)
            database.open.set()
            await in_order(stage, charged=DUE)
            [record] = await generations(stage)
            assert (record.cost, record.cancelled, record.finish_reason) == (DUE, False, "stop")

    run(scene)


@BOTH
def test_a_disk_that_fails_for_too_long(stream: bool) -> None:
    """The answer ends with an error, nothing is charged, the money is given back; no new paid work until it is."""

    async def scene() -> None:
        async with staged(offer(*CONTENT)) as stage:
            database = moody(stage)
            database.refuses = True
            seen = await chat(stage, stream=stream)
            assert seen.failed_in_order
            assert seen.status == (200 if stream else 503)
            assert seen.error is not None
            assert seen.error["code"] == 503
            assert database.writes >= 2, "it was tried again"
            assert stage.house.gateway.books._leases["home"].amount == 100 * USD - DUE, "not known yet: kept back"
            assert (await chat(stage, stream=stream)).status == 503
            assert stage.simulator.stats.requests == 1, "what can't be charged is not bought"
            database.refuses = False
            await in_order(stage, charged=0)
            [record] = await generations(stage)
            assert (record.cost, record.finish_reason, record.absorbed) == (0, "error", DUE)
            assert (stage.house.gateway.metrics.charged, stage.house.gateway.metrics.failed) == (0, 1)
            assert (await chat(stage, stream=stream)).complete
            await in_order(stage, charged=DUE)

    run(scene)


@BOTH
def test_a_commit_that_happened_and_was_denied(stream: bool) -> None:
    """Its unique key tells that it is there: the answer ends well, and is charged once."""

    async def scene() -> None:
        async with staged(offer(*CONTENT)) as stage:
            moody(stage).denies = 1
            assert (await chat(stage, stream=stream)).complete
            await in_order(stage, charged=DUE)

    run(scene)


@BOTH
def test_a_commit_that_was_denied_and_could_not_be_looked_up(stream: bool) -> None:
    """Tried again, it is refused for its id, which proves that it is there: charged once, nothing given back."""

    async def scene() -> None:
        async with staged(offer(*CONTENT)) as stage:
            database = moody(stage)
            database.denies = database.blind = 1
            assert (await chat(stage, stream=stream)).complete
            await in_order(stage, charged=DUE)

    run(scene)


@BOTH
def test_a_charge_that_turns_out_to_have_been_made(stream: bool) -> None:
    """Unknown for longer than a caller waits: error, and later the charge is found and reversed, with its meters."""

    async def scene() -> None:
        async with staged(offer(*CONTENT)) as stage:
            database = moody(stage)
            database.denies, database.blind = 1, 10**6
            asking = asyncio.create_task(chat(stage, stream=stream))
            await until(lambda: database.writes == 1 and not database.denies)
            database.refuses = True
            seen = await asking
            assert seen.failed_in_order
            assert await posted(stage) == 100 * USD - DUE, "it had been charged"
            database.refuses, database.blind = False, 0
            await in_order(stage, charged=0)
            [record] = await generations(stage)
            assert (record.cost, record.finish_reason) == (0, "error")
            kinds = await stage.house.database.read("SELECT kind, amount FROM transfers WHERE ref = :id", id=record.id)
            assert sorted(kinds) == [("capture", DUE), ("reversal", DUE)]

    run(scene)


def test_many_doubts_are_settled_once_each() -> None:
    """Thirty answers that end in doubt at different times: each is given back once, however often settling begins."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=20,latency_ms=300,jitter=1")) as stage:
            database = moody(stage)
            await chat(stage)
            database.refuses = True
            seen = await asyncio.gather(*(chat(stage, stream=number % 2 == 0) for number in range(30)))
            assert all(each.failed_in_order for each in seen)
            database.refuses = False
            await in_order(stage, charged=DUE)
            assert len(await generations(stage)) == 31
            assert stage.house.committer.given_up == 30

    run(scene)


def test_nobody_waits_longer_than_the_retry_time() -> None:
    """An answer that comes while others are being retried has its own ten seconds, not theirs and then its own."""

    async def scene() -> None:
        async with staged(offer(*CONTENT)) as stage:
            database = moody(stage)
            await chat(stage)
            database.refuses = True
            loop, first = asyncio.get_running_loop(), asyncio.create_task(chat(stage))
            await asyncio.sleep(RETRY_FOR_S / 2)
            began_s = loop.time()
            assert (await chat(stage)).failed_in_order
            assert loop.time() - began_s < 1.5 * RETRY_FOR_S + 0.15
            assert (await first).failed_in_order
            database.refuses = False
            await in_order(stage, charged=DUE)

    run(scene)
