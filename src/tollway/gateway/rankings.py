"""What is used most: models and apps, by tokens; read from the days' sums, and kept for some minutes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tollway.domain.people import Actor, Right
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.storage.database import Database
from tollway.storage.usage_days import DAY_MS, AppUse, is_ranked, set_ranked, tokens_by_app, tokens_by_model

KEPT_MS = 600_000
WEEK, MONTH = 7, 30
APPS_MAX = 100


class Rankings:
    """Public figures: whoever asks, and how often, they are read once in ten minutes."""

    def __init__(self, database: Database, audit: AuditLog, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._audit = audit
        self._now_ms = now_ms
        self._lock = asyncio.Lock()
        self._models: tuple[int, Mapping[str, int]] = (0, {})
        self._apps: tuple[int, Sequence[AppUse]] = (0, ())

    async def models(self) -> Mapping[str, int]:
        """Tokens by model, of the last week and today."""
        async with self._lock:
            now_ms = self._now_ms()
            if self._models[0] <= now_ms - KEPT_MS:
                today = now_ms // DAY_MS
                self._models = now_ms, await tokens_by_model(self._database, today - WEEK, today)
            return self._models[1]

    async def apps(self) -> Sequence[AppUse]:
        """The apps with the most tokens in the last 30 complete days; none of workspaces that opted out."""
        async with self._lock:
            now_ms = self._now_ms()
            if self._apps[0] <= now_ms - KEPT_MS:
                today = now_ms // DAY_MS
                self._apps = now_ms, await tokens_by_app(self._database, today - MONTH, today - 1, APPS_MAX)
            return self._apps[1]

    async def takes_part(self, actor: Actor, workspace_id: str | None) -> tuple[str, bool]:
        """The workspace that is meant, and whether what it uses counts for its apps. NotFound, Forbidden: as always."""
        workspace_id = actor.workspace(workspace_id, Right.SEE)
        return workspace_id, await is_ranked(self._database, workspace_id)

    async def take_part(self, actor: Actor, workspace_id: str | None, ranked: bool) -> str:
        """Whether it counts from now on, for the past as well: seen within ten minutes."""
        workspace_id = await workspace_of(self._database, actor, workspace_id, Right.MANAGE)
        now_ms = self._now_ms()
        change = set_ranked(workspace_id, ranked, now_ms)
        await self._audit.write(
            actor, "workspace.ranked", workspace_id, change, now_ms=now_ms, workspace_id=workspace_id, ranked=ranked
        )
        return workspace_id
