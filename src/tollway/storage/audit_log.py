"""The audit log: who changed what, append-only, each row's hash chained to the row before it."""

import hashlib
from collections.abc import AsyncIterator

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


class Searched(Struct, frozen=True):
    """Which entries are meant; None: whichever."""

    workspace_id: str | None = None
    actor: str | None = None
    action: str | None = None
    """`key.created`, or `key` for whatever happened to keys."""
    target: str | None = None
    from_ms: int = 0
    until_ms: int = 2**53
    """Before this."""
    after: int = 0
    """Only entries of higher numbers."""
    not_by: str = ""
    """Only what others did than this actor."""
    detail: tuple[str, str] | None = None
    """Only entries whose details say this: a name, and its value, which is a text of ours without `%` and `_`."""


async def list_entries(
    database: Database,
    *,
    before: int | None = None,
    workspace_id: str | None = None,
    limit: int = 100,
    searched: Searched | None = None,
) -> list[AuditEntry]:
    """The newest first; `before`: the number that the next page begins below."""
    searched = searched or Searched(workspace_id)
    where = ["number > :after AND number < :before"]
    named: dict[str, object] = {"after": searched.after, "limit": limit}
    named["before"] = before if before is not None else 2**62
    for name in ("workspace_id", "actor", "target"):
        if (wanted := getattr(searched, name)) is not None:
            where.append(f"{name} = :{name}")
            named[name] = wanted
    if searched.not_by:
        where.append("actor <> :not_by")
        named["not_by"] = searched.not_by
    if searched.detail is not None:
        where.append("details LIKE :detail")
        name, value = searched.detail
        named["detail"] = f'%"{name}":"{value}"%'
    if searched.action is not None:
        where.append("(action = :action OR SUBSTR(action, 1, LENGTH(:action) + 1) = :action || '.')")
        named["action"] = searched.action
    if searched.from_ms > 0 or searched.until_ms < 2**53:
        where.append("created_ms >= :from_ms AND created_ms < :until_ms")
        named |= {"from_ms": searched.from_ms, "until_ms": searched.until_ms}
    sql = f"SELECT {COLUMNS} FROM audit_log WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT :limit"  # noqa: S608 (constants)
    return [_entry(row) for row in await database.read(sql, **named)]


async def newest_number(database: Database) -> int:
    """The newest entry's; 0 where there is none."""
    [(number,)] = await database.read("SELECT COALESCE(MAX(number), 0) FROM audit_log")
    return int(number)


class Verified(Struct, frozen=True):
    """What a look at the whole chain found."""

    entries: int
    broken: tuple[str, ...]
    """Entries that were changed, or whose predecessor was or is gone."""
    last: str
    """The hash of the newest entry: who keeps it elsewhere sees later whether the end was cut off."""


AT_ONCE = 1000


async def entries_in_order(database: Database) -> AsyncIterator[list[AuditEntry]]:
    """All of the log, the oldest first, some at a time."""
    number = 0
    sql = f"SELECT {COLUMNS} FROM audit_log WHERE number > :number ORDER BY number LIMIT :limit"  # noqa: S608 (constants)
    while rows := await database.read(sql, number=number, limit=AT_ONCE):
        page = [_entry(row) for row in rows]
        yield page
        number = page[-1].number


async def verify(database: Database) -> Verified:
    """Reads the log from its beginning, some entries at a time, so that no size of it fills the memory."""
    broken: list[str] = []
    before, number, count = "", 0, 0
    async for page in entries_in_order(database):
        for entry in page:
            if entry.number != number + 1 or entry.chain != chained(before, entry):
                broken.append(f"{entry.number}: {entry.action} by {entry.actor}")
            before, number, count = entry.chain, entry.number, count + 1
    return Verified(count, tuple(broken), before)


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(*row)
