"""Notices: what people have to know of their workspaces, until they have read it."""

from collections.abc import Iterable

from msgspec import Struct

from tollway.storage.database import Database, Statement

COLUMNS = "id, workspace_id, user_id, created_ms, text"


class Notice(Struct, frozen=True):
    """For a user, and for who manages the workspace."""

    id: str
    workspace_id: str
    user_id: str | None
    created_ms: int
    text: str


def new_notice(notice: Notice) -> Statement:
    row = {name: getattr(notice, name) for name in Notice.__struct_fields__}
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO notices ({COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


async def notices_for(database: Database, user_id: str, managed: Iterable[str], limit: int) -> list[Notice]:
    """What a user has not put away: their own, and those of the workspaces that they manage; the newest first."""
    places = {f"place_{number}": place for number, place in enumerate(managed)}
    where = f"(user_id = :user_id OR workspace_id IN ({', '.join(f':{name}' for name in places)}))"
    sql = f"SELECT {COLUMNS} FROM notices WHERE read_ms IS NULL AND {where} ORDER BY created_ms DESC, id LIMIT :limit"  # noqa: S608 (constants)
    return [Notice(*row) for row in await database.read(sql, user_id=user_id, limit=limit, **places)]


async def find_notice(database: Database, notice_id: str) -> Notice | None:
    rows = await database.read(f"SELECT {COLUMNS} FROM notices WHERE id = :id", id=notice_id)  # noqa: S608 (constants)
    return Notice(*rows[0]) if rows else None


def put_away(notice_id: str, now_ms: int) -> Statement:
    sql = "UPDATE notices SET read_ms = :now_ms WHERE id = :id AND read_ms IS NULL"
    return Statement(sql, ({"id": notice_id, "now_ms": now_ms},))
