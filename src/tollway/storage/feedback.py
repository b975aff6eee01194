"""What people say of answers."""

from msgspec import Struct

from tollway.storage.database import Database, Statement


class Feedback(Struct, frozen=True):
    """What somebody said of a generation."""

    workspace_id: str
    generation_id: str
    category: str
    actor: str
    """A user's id, or "key " and a provisioning key's label."""
    comment: str
    created_ms: int


def new_feedback(said: Feedback) -> Statement:
    """In place of what the same one said in the same category before."""
    sql = """
    INSERT INTO generation_feedback VALUES (:workspace_id, :generation_id, :category, :actor, :comment, :created_ms)
    ON CONFLICT (workspace_id, generation_id, category, actor)
    DO UPDATE SET comment = excluded.comment, created_ms = excluded.created_ms
    """
    return Statement(sql, ({name: getattr(said, name) for name in Feedback.__struct_fields__},))


async def list_feedback(database: Database, *, before_ms: int, limit: int) -> list[Feedback]:
    """Everybody's, the newest first, from before a time."""
    sql = """
    SELECT workspace_id, generation_id, category, actor, comment, created_ms FROM generation_feedback
    WHERE created_ms < :before_ms ORDER BY created_ms DESC, generation_id LIMIT :limit
    """
    return [Feedback(*row) for row in await database.read(sql, before_ms=before_ms, limit=limit)]


async def feedback_by(database: Database, actor: str) -> list[Feedback]:
    """All that one of them said, the newest first."""
    sql = """
    SELECT workspace_id, generation_id, category, actor, comment, created_ms FROM generation_feedback
    WHERE actor = :actor ORDER BY created_ms DESC, generation_id, category
    """
    return [Feedback(*row) for row in await database.read(sql, actor=actor)]


def drop_feedback_of(workspace_id: str) -> Statement:
    """All that was said of a workspace's generations."""
    return Statement("DELETE FROM generation_feedback WHERE workspace_id = :id", ({"id": workspace_id},))
