"""Links that work once: a secret's digest, what it is for, and until when."""

from enum import StrEnum

from tollway.storage.database import Database, Statement


class Purpose(StrEnum):
    """What a link lets its holder do."""

    SETUP = "setup"  # become this server's first admin
    INVITATION = "invitation"  # join a workspace
    PASSWORD = "password"  # choose a new one  # noqa: S105 (a name)
    EMAIL = "email"  # prove an address


def new_link(digest: bytes, purpose: Purpose, record: str, now_ms: int, expires_ms: int) -> Statement:
    """`record` is JSON: whom the link is about."""
    row = {
        "digest": digest.hex(),
        "purpose": purpose.value,
        "record": record,
        "created_ms": now_ms,
        "expires_ms": expires_ms,
    }
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO one_time_links ({', '.join(row)}) VALUES ({values})", (row,))  # noqa: S608 (constants)


def drop_links(purpose: Purpose) -> Statement:
    """Every link of a purpose stops working."""
    return Statement("DELETE FROM one_time_links WHERE purpose = :purpose", ({"purpose": purpose.value},))


async def peek_link(database: Database, digest: bytes, purpose: Purpose, now_ms: int) -> str | None:
    """The record of a link that works still; it stays."""
    rows = await database.read(
        "SELECT record FROM one_time_links WHERE digest = :digest AND purpose = :purpose AND expires_ms > :now_ms",
        digest=digest.hex(),
        purpose=purpose.value,
        now_ms=now_ms,
    )
    return str(rows[0][0]) if rows else None


async def take_link(database: Database, digest: bytes, purpose: Purpose, now_ms: int) -> str | None:
    """The record of a link that works still, and never again: of two at once, one gets it."""
    sql = """
    DELETE FROM one_time_links WHERE digest = :digest AND purpose = :purpose AND expires_ms > :now_ms RETURNING record
    """
    row = {"digest": digest.hex(), "purpose": purpose.value, "now_ms": now_ms}
    [rows] = await database.write(Statement(sql, (row,)))
    return str(rows[0][0]) if rows else None
