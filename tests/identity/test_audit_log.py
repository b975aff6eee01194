"""Writing the audit log: whoever hangs up in the middle, the chain has no gap and no fork."""

import asyncio
from pathlib import Path

import pytest

from tollway.domain.people import Actor
from tollway.identity.audit_log import AuditLog
from tollway.storage.audit_log import verify
from tollway.storage.database import NewRows, Row, Statement
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase

ACTOR = Actor("ada", {})


class Slow(SqliteDatabase):
    """A disk that takes its time: a write ends when the gate opens, whoever waits for it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = asyncio.Event()

    async def write(self, *statements: Statement | NewRows) -> list[list[Row]]:
        await asyncio.shield(asyncio.ensure_future(self.gate.wait()))
        return await super().write(*statements)


def test_who_hangs_up_leaves_no_gap(tmp_path: Path) -> None:
    """Both entries are there, in order, though the first one's writer did not wait for the end."""

    async def scene() -> None:
        database = Slow(tmp_path / "audit.db")
        await migrate(database)
        audit = AuditLog(database)
        leaving = asyncio.ensure_future(audit.write(ACTOR, "key.changed", "a", now_ms=1))
        await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # it has read the end of the chain, and writes
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        staying = asyncio.ensure_future(audit.write(ACTOR, "key.changed", "b", now_ms=2))
        await asyncio.sleep(0.05)
        database.gate.set()
        await staying
        found = await verify(database)
        assert (found.entries, found.broken) == (2, ())
        await database.close()

    asyncio.run(scene())
