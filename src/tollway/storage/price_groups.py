"""Groups with prices of their own that an admin made, and who is in them: read, written, deleted."""

from tollway.domain.storefronts import GroupMember
from tollway.storage.database import Database, Statement


async def list_groups(database: Database) -> dict[str, str]:
    """Name -> multiplier, by name."""
    rows = await database.read("SELECT name, multiplier FROM price_groups ORDER BY name")
    return dict(rows)


async def list_members(database: Database) -> list[tuple[GroupMember, str]]:
    """Who is in which group, also in groups that are in no table."""
    sql = "SELECT kind, id, group_name FROM price_group_members ORDER BY group_name, kind, id"
    return [(GroupMember(kind, id_), group) for kind, id_, group in await database.read(sql)]


def set_group(name: str, multiplier: str, now_ms: int) -> Statement:
    """A new one, or another multiplier of one that is there."""
    sql = """
    INSERT INTO price_groups (name, multiplier, created_ms, changed_ms) VALUES (:name, :multiplier, :now, :now)
    ON CONFLICT (name) DO UPDATE SET multiplier = excluded.multiplier, changed_ms = excluded.changed_ms
    """
    return Statement(sql, ({"name": name, "multiplier": multiplier, "now": now_ms},))


def delete_group(name: str) -> tuple[Statement, ...]:
    """The group; who was in it is in none."""
    row = ({"name": name},)
    return (
        Statement("DELETE FROM price_group_members WHERE group_name = :name", row),
        Statement("DELETE FROM price_groups WHERE name = :name", row),
    )


def set_group_of(member: GroupMember, group: str, now_ms: int) -> Statement:
    """Into a group, out of the one before."""
    sql = """
    INSERT INTO price_group_members (kind, id, group_name, since_ms) VALUES (:kind, :id, :group, :now)
    ON CONFLICT (kind, id) DO UPDATE SET group_name = excluded.group_name, since_ms = excluded.since_ms
    """
    return Statement(sql, ({"kind": member.kind, "id": member.id, "group": group, "now": now_ms},))


def delete_group_of(member: GroupMember) -> Statement:
    sql = "DELETE FROM price_group_members WHERE kind = :kind AND id = :id"
    return Statement(sql, ({"kind": member.kind, "id": member.id},))
