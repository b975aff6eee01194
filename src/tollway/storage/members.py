"""Workspaces and their members."""

from tollway.domain.people import Member, Role, Workspace
from tollway.storage.alerts import drop_alerts_of
from tollway.storage.contents import drop_contents_of
from tollway.storage.database import Database, Row, Statement, containing
from tollway.storage.feedback import drop_feedback_of

COLUMNS = "id, slug, name, created_ms, description, personal, created_by, updated_ms"
SHOWN = f"{COLUMNS}, disabled_ms, rpm"


def new_workspace(workspace: Workspace) -> tuple[Statement, Statement]:
    """A workspace and its account. ConflictError when written: the id or the slug is taken."""
    row = {
        "id": workspace.id,
        "slug": workspace.slug,
        "name": workspace.name,
        "created_ms": workspace.created_ms,
        "description": workspace.description,
        "personal": int(workspace.personal),
        "created_by": workspace.created_by,
        "updated_ms": workspace.updated_ms,
    }
    values = ", ".join(f":{name}" for name in row)
    return (
        Statement(f"INSERT INTO workspaces ({COLUMNS}) VALUES ({values})", (row,)),  # noqa: S608 (constants)
        Statement("INSERT INTO accounts (id) VALUES (:id)", ({"id": workspace.id},)),
    )


async def find_workspace(database: Database, id_or_slug: str) -> Workspace | None:
    """By id, else by slug."""
    sql = f"""
    SELECT {SHOWN} FROM workspaces WHERE (id = :it OR slug = :it) AND deleted_ms IS NULL
    ORDER BY id = :it DESC LIMIT 1
    """  # noqa: S608 (constants)
    rows = await database.read(sql, it=id_or_slug)
    return _workspace(rows[0]) if rows else None


async def list_workspaces(
    database: Database, *, after: str = "", limit: int = 100, search: str = "", disabled: bool | None = None
) -> list[Workspace]:
    """All workspaces by id: the next page begins after the last id. `search`: a part of id, slug or name."""
    where, named = ["id > :after", "deleted_ms IS NULL"], {"after": after, "limit": limit}
    if search:
        where.append(
            "(id LIKE :search ESCAPE '!' OR slug LIKE :search ESCAPE '!' OR LOWER(name) LIKE :search ESCAPE '!')"
        )
        named["search"] = containing(search)
    if disabled is not None:
        where.append(f"disabled_ms IS {'NOT NULL' if disabled else 'NULL'}")
    sql = f"SELECT {SHOWN} FROM workspaces WHERE {' AND '.join(where)} ORDER BY id LIMIT :limit"  # noqa: S608 (constants)
    return [_workspace(row) for row in await database.read(sql, **named)]


def set_workspace_disabled(workspace_id: str, disabled_ms: int | None) -> Statement:
    """None of its keys works from now on, or they work again: `find_key_by_digest` reads it."""
    sql = "UPDATE workspaces SET disabled_ms = :ms WHERE id = :id AND deleted_ms IS NULL"
    return Statement(sql, ({"id": workspace_id, "ms": disabled_ms},))


def set_workspace_rpm(workspace_id: str, rpm: int | None) -> Statement:
    """Its own requests per minute, or as the configuration says: `find_key_by_digest` reads it."""
    sql = "UPDATE workspaces SET rpm = :rpm WHERE id = :id AND deleted_ms IS NULL"
    return Statement(sql, ({"id": workspace_id, "rpm": rpm},))


def set_workspace(workspace: Workspace) -> Statement:
    """Writes everything that can change. ConflictError: the slug is another workspace's."""
    sql = """
    UPDATE workspaces SET slug = :slug, name = :name, description = :description, updated_ms = :updated_ms
    WHERE id = :id
    """
    row = {
        "id": workspace.id,
        "slug": workspace.slug,
        "name": workspace.name,
        "description": workspace.description,
        "updated_ms": workspace.updated_ms,
    }
    return Statement(sql, (row,))


def delete_workspace(workspace_id: str, now_ms: int) -> tuple[Statement, ...]:
    """It is not found any more, nobody is a member, and none of its keys works. What it did stays, but for content.

    Its slug becomes its id, so that another may have the slug.
    """
    row = {"id": workspace_id, "now_ms": now_ms}
    return (
        Statement("UPDATE workspaces SET deleted_ms = :now_ms, slug = :id WHERE id = :id", (row,)),
        Statement("DELETE FROM members WHERE workspace_id = :id", ({"id": workspace_id},)),
        Statement("DELETE FROM guardrail_keys WHERE workspace_id = :id", ({"id": workspace_id},)),
        Statement("DELETE FROM guardrail_members WHERE workspace_id = :id", ({"id": workspace_id},)),
        Statement("DELETE FROM guardrails WHERE workspace_id = :id", ({"id": workspace_id},)),
        Statement("DELETE FROM workspace_budgets WHERE workspace_id = :id", ({"id": workspace_id},)),
        Statement("DELETE FROM workspace_settings WHERE workspace_id = :id", ({"id": workspace_id},)),
        Statement("DELETE FROM auto_topups WHERE workspace_id = :id", ({"id": workspace_id},)),
        *drop_alerts_of(workspace_id),
        drop_contents_of(workspace_id),
        drop_feedback_of(workspace_id),
        Statement(
            "UPDATE keys SET deleted_ms = :now_ms, disabled = 1 WHERE workspace_id = :id AND deleted_ms IS NULL",
            (row,),
        ),
    )


def set_member(member: Member) -> Statement:
    """Adds a user to a workspace, or gives another role."""
    sql = """
    INSERT INTO members (workspace_id, user_id, role, created_ms) VALUES (:workspace_id, :user_id, :role, :created_ms)
    ON CONFLICT (workspace_id, user_id) DO UPDATE SET role = excluded.role
    """
    row = {
        "workspace_id": member.workspace_id,
        "user_id": member.user_id,
        "role": member.role.value,
        "created_ms": member.created_ms,
    }
    return Statement(sql, (row,))


def remove_member(workspace_id: str, user_id: str) -> Statement:
    sql = "DELETE FROM members WHERE workspace_id = :workspace_id AND user_id = :user_id RETURNING user_id"
    return Statement(sql, ({"workspace_id": workspace_id, "user_id": user_id},))


async def members_of(database: Database, workspace_id: str) -> list[Member]:
    """A workspace's members, oldest first."""
    sql = "SELECT * FROM members WHERE workspace_id = :id ORDER BY created_ms, user_id"
    return [_member(row) for row in await database.read(sql, id=workspace_id)]


async def people_of(database: Database, workspace_id: str) -> dict[str, tuple[str, str]]:
    """A workspace's members by id: their e-mail addresses and names."""
    sql = "SELECT id, email, name FROM users JOIN members ON user_id = id WHERE workspace_id = :id"
    return {id_: (email, name) for id_, email, name in await database.read(sql, id=workspace_id)}


async def share_a_workspace(database: Database, user_id: str, other_id: str) -> bool:
    """Whether both are members of one workspace."""
    sql = """
    SELECT 1 FROM members AS ours JOIN members AS theirs USING (workspace_id)
    WHERE ours.user_id = :user_id AND theirs.user_id = :other_id LIMIT 1
    """
    return bool(await database.read(sql, user_id=user_id, other_id=other_id))


async def memberships_of(database: Database, user_id: str) -> list[Member]:
    """Where a user is a member, oldest first."""
    sql = "SELECT * FROM members WHERE user_id = :id ORDER BY created_ms, workspace_id"
    return [_member(row) for row in await database.read(sql, id=user_id)]


def _workspace(row: Row) -> Workspace:
    id_, slug, name, created_ms, description, personal, created_by, updated_ms, disabled_ms, rpm = row
    return Workspace(id_, slug, name, created_ms, description, bool(personal), created_by, updated_ms, disabled_ms, rpm)


def _member(row: Row) -> Member:
    workspace_id, user_id, role, created_ms = row
    return Member(workspace_id, user_id, Role(role), created_ms)
