"""Issuing a key without asking anybody: for the demo, and for tests that need one."""

from tollway.domain.identity import Key, LimitReset
from tollway.domain.money import Nanodollars
from tollway.identity.keys import issue_key
from tollway.storage import keys
from tollway.storage.database import Database


async def create_key(
    database: Database,
    pepper: bytes,
    *,
    workspace_id: str,
    name: str,
    now_ms: int,
    limit: Nanodollars | None = None,
    limit_reset: LimitReset | None = None,
    expires_ms: int | None = None,
    rpm: int | None = None,
    default_model: str | None = None,
) -> tuple[Key, str]:
    """A key of a workspace, which is made if it is not there. The secret is returned here, and never again."""
    workspace_id = await keys.create_workspace(database, workspace_id, workspace_id, now_ms)
    key, secret = issue_key(
        workspace_id=workspace_id,
        name=name,
        pepper=pepper,
        now_ms=now_ms,
        limit=limit,
        limit_reset=limit_reset,
        expires_ms=expires_ms,
        rpm=rpm,
        default_model=default_model,
    )
    await keys.insert_key(database, key)
    return key, secret
