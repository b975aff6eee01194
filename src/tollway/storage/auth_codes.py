"""Codes that an app exchanges for a key: each works once, and who brings it again is known by the key it made."""

import msgspec
from msgspec import Struct

from tollway.domain.people import ChallengeMethod
from tollway.storage.database import Database, Statement

COLUMNS = "digest, user_id, maker_key_id, callback_url, challenge, method, record, created_ms, expires_ms"


class AuthCode(Struct, frozen=True):
    """A code that nobody has used yet. In whose name it is: a user's, or that of the key which asked for it."""

    digest: str
    user_id: str | None
    maker_key_id: str | None
    callback_url: str | None
    challenge: str
    method: ChallengeMethod
    record: str
    """JSON: the key to be made."""
    created_ms: int
    expires_ms: int


def new_code(code: AuthCode) -> Statement:
    row = msgspec.structs.asdict(code)
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO auth_codes ({COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


def drop_expired(now_ms: int) -> Statement:
    """Codes that nobody used in time."""
    return Statement("DELETE FROM auth_codes WHERE expires_ms <= :now_ms", ({"now_ms": now_ms},))


async def find_code(database: Database, digest: bytes, now_ms: int) -> AuthCode | None:
    """A code that may still be used."""
    sql = f"SELECT {COLUMNS} FROM auth_codes WHERE digest = :digest AND expires_ms > :now_ms"  # noqa: S608 (constants)
    rows = await database.read(sql, digest=digest.hex(), now_ms=now_ms)
    return AuthCode(*rows[0]) if rows else None


def use_code(digest: bytes, key_id: str, now_ms: int) -> tuple[Statement, Statement]:
    """ConflictError when written: somebody was faster, and nothing that is written with this is."""
    used = {"digest": digest.hex(), "key_id": key_id, "now_ms": now_ms}
    return (
        Statement("INSERT INTO used_auth_codes VALUES (:digest, :key_id, :now_ms)", (used,)),
        Statement("DELETE FROM auth_codes WHERE digest = :digest", ({"digest": digest.hex()},)),
    )


async def key_of_used_code(database: Database, digest: bytes) -> str | None:
    """The id of the key that a code made."""
    rows = await database.read("SELECT key_id FROM used_auth_codes WHERE digest = :digest", digest=digest.hex())
    return str(rows[0][0]) if rows else None
