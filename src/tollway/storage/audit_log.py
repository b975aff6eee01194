"""The audit log: who changed what, append-only, each row's hash chained to the row before it."""

import hashlib

import msgspec
from msgspec import Struct

from tollway.storage.database import Database, Row, Statement

COLUMNS = "number, created_ms, actor, action, workspace_id, target, details, chain"


class AuditEntry(Struct, frozen=True):
    """One change. `details` is JSON; no secret is in it."""

    number: int
    created_ms: int
    actor: str
    action: str
    """A noun and what happened to it: `key.created`, `credits.granted`."""
    workspace_id: str | None
    target: str
    details: str
    chain: str


def chained(before: str, entry: AuditEntry) -> str:
    """The hash of an entry with the chain of the one before it ("" for the first)."""
    fields = [before, *msgspec.structs.astuple(entry)[:-1]]
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def new_entry(entry: AuditEntry) -> Statement:
    row = msgspec.structs.asdict(entry)
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO audit_log ({COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


async def last_entry(database: Database) -> AuditEntry | None:
    """The newest entry."""
    found = await list_entries(database, limit=1)
    return found[0] if found else None


async def list_entries(
    database: Database, *, before: int | None = None, workspace_id: str | None = None, limit: int = 100
) -> list[AuditEntry]:
    """The newest first; `before`: the number that the next page begins below."""
    where = ["number < :before"]
    named: dict[str, object] = {"before": before if before is not None else 2**62, "limit": limit}
    if workspace_id is not None:
        where.append("workspace_id = :workspace_id")
        named["workspace_id"] = workspace_id
    sql = f"SELECT {COLUMNS} FROM audit_log WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT :limit"  # noqa: S608 (constants)
    return [_entry(row) for row in await database.read(sql, **named)]


async def broken_links(database: Database) -> list[str]:
    """The entries that were changed, or whose predecessor was: none in a log that nobody touched."""
    broken, before, number = [], "", 0
    for row in await database.read(f"SELECT {COLUMNS} FROM audit_log ORDER BY number"):  # noqa: S608 (constants)
        entry = _entry(row)
        if entry.number != number + 1 or entry.chain != chained(before, entry):
            broken.append(f"{entry.number}: {entry.action} by {entry.actor}")
        before, number = entry.chain, entry.number
    return broken


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(*row)
