"""Kept prompts and answers, encrypted: written, found, dropped, and put under another key of the ring."""

import base64
from collections.abc import Iterable

from tollway.domain.byok import Sealed
from tollway.domain.content import KeptContent
from tollway.storage.database import Database, Row, Statement

COLUMNS = "workspace_id, generation_id, created_ms, shared, ring_key, data_key, content"


def new_contents(contents: Iterable[KeptContent]) -> Statement:
    """One that is there already stays."""
    values = ", ".join(f":{name.strip()}" for name in COLUMNS.split(","))
    sql = f"""
    INSERT INTO generation_contents ({COLUMNS}) VALUES ({values}) ON CONFLICT (workspace_id, generation_id) DO NOTHING
    """  # noqa: S608 (constants)
    return Statement(sql, tuple(map(_row, contents)))


async def find_content(database: Database, workspace_id: str, generation_id: str) -> KeptContent | None:
    """What is kept of one of the workspace's generations."""
    sql = f"SELECT {COLUMNS} FROM generation_contents WHERE workspace_id = :workspace_id AND generation_id = :id"  # noqa: S608 (constants)
    rows = await database.read(sql, workspace_id=workspace_id, id=generation_id)
    return _content(rows[0]) if rows else None


async def drop_contents(database: Database, before_ms: int, count: int) -> int:
    """Deletes some of the oldest that were made before; how many."""
    sql = """
    DELETE FROM generation_contents WHERE (workspace_id, generation_id) IN (
        SELECT workspace_id, generation_id FROM generation_contents WHERE created_ms < :before_ms
        ORDER BY created_ms LIMIT :count
    ) RETURNING 1
    """
    [rows] = await database.write(Statement(sql, ({"before_ms": before_ms, "count": count},)))
    return len(rows)


def drop_contents_of(workspace_id: str) -> Statement:
    """Everything that is kept for a workspace."""
    return Statement("DELETE FROM generation_contents WHERE workspace_id = :id", ({"id": workspace_id},))


async def count_contents(database: Database, workspace_id: str) -> tuple[int, int | None]:
    """How many are kept for a workspace, and when the oldest was made."""
    sql = "SELECT COUNT(*), MIN(created_ms) FROM generation_contents WHERE workspace_id = :id"
    [(count, oldest_ms)] = await database.read(sql, id=workspace_id)
    return int(count), oldest_ms


async def content_ring_keys(database: Database) -> set[str]:
    """The ids of the ring's keys under which some lie: one look into the index for each, however many contents."""
    sql = """
    WITH RECURSIVE used (ring_key) AS (
        SELECT MIN(ring_key) FROM generation_contents UNION ALL
        SELECT (SELECT MIN(ring_key) FROM generation_contents AS next WHERE next.ring_key > used.ring_key) FROM used
        WHERE used.ring_key IS NOT NULL
    )
    SELECT ring_key FROM used WHERE ring_key IS NOT NULL
    """
    return {row[0] for row in await database.read(sql)}


async def stale_contents(database: Database, ring_key: str, after: tuple[str, str], count: int) -> list[KeptContent]:
    """Some that lie under another key of the ring, by workspace and generation, from `after` on."""
    sql = f"""
    SELECT {COLUMNS} FROM generation_contents
    WHERE ring_key <> :ring_key AND (workspace_id, generation_id) > (:workspace_id, :generation_id)
    ORDER BY workspace_id, generation_id LIMIT :count
    """  # noqa: S608 (constants)
    named = {"ring_key": ring_key, "workspace_id": after[0], "generation_id": after[1], "count": count}
    return [_content(row) for row in await database.read(sql, **named)]


def set_contents_wrapped(contents: Iterable[KeptContent]) -> Statement:
    """Other wraps of the same contents."""
    sql = """
    UPDATE generation_contents SET ring_key = :ring_key, data_key = :data_key
    WHERE workspace_id = :workspace_id AND generation_id = :generation_id
    """
    names = ("workspace_id", "generation_id", "ring_key", "data_key")
    return Statement(sql, tuple({name: row[name] for name in names} for row in map(_row, contents)))


def _row(content: KeptContent) -> dict[str, object]:
    return {
        "workspace_id": content.workspace_id,
        "generation_id": content.generation_id,
        "created_ms": content.created_ms,
        "shared": int(content.shared),
        "ring_key": content.sealed.ring_key,
        "data_key": base64.b64encode(content.sealed.data_key).decode(),
        "content": base64.b64encode(content.sealed.data).decode(),
    }


def _content(row: Row) -> KeptContent:
    workspace_id, generation_id, created_ms, shared, ring_key, data_key, content = row
    sealed = Sealed(ring_key, base64.b64decode(data_key), base64.b64decode(content))
    return KeptContent(workspace_id, generation_id, created_ms, bool(shared), sealed)
