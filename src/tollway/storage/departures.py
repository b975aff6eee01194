"""What goes with a user who goes: everything that says who they were; what the ledger and a team need stays."""

from tollway.storage.database import Database, Statement
from tollway.storage.members import delete_workspace

OF_A_USER = (
    "DELETE FROM sessions WHERE user_id = :id",
    "DELETE FROM user_identities WHERE user_id = :id",
    "DELETE FROM passkeys WHERE user_id = :id",
    "DELETE FROM members WHERE user_id = :id",
    "DELETE FROM guardrail_members WHERE assignee = :id",
    "DELETE FROM auth_codes WHERE user_id = :id",
    "DELETE FROM alert_rules WHERE user_id = :id",
    "DELETE FROM alert_deliveries WHERE target = :id",
    "DELETE FROM one_time_links WHERE purpose = 'password' AND record = :id",
    "UPDATE keys SET deleted_ms = :now_ms, disabled = 1 WHERE creator_user_id = :id AND deleted_ms IS NULL",
    "DELETE FROM users WHERE id = :id",
)
OF_THEIR_WORKSPACE = (
    "UPDATE workspaces SET name = '', description = NULL, created_by = NULL WHERE id = :id",
    "UPDATE keys SET name = '' WHERE workspace_id = :id",
    """UPDATE byok_credentials SET deleted_ms = COALESCE(deleted_ms, :now_ms), ring_key = NULL, data_key = NULL,
    secret = NULL WHERE workspace_id = :id""",
    "DELETE FROM preset_versions WHERE preset_id IN (SELECT id FROM presets WHERE workspace_id = :id)",
    "DELETE FROM presets WHERE workspace_id = :id",
    "DELETE FROM buyers WHERE workspace_id = :id",
    "DELETE FROM auto_topups WHERE workspace_id = :id",
)
"""A workspace without a name is one whose records are to be emptied."""


def delete_user(user_id: str, now_ms: int) -> tuple[Statement, ...]:
    """Keys that they made stay as rows, because generations name them, and work no more."""
    return tuple(Statement(sql, (_named(sql, user_id, now_ms),)) for sql in OF_A_USER)


def empty_workspace(workspace_id: str, now_ms: int) -> tuple[Statement, ...]:
    """A workspace that goes with its user: nothing in it says whose it was; its account and transfers stay."""
    statements = (Statement(sql, (_named(sql, workspace_id, now_ms),)) for sql in OF_THEIR_WORKSPACE)
    return (*delete_workspace(workspace_id, now_ms), *statements)


async def emptied_workspaces(database: Database) -> list[str]:
    """Those whose user is gone, by id."""
    sql = "SELECT id FROM workspaces WHERE deleted_ms IS NOT NULL AND name = '' ORDER BY id"
    return [row[0] for row in await database.read(sql)]


def _named(sql: str, id_: str, now_ms: int) -> dict[str, object]:
    return {"id": id_, "now_ms": now_ms} if ":now_ms" in sql else {"id": id_}
