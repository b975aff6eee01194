"""Guardrails and whom they are assigned to."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from tollway.domain.guardrails import Assignment, Guardrail, Guards, InForce
from tollway.storage.database import Database, Row, Statement

COLUMNS = "id, workspace_id, name, description, is_default, created_ms, updated_ms, record"
ASSIGNED = "guardrail_id, assignee, workspace_id, assigned_by, created_ms"
Kind = Literal["keys", "members"]
_decoder = msgspec.json.Decoder(Guards)


def set_guardrail(guardrail: Guardrail) -> Statement:
    """A new one, or another state of one that is there."""
    row = {
        "id": guardrail.id,
        "workspace_id": guardrail.workspace_id,
        "name": guardrail.name,
        "description": guardrail.description,
        "is_default": int(guardrail.default),
        "created_ms": guardrail.created_ms,
        "updated_ms": guardrail.updated_ms,
        "record": msgspec.json.encode(guardrail.guards).decode(),
    }
    values = ", ".join(f":{name}" for name in row)
    sql = f"""
    INSERT INTO guardrails ({COLUMNS}) VALUES ({values})
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description,
    updated_ms = excluded.updated_ms, record = excluded.record
    """  # noqa: S608 (constants)
    return Statement(sql, (row,))


def delete_guardrail(guardrail_id: str) -> tuple[Statement, ...]:
    """With its assignments."""
    row = {"id": guardrail_id}
    return (
        Statement("DELETE FROM guardrail_keys WHERE guardrail_id = :id", (row,)),
        Statement("DELETE FROM guardrail_members WHERE guardrail_id = :id", (row,)),
        Statement("DELETE FROM guardrails WHERE id = :id", (row,)),
    )


async def find_guardrail(database: Database, guardrail_id: str) -> Guardrail | None:
    sql = f"SELECT {COLUMNS} FROM guardrails WHERE id = :id"  # noqa: S608 (constants)
    rows = await database.read(sql, id=guardrail_id)
    return _guardrail(rows[0]) if rows else None


async def guardrails_of(database: Database, workspace_id: str) -> list[Guardrail]:
    """A workspace's, oldest first."""
    sql = f"SELECT {COLUMNS} FROM guardrails WHERE workspace_id = :id ORDER BY created_ms, id"  # noqa: S608 (constants)
    return [_guardrail(row) for row in await database.read(sql, id=workspace_id)]


async def guards_for(database: Database, workspace_id: str, key_id: str, user_id: str | None) -> list[InForce]:
    """What counts for a key: the default ones, its own, and those of the member who made it."""
    sql = """
    SELECT id, name, record, is_default, has_key, has_member FROM (
        SELECT id, name, record, is_default, created_ms,
        id IN (SELECT guardrail_id FROM guardrail_keys WHERE assignee = :key_id) AS has_key,
        id IN (SELECT guardrail_id FROM guardrail_members WHERE assignee = :user_id AND workspace_id = :workspace_id)
        AS has_member
        FROM guardrails WHERE workspace_id = :workspace_id
    ) AS rails WHERE is_default = 1 OR has_key OR has_member ORDER BY created_ms, id
    """
    rows = await database.read(sql, workspace_id=workspace_id, key_id=key_id, user_id=user_id or "")
    return [
        InForce(id_, name, _decoder.decode(record), bool(default), bool(of_key), bool(of_member))
        for id_, name, record, default, of_key, of_member in rows
    ]


async def has_guardrails(database: Database, workspace_id: str) -> bool:
    """Whether the workspace has any."""
    return bool(await database.read("SELECT 1 FROM guardrails WHERE workspace_id = :id LIMIT 1", id=workspace_id))


def assign(kind: Kind, assignments: Sequence[Assignment]) -> Statement:
    """Whoever had another guardrail has this one now."""
    target = "(assignee)" if kind == "keys" else "(assignee, workspace_id)"
    sql = f"""
    INSERT INTO guardrail_{kind} ({ASSIGNED})
    VALUES (:guardrail_id, :assignee, :workspace_id, :assigned_by, :created_ms)
    ON CONFLICT {target} DO UPDATE SET guardrail_id = excluded.guardrail_id, assigned_by = excluded.assigned_by,
    created_ms = excluded.created_ms
    """  # noqa: S608 (constants)
    rows = tuple(
        {
            "guardrail_id": each.guardrail_id,
            "assignee": each.to,
            "workspace_id": each.workspace_id,
            "assigned_by": each.assigned_by,
            "created_ms": each.created_ms,
        }
        for each in assignments
    )
    return Statement(sql, rows)


def unassign(kind: Kind, guardrail_id: str, assignees: Sequence[str]) -> Statement:
    sql = f"DELETE FROM guardrail_{kind} WHERE guardrail_id = :id AND assignee = :assignee"  # noqa: S608 (constants)
    return Statement(sql, tuple({"id": guardrail_id, "assignee": each} for each in assignees))


async def assignments_of(database: Database, kind: Kind, workspace_id: str) -> list[Assignment]:
    """A workspace's, oldest first."""
    sql = f"""
    SELECT {ASSIGNED} FROM guardrail_{kind} WHERE workspace_id = :id ORDER BY created_ms, assignee
    """  # noqa: S608 (constants)
    return [Assignment(*row) for row in await database.read(sql, id=workspace_id)]


def _guardrail(row: Row) -> Guardrail:
    id_, workspace_id, name, description, default, created_ms, updated_ms, record = row
    guards = _decoder.decode(record)
    return Guardrail(id_, workspace_id, name, description, guards, created_ms, updated_ms, bool(default))
