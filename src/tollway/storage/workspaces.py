"""What a workspace wants of each of its requests."""

import msgspec

from tollway.domain.standing import WorkspaceSettings
from tollway.storage.database import Database, Statement

NOTHING = WorkspaceSettings()
_decoder = msgspec.json.Decoder(WorkspaceSettings)


async def find_settings(database: Database, workspace_id: str) -> WorkspaceSettings:
    """The workspace's settings; empty where it has none."""
    rows = await database.read("SELECT record FROM workspace_settings WHERE workspace_id = :id", id=workspace_id)
    return settings_of(rows[0][0] if rows else None)


async def list_settings(database: Database) -> list[tuple[str, WorkspaceSettings]]:
    """Every workspace, those without settings too, by id."""
    rows = await database.read(
        "SELECT id, record FROM workspaces LEFT JOIN workspace_settings ON workspace_id = id "
        "WHERE deleted_ms IS NULL ORDER BY id"
    )
    return [(id_, settings_of(record)) for id_, record in rows]


async def set_settings(database: Database, workspace_id: str, settings: WorkspaceSettings, now_ms: int) -> None:
    """Of a workspace that is there."""
    await database.write(new_settings(workspace_id, settings, now_ms))


def new_settings(workspace_id: str, settings: WorkspaceSettings, now_ms: int) -> Statement:
    """The same, to be written with something else."""
    sql = """INSERT INTO workspace_settings VALUES (:id, :now_ms, :record)
        ON CONFLICT (workspace_id) DO UPDATE SET updated_ms = :now_ms, record = :record"""
    record = msgspec.json.encode(settings).decode()
    return Statement(sql, ({"id": workspace_id, "now_ms": now_ms, "record": record},))


def settings_of(record: str | None) -> WorkspaceSettings:
    """A row's JSON; None: there is no row."""
    return NOTHING if record is None else _decoder.decode(record)
