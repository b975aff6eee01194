"""Passkeys, and what each counted when it was used last."""

from msgspec import structs

from tollway.domain.passkeys import Passkey
from tollway.storage.database import Database, Row, Statement

COLUMNS = "id, user_id, rp_id, credential_id, public_key, name, sign_count, synced, created_ms, used_ms"


def new_passkey(passkey: Passkey) -> Statement:
    """ConflictError when written: this credential is somebody's already."""
    row = {**structs.asdict(passkey), "synced": int(passkey.synced)}
    values = ", ".join(f":{name}" for name in COLUMNS.split(", "))
    return Statement(f"INSERT INTO passkeys ({COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


async def passkeys_of(database: Database, user_id: str) -> list[Passkey]:
    """A user's, the oldest first."""
    sql = f"SELECT {COLUMNS} FROM passkeys WHERE user_id = :id ORDER BY created_ms, id"  # noqa: S608 (constants)
    return [_passkey(row) for row in await database.read(sql, id=user_id)]


async def find_passkey(database: Database, credential_id: str) -> Passkey | None:
    """By the authenticator's name for it."""
    sql = f"SELECT {COLUMNS} FROM passkeys WHERE credential_id = :id"  # noqa: S608 (constants)
    rows = await database.read(sql, id=credential_id)
    return _passkey(rows[0]) if rows else None


def use_passkey(passkey_id: str, sign_count: int, now_ms: int) -> Statement:
    """RETURNING tells whether it counted on: of two that say the same number, one does. Who never counts says 0."""
    sql = """
    UPDATE passkeys SET sign_count = :count, used_ms = :now_ms
    WHERE id = :id AND (sign_count < :count OR (sign_count = 0 AND :count = 0)) RETURNING id
    """
    return Statement(sql, ({"id": passkey_id, "count": sign_count, "now_ms": now_ms},))


def name_passkey(passkey_id: str, user_id: str, name: str) -> Statement:
    """Its user's only."""
    sql = "UPDATE passkeys SET name = :name WHERE id = :id AND user_id = :user_id"
    return Statement(sql, ({"id": passkey_id, "user_id": user_id, "name": name},))


def drop_passkey(passkey_id: str, user_id: str) -> Statement:
    """Its user's only."""
    sql = "DELETE FROM passkeys WHERE id = :id AND user_id = :user_id"
    return Statement(sql, ({"id": passkey_id, "user_id": user_id},))


def _passkey(row: Row) -> Passkey:
    id_, user_id, rp_id, credential_id, public_key, name, sign_count, synced, created_ms, used_ms = row
    return Passkey(id_, user_id, rp_id, credential_id, public_key, name, sign_count, bool(synced), created_ms, used_ms)
