"""Codes, and who has redeemed them: at most so often, and once for each user and each workspace."""

from collections.abc import Sequence

from msgspec import structs

from tollway.domain.payments import Code
from tollway.storage.database import Database, NewRows, Statement

COLUMNS = Code.__struct_fields__
LISTED = ", ".join(COLUMNS)


def new_codes(codes: Sequence[Code]) -> NewRows:
    return NewRows("codes", COLUMNS, [structs.astuple(code) for code in codes])


async def find_code(database: Database, digest: str) -> Code | None:
    rows = await database.read(f"SELECT {LISTED} FROM codes WHERE digest = :digest", digest=digest)  # noqa: S608 (constants)
    return Code(*rows[0]) if rows else None


async def code_by_id(database: Database, code_id: str) -> Code | None:
    rows = await database.read(f"SELECT {LISTED} FROM codes WHERE id = :id", id=code_id)  # noqa: S608 (constants)
    return Code(*rows[0]) if rows else None


async def list_codes(database: Database, *, offset: int = 0, limit: int = 100) -> list[Code]:
    """The newest first."""
    sql = f"SELECT {LISTED} FROM codes ORDER BY created_ms DESC, id DESC LIMIT :limit OFFSET :offset"  # noqa: S608 (constants)
    return [Code(*row) for row in await database.read(sql, limit=limit, offset=offset)]


def revoke_code(code_id: str, now_ms: int) -> Statement:
    """What was redeemed stays."""
    sql = "UPDATE codes SET revoked_ms = COALESCE(revoked_ms, :now_ms) WHERE id = :id"
    return Statement(sql, ({"id": code_id, "now_ms": now_ms},))


def redeem_code(code_id: str, user_id: str, workspace_id: str, now_ms: int) -> tuple[Statement, Statement]:
    """ConflictError, of the whole transaction: it is over by now, or this user or workspace has had it.

    The code's id comes from the row that may still be redeemed: where there is none, NULL breaks the table's rule.
    """
    named = {"id": code_id, "user_id": user_id, "workspace_id": workspace_id, "now_ms": now_ms}
    uses = "UPDATE codes SET uses = uses + 1 WHERE id = :id"
    redeemed = """
    INSERT INTO redemptions (code_id, user_id, workspace_id, created_ms)
    VALUES ((SELECT id FROM codes WHERE id = :id AND revoked_ms IS NULL
             AND (expires_ms IS NULL OR expires_ms > :now_ms)), :user_id, :workspace_id, :now_ms)
    """
    return Statement(uses, ({"id": code_id},)), Statement(redeemed, (named,))


async def has_redeemed(database: Database, code_id: str, user_id: str, workspace_id: str) -> bool:
    """Whether this user or this workspace has had it."""
    sql = "SELECT 1 FROM redemptions WHERE code_id = :id AND (user_id = :user_id OR workspace_id = :workspace_id)"
    return bool(await database.read(sql, id=code_id, user_id=user_id, workspace_id=workspace_id))
