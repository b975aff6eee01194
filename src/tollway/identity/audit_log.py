"""Writing the audit log: one entry after the other, whoever asks at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import structs

from tollway.domain.people import Actor
from tollway.storage.audit_log import AuditEntry, chained, last_entry, new_entry
from tollway.storage.database import Database, NewRows, Row, Statement


class AuditLog:
    """One process writes it (MONEY.md, Leases), so that the end of the chain can be kept in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._last: AuditEntry | None = None

    async def write(
        self,
        actor: Actor,
        action: str,
        target: str,
        *changes: Statement | NewRows,
        now_ms: int,
        workspace_id: str | None = None,
        **details: Any,
    ) -> list[list[Row]]:
        """Makes the changes and says so, in one transaction: either both are there afterwards, or neither.

        -> what each change returned. ConflictError, StorageError: as `Database.write`.
        """
        # Shielded: whoever hangs up while it is written must not let the next one read a chain without its end.
        return await asyncio.shield(self._write(actor, action, target, changes, now_ms, workspace_id, details))

    async def _write(
        self,
        actor: Actor,
        action: str,
        target: str,
        changes: Sequence[Statement | NewRows],
        now_ms: int,
        workspace_id: str | None,
        details: dict[str, Any],
    ) -> list[list[Row]]:
        async with self._lock:
            entry = await self._next(actor, action, target, now_ms, workspace_id, details)
            self._last = None  # a write whose outcome is unknown: read again what is there
            rows = await self._database.write(*changes, new_entry(entry))
            self._last = entry
            return rows[:-1]

    @asynccontextmanager
    async def entry(
        self, actor: Actor, action: str, target: str, *, now_ms: int, workspace_id: str | None = None
    ) -> AsyncIterator[Callable[..., Statement]]:
        """An entry that somebody else's transaction writes: details -> its row. Nobody else writes one meanwhile.

        The block must not be cancelled while that transaction is under way: shield it.
        """
        async with self._lock:
            before = await self._next(actor, action, target, now_ms, workspace_id, {})
            last, self._last = self._last, None  # whether it was written is read when the next one is

            def row(**details: Any) -> Statement:
                entry = structs.replace(before, details=msgspec.json.encode(details).decode(), chain="")
                return new_entry(structs.replace(entry, chain=chained(last.chain if last else "", entry)))

            yield row

    async def _next(
        self, actor: Actor, action: str, target: str, now_ms: int, workspace_id: str | None, details: dict[str, Any]
    ) -> AuditEntry:
        self._last = last = self._last or await last_entry(self._database)
        entry = AuditEntry(
            number=last.number + 1 if last else 1,
            created_ms=now_ms,
            actor=actor.name,
            action=action,
            workspace_id=workspace_id,
            target=target,
            details=msgspec.json.encode(details).decode(),
            chain="",
        )
        return structs.replace(entry, chain=chained(last.chain if last else "", entry))
