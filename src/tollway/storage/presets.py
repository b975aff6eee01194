"""Presets and their versions, each found within its workspace alone."""

from typing import Any

import msgspec

from tollway.domain.presets import Preset, PresetStatus, PresetVersion
from tollway.storage.database import Database, Row, Statement

PRESET = "id, workspace_id, slug, status, status_ms, designated_version_id, creator_user_id, created_ms, updated_ms"
VERSION = "id, preset_id, version, system_prompt, config, creator_id, created_ms"


async def save_preset(
    database: Database,
    preset: Preset,
    *,
    version_id: str,
    system_prompt: str | None,
    config: dict[str, Any],
    creator_id: str,
    now_ms: int,
) -> None:
    """A new preset with its first version, or a version more of the one with this slug; it is the one that counts."""
    row = {
        "id": preset.id,
        "workspace_id": preset.workspace_id,
        "slug": preset.slug,
        "status": preset.status.value,
        "version_id": version_id,
        "creator_user_id": preset.creator_user_id,
        "now_ms": now_ms,
        "system_prompt": system_prompt,
        "config": msgspec.json.encode(config).decode(),
        "creator_id": creator_id,
    }
    await database.write(
        Statement(
            f"""INSERT INTO presets ({PRESET})
            VALUES (:id, :workspace_id, :slug, :status, NULL, :version_id, :creator_user_id, :now_ms, :now_ms)
            ON CONFLICT (workspace_id, slug) DO UPDATE SET designated_version_id = :version_id, updated_ms = :now_ms""",  # noqa: S608 (constants)
            (row,),
        ),
        Statement(
            f"""INSERT INTO preset_versions ({VERSION})
            SELECT :version_id, p.id, COALESCE(MAX(v.version), 0) + 1, :system_prompt, :config, :creator_id, :now_ms
            FROM presets p LEFT JOIN preset_versions v ON v.preset_id = p.id
            WHERE p.workspace_id = :workspace_id AND p.slug = :slug GROUP BY p.id""",  # noqa: S608 (constants)
            (row,),
        ),
    )


async def find_preset(database: Database, workspace_id: str, slug: str) -> tuple[Preset, PresetVersion] | None:
    """With the version that counts."""
    rows = await database.read(
        f"SELECT {_of('p', PRESET)}, {_of('v', VERSION)} FROM presets p "  # noqa: S608 (constants)
        "JOIN preset_versions v ON v.id = designated_version_id WHERE workspace_id = :workspace_id AND slug = :slug",
        workspace_id=workspace_id,
        slug=slug,
    )
    size = len(PRESET.split(","))
    return (_preset(rows[0][:size]), _version(rows[0][size:])) if rows else None


async def list_presets(database: Database, workspace_id: str, *, limit: int, offset: int) -> list[Preset]:
    """The last changed first."""
    rows = await database.read(
        f"SELECT {PRESET} FROM presets WHERE workspace_id = :workspace_id "  # noqa: S608 (constants)
        "ORDER BY updated_ms DESC, id LIMIT :limit OFFSET :offset",
        workspace_id=workspace_id,
        limit=limit,
        offset=offset,
    )
    return [_preset(row) for row in rows]


async def count_presets(database: Database, workspace_id: str) -> int:
    """How many the workspace has."""
    rows = await database.read("SELECT COUNT(*) FROM presets WHERE workspace_id = :id", id=workspace_id)
    return int(rows[0][0])


async def list_versions(database: Database, preset_id: str, *, limit: int, offset: int) -> list[PresetVersion]:
    """The oldest first."""
    rows = await database.read(
        f"SELECT {VERSION} FROM preset_versions WHERE preset_id = :id "  # noqa: S608 (constants)
        "ORDER BY version LIMIT :limit OFFSET :offset",
        id=preset_id,
        limit=limit,
        offset=offset,
    )
    return [_version(row) for row in rows]


async def count_versions(database: Database, preset_id: str) -> int:
    """How many there are."""
    rows = await database.read("SELECT COUNT(*) FROM preset_versions WHERE preset_id = :id", id=preset_id)
    return int(rows[0][0])


async def find_version(database: Database, preset_id: str, version: int) -> PresetVersion | None:
    """One of them by its number."""
    rows = await database.read(
        f"SELECT {VERSION} FROM preset_versions WHERE preset_id = :id AND version = :version",  # noqa: S608 (constants)
        id=preset_id,
        version=version,
    )
    return _version(rows[0]) if rows else None


async def set_status(database: Database, preset_id: str, status: PresetStatus, now_ms: int) -> None:
    """Lets a preset be used, or not."""
    sql = "UPDATE presets SET status = :status, status_ms = :now_ms, updated_ms = :now_ms WHERE id = :id"
    await database.write(Statement(sql, ({"id": preset_id, "status": status.value, "now_ms": now_ms},)))


async def designate(database: Database, preset_id: str, version_id: str, now_ms: int) -> None:
    """From now on this version of the preset counts."""
    sql = "UPDATE presets SET designated_version_id = :version_id, updated_ms = :now_ms WHERE id = :id"
    await database.write(Statement(sql, ({"id": preset_id, "version_id": version_id, "now_ms": now_ms},)))


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{name.strip()}" for name in columns.split(","))


def _preset(row: Row) -> Preset:
    (id_, workspace_id, slug, status, *rest) = row
    return Preset(id_, workspace_id, slug, PresetStatus(status), *rest)


def _version(row: Row) -> PresetVersion:
    (id_, preset_id, version, prompt, config, creator_id, created_ms) = row
    return PresetVersion(id_, preset_id, version, prompt, msgspec.json.decode(config), creator_id, created_ms)
