"""Presets of workspaces: kept from requests, and at hand for those that name them."""

import re
import uuid

import structlog

from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest, NotFound, Unavailable
from tollway.domain.identity import Key
from tollway.domain.presets import Preset, PresetStatus, PresetVersion
from tollway.routing.presets import Applied, applied, config_of
from tollway.storage.database import Database, StorageError
from tollway.storage.presets import count_presets, count_versions, find_preset, save_preset

log = structlog.get_logger(__name__)

CACHED_MAX = 10_000
PRESETS_MAX = 1_000
"""Of a workspace."""
VERSIONS_MAX = 1_000
"""Of a preset."""
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Presets:
    """Those that were used lately, in memory; one process, so that a change is seen at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, str], Applied] = {}
        self._changes = 0

    async def find(self, workspace_id: str, slug: str) -> Applied:
        """NotFound: the workspace has none of this slug. InvalidRequest: it is not active. Unavailable: ask again."""
        found = self._known.get((workspace_id, slug))
        if found is not None:
            return found
        changes = self._changes
        try:
            found = await usable(self._database, workspace_id, slug)
        except StorageError as error:
            log.error("a preset could not be read", error=str(error))
            told = "The database does not answer, so the preset can't be read; try again."
            raise Unavailable(told, retry_after_s=2) from None
        if changes == self._changes:  # else it may be what was there before
            if len(self._known) >= CACHED_MAX:
                del self._known[next(iter(self._known))]
            self._known[workspace_id, slug] = found
        return found

    def forget(self, workspace_id: str, slug: str) -> None:
        """It was changed: the next request reads it again."""
        self._changes += 1
        self._known.pop((workspace_id, slug), None)

    async def keep(self, key: Key, slug: str, request: ChatRequest, now_ms: int) -> tuple[Preset, PresetVersion]:
        """What is worth keeping of a request, as a new preset or a new version of one.

        InvalidRequest: no slug, nothing to be kept, too much of it, or too many.
        """
        if not SLUG.fullmatch(slug):
            raise InvalidRequest("slug: use letters, digits, '.', '_' and '-', at most 64", param="slug")
        config, system_prompt = config_of(request)
        before = await find_preset(self._database, key.workspace_id, slug)
        if before is None and await count_presets(self._database, key.workspace_id) >= PRESETS_MAX:
            raise InvalidRequest(f"A workspace has at most {PRESETS_MAX:,} presets")
        if before is not None and await count_versions(self._database, before[0].id) >= VERSIONS_MAX:
            raise InvalidRequest(f"A preset has at most {VERSIONS_MAX:,} versions; save it under another slug")
        version_id = str(uuid.uuid4())
        preset = Preset(
            id=str(uuid.uuid4()),
            workspace_id=key.workspace_id,
            slug=slug,
            status=PresetStatus.ACTIVE,
            status_ms=None,
            designated_version_id=version_id,
            creator_user_id=key.creator_user_id,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        await save_preset(
            self._database,
            preset,
            version_id=version_id,
            system_prompt=system_prompt,
            config=config,
            creator_id=key.creator_user_id or key.id,
            now_ms=now_ms,
        )
        self.forget(key.workspace_id, slug)
        return await found_preset(self._database, key.workspace_id, slug)


async def usable(database: Database, workspace_id: str, slug: str) -> Applied:
    """The preset as requests get it. NotFound, InvalidRequest: as for `Presets.find`."""
    preset, version = await found_preset(database, workspace_id, slug)
    if preset.status is not PresetStatus.ACTIVE:
        raise InvalidRequest(f'The preset "{slug}" is {preset.status.value}', param="preset")
    return applied(version)


async def found_preset(database: Database, workspace_id: str, slug: str) -> tuple[Preset, PresetVersion]:
    """NotFound: the workspace has none of this slug."""
    found = await find_preset(database, workspace_id, slug)
    if found is None:
        raise NotFound(f'There is no preset "{slug[:80]}"; GET /api/v1/presets lists those there are')
    return found
