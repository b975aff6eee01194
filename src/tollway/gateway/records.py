"""Records for those who may see them: who manages a workspace sees everybody's, a member those of their own keys."""

from collections.abc import Sequence

from msgspec import Struct

from tollway.domain.errors import Forbidden, NotFound
from tollway.domain.generation import Generation
from tollway.domain.people import Actor, Right
from tollway.storage.database import Database
from tollway.storage.generations import (
    Counted,
    Place,
    Wanted,
    count_generations,
    find_generation,
    list_generations,
)
from tollway.storage.keys import key_is_of
from tollway.storage.usage_days import UsageDay, usage_by_day


class Scope(Struct, frozen=True):
    """Whose records are meant."""

    workspace_id: str
    key_id: str | None = None
    """Of this key alone, deleted ones too."""
    creator: str | None = None
    """Of the keys of this user alone."""


class Records:
    """What was done, as the actor may see it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def scope(
        self, actor: Actor, workspace_id: str | None, *, key_id: str | None = None, user_id: str | None = None
    ) -> Scope:
        """NotFound: no such workspace, or no such key in it. Forbidden: a role that sees no records, or not these."""
        workspace_id = actor.workspace(workspace_id, Right.USE)
        own = None if actor.may(Right.MANAGE, workspace_id) else actor.user.id if actor.user else ""
        if own is not None and user_id not in (None, own):
            raise Forbidden("user_id: you see the records of your own keys only. Ask an admin of this workspace.")
        if key_id is not None and not await key_is_of(self._database, key_id, workspace_id, creator=own):
            raise NotFound("There is no such key.")
        return Scope(workspace_id, key_id, user_id if own is None else own)

    async def activity(self, scope: Scope, days: Sequence[int]) -> list[UsageDay]:
        """What was used on these days (since 1970) of each endpoint."""
        return await usage_by_day(self._database, scope.workspace_id, days, key_id=scope.key_id, creator=scope.creator)

    async def activity_everywhere(self, actor: Actor, user_id: str | None, days: Sequence[int]) -> list[UsageDay]:
        """The same for each workspace whose records the actor may see, the last day first."""
        found = []
        for workspace_id in actor.roles:
            if actor.may(Right.USE, workspace_id):
                found += await self.activity(await self.scope(actor, workspace_id, user_id=user_id), days)
        return sorted(found, key=lambda each: (-each.day, each.workspace_id, -each.cost))

    async def generation(self, actor: Actor, generation_id: str) -> Generation | None:
        """One of a workspace that the actor is in; a member's are those of their own keys. None: there is none."""
        for workspace_id in actor.roles:
            found = await find_generation(self._database, workspace_id, generation_id)
            if found is not None and actor.may(Right.USE, workspace_id):
                own = None if actor.may(Right.MANAGE, workspace_id) else actor.user.id if actor.user else ""
                if own is None or await key_is_of(self._database, found.key_id, workspace_id, creator=own):
                    return found
        return None

    async def generations(
        self, wanted: Wanted, after: Place | None, limit: int
    ) -> tuple[list[Generation], Place | None]:
        """A page of generations, the newest first, and where the next one begins. `wanted` must come of a scope."""
        return await list_generations(self._database, wanted, after, limit)

    async def count(self, wanted: Wanted, unit_ms: int) -> list[Counted]:
        """How many there were in each hour or day of the time that is wanted. `wanted` must come of a scope."""
        return await count_generations(self._database, wanted, unit_ms)
