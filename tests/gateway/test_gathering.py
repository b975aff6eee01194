"""How the committer shares commits: who comes alone is written at once, a crowd waits for the rest of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.storage.ledgers import generation
from tollway.gateway.commit import GATHER_FROM, Committer
from tollway.identity.keys import issue_key
from tollway.storage.database import NewRows, Row, Statement


class SlowDisk:
    """A `Database` whose writes end when they are told to; it remembers how many generations each had."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.turn = asyncio.Event()

    async def read(self, sql: str, /, **parameters: Any) -> list[Row]:
        raise AssertionError("nothing is read for a commit that succeeds")

    async def write(self, *statements: Statement | NewRows) -> list[list[Row]]:
        assert isinstance(statements[0], NewRows)
        self.batches.append(len(statements[0].rows))
        await self.turn.wait()
        return []

    async def close(self) -> None:
        """Nothing is open."""


async def batches_of(meanwhile: int, later: int) -> list[int]:
    """One request, `meanwhile` more while it is written, and `later` more just after that."""
    key, _ = issue_key(workspace_id="w", name="key", pepper=b"pepper", now_ms=0)
    disk, jobs = SlowDisk(), set[asyncio.Task[None]]()

    def spawn(job: Coroutine[Any, Any, None], name: str) -> None:
        jobs.add(asyncio.create_task(job, name=name))

    committer = Committer(disk, spawn)

    def queue(count: int) -> list[asyncio.Future[bool]]:
        ids = (f"gen-{committer.waiting}-{len(disk.batches)}-{each}" for each in range(count))
        return [committer.queue(generation(id_, key), lambda: None).done for id_ in ids]

    done = queue(1)
    while not disk.batches:  # noqa: ASYNC110 - a turn or two
        await asyncio.sleep(0)
    done += queue(meanwhile)
    disk.turn.set()
    await done[0]
    await asyncio.sleep(0)
    done += queue(later)
    assert all(await asyncio.gather(*done))
    return disk.batches


def test_a_crowd_shares_the_next_commit() -> None:
    """Those who finish just behind a crowd are written with it, and nobody twice."""
    assert asyncio.run(batches_of(GATHER_FROM, 3)) == [1, GATHER_FROM + 3]


def test_a_few_are_written_at_once() -> None:
    """Below a crowd nobody waits for others."""
    assert asyncio.run(batches_of(GATHER_FROM - 1, 3)) == [1, GATHER_FROM - 1, 3]
