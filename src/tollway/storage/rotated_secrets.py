"""Secrets that keys had before: until when each still opens its key, and ending that."""

from msgspec import Struct

from tollway.domain.identity import Key
from tollway.storage.database import Database, Statement


class OldSecret(Struct, frozen=True):
    """One that was rotated."""

    label: str
    until_ms: int


def rotate_secret(before: Key, after: Key, until_ms: int, now_ms: int) -> tuple[Statement, ...]:
    """The key's secret is another; the old one opens it until then. ConflictError: it was rotated meanwhile."""
    old = {
        "digest": before.digest.hex(),
        "key_id": before.id,
        "label": before.label,
        "until_ms": until_ms,
        "now_ms": now_ms,
    }
    new = {"id": after.id, "digest": after.digest.hex(), "label": after.label, "now_ms": now_ms}
    return (
        Statement("INSERT INTO rotated_secrets VALUES (:digest, :key_id, :label, :until_ms, :now_ms)", (old,)),
        Statement("UPDATE keys SET digest = :digest, label = :label, updated_ms = :now_ms WHERE id = :id", (new,)),
    )


def end_old_secrets(key_id: str, now_ms: int) -> Statement:
    """None of them opens the key any more."""
    sql = "UPDATE rotated_secrets SET until_ms = :now_ms WHERE key_id = :id AND until_ms > :now_ms"
    return Statement(sql, ({"id": key_id, "now_ms": now_ms},))


async def old_secrets(database: Database, key_id: str, now_ms: int) -> list[OldSecret]:
    """Those that still open the key, the last to end first."""
    sql = """
    SELECT label, until_ms FROM rotated_secrets WHERE key_id = :id AND until_ms > :now_ms ORDER BY until_ms DESC
    """
    return [OldSecret(*row) for row in await database.read(sql, id=key_id, now_ms=now_ms)]


async def rotated_until(database: Database, digest: bytes) -> int | None:
    """Until when a secret opens a key although it was rotated; None: it was not."""
    rows = await database.read("SELECT until_ms FROM rotated_secrets WHERE digest = :digest", digest=digest.hex())
    return int(rows[0][0]) if rows else None
