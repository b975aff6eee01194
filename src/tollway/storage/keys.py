"""Keys and workspaces, and what each key spent by day."""

from msgspec import Struct

from tollway.domain.identity import Key, KeyKind, LimitReset
from tollway.domain.money import Nanodollars
from tollway.storage.database import Database, Row, Statement

COLUMNS = """id, digest, workspace_id, name, label, kind, created_ms, usage_limit, limit_reset, expires_ms, disabled,
creator_user_id"""


class DaySpent(Struct, frozen=True):
    """What a key spent on a UTC day, counted in days since 1970."""

    day: int
    spent: Nanodollars


async def create_workspace(database: Database, workspace_id: str, name: str, now_ms: int) -> None:
    """A workspace with its account; nothing happens if it is there."""
    await database.write(
        Statement(
            "INSERT INTO workspaces VALUES (:id, :name, :created_ms) ON CONFLICT (id) DO NOTHING",
            ({"id": workspace_id, "name": name, "created_ms": now_ms},),
        ),
        Statement("INSERT INTO accounts (id) VALUES (:id) ON CONFLICT (id) DO NOTHING", ({"id": workspace_id},)),
    )


async def workspace_exists(database: Database, workspace_id: str) -> bool:
    """Whether there is such a workspace."""
    return bool(await database.read("SELECT 1 FROM workspaces WHERE id = :id", id=workspace_id))


async def insert_key(database: Database, key: Key) -> None:
    """ConflictError: an id or digest that is there already."""
    row = {
        "id": key.id,
        "digest": key.digest.hex(),
        "workspace_id": key.workspace_id,
        "name": key.name,
        "label": key.label,
        "kind": key.kind.value,
        "created_ms": key.created_ms,
        "usage_limit": key.limit,
        "limit_reset": key.limit_reset.value if key.limit_reset else None,
        "expires_ms": key.expires_ms,
        "disabled": int(key.disabled),
        "creator_user_id": key.creator_user_id,
    }
    values = ", ".join(f":{name}" for name in row)
    await database.write(Statement(f"INSERT INTO keys ({COLUMNS}) VALUES ({values})", (row,)))  # noqa: S608 (constants)


async def find_key_by_digest(database: Database, digest: bytes) -> Key | None:
    """The key with this HMAC digest, disabled and expired ones too, or None."""
    rows = await database.read(f"SELECT {COLUMNS} FROM keys WHERE digest = :digest", digest=digest.hex())  # noqa: S608 (constants)
    return _key(rows[0]) if rows else None


async def list_keys(database: Database) -> list[Key]:
    """Every key, oldest first."""
    return [_key(row) for row in await database.read(f"SELECT {COLUMNS} FROM keys ORDER BY created_ms, id")]  # noqa: S608 (constants)


async def has_keys(database: Database) -> bool:
    """Whether any key was ever made."""
    return bool(await database.read("SELECT 1 FROM keys LIMIT 1"))


async def set_disabled(database: Database, key_id: str, disabled: bool) -> bytes | None:
    """Disables or enables a key; its digest, or None if there is no such key."""
    sql = "UPDATE keys SET disabled = :disabled WHERE id = :id RETURNING digest"
    [rows] = await database.write(Statement(sql, ({"id": key_id, "disabled": int(disabled)},)))
    return bytes.fromhex(rows[0][0]) if rows else None


async def spent_by_day(database: Database, key_id: str) -> list[DaySpent]:
    """What the key spent on each day on which it spent anything, oldest first."""
    rows = await database.read("SELECT day, spent FROM key_usage WHERE key_id = :id ORDER BY day", id=key_id)
    return [DaySpent(*row) for row in rows]


def _key(row: Row) -> Key:
    (key_id, digest, workspace, name, label, kind, created, limit, reset, expires, disabled, creator) = row
    return Key(
        id=key_id,
        digest=bytes.fromhex(digest),
        workspace_id=workspace,
        name=name,
        label=label,
        kind=KeyKind(kind),
        created_ms=created,
        limit=limit,
        limit_reset=LimitReset(reset) if reset else None,
        expires_ms=expires,
        disabled=bool(disabled),
        creator_user_id=creator,
    )
