"""What is used most: models and apps, by tokens; read from the days' sums, and kept for some minutes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tollway.domain.people import Actor, Right
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.storage.database import Database
from tollway.storage.usage_days import (
    DAY_MS,
    AppUse,
    ModelUse,
    Use,
    Uses,
    days_of_model,
    is_ranked,
    public_use,
    requests_by_endpoint,
    set_ranked,
    tokens_by_app,
    tokens_by_model,
)

KEPT_MS = 600_000
WEEK, MONTH, QUARTER = 7, 30, 90
APPS_MAX = 100
MODELS_KEPT_MAX = 256


class Rankings:
    """Public figures: whoever asks, and how often, they are read once in ten minutes."""

    def __init__(self, database: Database, audit: AuditLog, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._audit = audit
        self._now_ms = now_ms
        self._lock = asyncio.Lock()
        self._models: tuple[int, Mapping[str, int]] = (0, {})
        self._apps: tuple[int, Sequence[AppUse]] = (0, ())
        self._uses: dict[tuple[int, int], tuple[int, Uses]] = {}
        self._days: tuple[int, Mapping[str, Mapping[int, tuple[int, int]]]] = (0, {})
        self._model_uses: dict[str, tuple[int, ModelUse]] = {}

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

    async def uses(self, days: int, ago: int = 0) -> Uses:
        """Of so many days, the last of which was `ago` days before this one."""
        async with self._lock:
            now_ms = self._now_ms()
            kept = self._uses.get((days, ago))
            if kept is None or kept[0] <= now_ms - KEPT_MS:
                last = now_ms // DAY_MS - ago
                kept = self._uses[days, ago] = now_ms, await self._read(last - days + 1, last)
            return kept[1]

    async def model_use(self, model: str) -> ModelUse:
        """One model's last 30 days, this one among them."""
        async with self._lock:
            now_ms = self._now_ms()
            kept = self._model_uses.pop(model, None)
            if kept is None or kept[0] <= now_ms - KEPT_MS:
                today = now_ms // DAY_MS
                days = await days_of_model(self._database, model, today - MONTH + 1, today)
                apps = await tokens_by_app(self._database, today - MONTH + 1, today, APPS_MAX, model) if days else ()
                kept = now_ms, ModelUse(days, apps)
            self._model_uses[model] = kept
            while len(self._model_uses) > MODELS_KEPT_MAX:
                del self._model_uses[next(iter(self._model_uses))]
            return kept[1]

    async def provider_days(self) -> Mapping[str, Mapping[int, tuple[int, int]]]:
        """By provider's slug and day of the last 90: requests that ended there, and how many of them failed."""
        async with self._lock:
            now_ms = self._now_ms()
            if self._days[0] <= now_ms - KEPT_MS:
                today, found = now_ms // DAY_MS, dict[str, dict[int, tuple[int, int]]]()
                for day, endpoint_id, *new in await requests_by_endpoint(self._database, today - QUARTER + 1, today):
                    days = found.setdefault(endpoint_id.partition(":")[0], {})
                    before = days.get(day, (0, 0))
                    days[day] = before[0] + new[0], before[1] + new[1]
                self._days = now_ms, found
            return self._days[1]

    async def _read(self, first: int, last: int) -> Uses:
        models = dict(await public_use(self._database, "model", first, last))
        providers: dict[str, Use] = {}
        for endpoint_id, use in await public_use(self._database, "endpoint_id", first, last):
            slug = endpoint_id.partition(":")[0]
            if slug:
                providers[slug] = providers.get(slug, Use()) + use
        return Uses(models, providers, await tokens_by_app(self._database, first, last, APPS_MAX))

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
