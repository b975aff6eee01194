"""Levels of models as an admin names them on the site: in force with the next request, no restart."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from msgspec import structs

from tollway.domain.aliases import Alias
from tollway.domain.catalog import Operation
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.people import Actor
from tollway.identity.audit_log import AuditLog
from tollway.routing.market import Market
from tollway.storage.database import Database
from tollway.storage.levels import delete_level, list_levels, set_level

MODELS_MAX = 50
"""Behind one level: the endpoints of all of them are candidates of each of its requests."""
LEVELS_MAX = 200


class LevelDesk:
    """For admins who signed in lately: others get a Forbidden. Levels of the file are changed there."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        file: Sequence[Alias],
        market: Callable[[], Market],
        reload: Callable[[], Awaitable[Market]],
    ) -> None:
        self._database = database
        self._audit = audit
        self._file = {each.name for each in file}
        self._market = market
        self._reload = reload
        self._one = asyncio.Lock()
        """Of two changes, the second sees what the first has done."""

    async def kept(self) -> dict[str, Alias]:
        """Those that admins named, by name; one that the file names as well is not in force."""
        return await list_levels(self._database)

    async def set(self, actor: Actor, ask: Alias, now_ms: int) -> None:
        """A new one, or another meaning. InvalidRequest: a name that is taken, or a model that is not there."""
        self._check(actor, ask.name)
        alias = self._checked(ask)
        async with self._one:
            before = await self.kept()
            if alias.name not in before and len(before) >= LEVELS_MAX:
                raise InvalidRequest(f"There are {LEVELS_MAX} levels already; remove one first.")
            if before.get(alias.name) != alias:
                action = "level.changed" if alias.name in before else "level.created"
                await self._audit.write(
                    actor, action, alias.name, set_level(alias, now_ms),
                    now_ms=now_ms, level=alias.level, models=list(alias.models), status=alias.status,
                    min_usd_per_1m=alias.min_usd_per_1m, max_usd_per_1m=alias.max_usd_per_1m,
                )  # fmt: skip
                await self._reload()

    async def remove(self, actor: Actor, name: str, now_ms: int) -> None:
        """A shipped one of this name is back. NotFound: no admin named it."""
        self._check(actor, name)
        async with self._one:
            if name not in await self.kept():
                raise NotFound("There is no such level.")
            await self._audit.write(actor, "level.deleted", name, delete_level(name), now_ms=now_ms)
            await self._reload()

    def _check(self, actor: Actor, name: str) -> None:
        if not actor.operator:
            raise Forbidden("For admins who signed in lately.")
        if name in self._file:
            raise InvalidRequest(f'"{name[:100]}" is a level of tollway.toml: change it there.', param="name")

    def _checked(self, ask: Alias) -> Alias:
        """With the models by their ids."""
        market = self._market()
        if ask.name in market.catalog.models or ask.name in market.catalog.aliases:
            raise InvalidRequest("name: a model has this name", param="name")
        found = []
        for name in dict.fromkeys(ask.models):
            model, offer = market.catalog.resolve(name), market.offer(name)
            if model is None:
                raise InvalidRequest(f"models: the catalog has no model {name[:100]!r}", param="models")
            if offer is not None and offer.operation is not Operation.CHAT:
                raise InvalidRequest(f"models: {name[:100]} is not for chat", param="models")
            found.append(model.id)
        if not found and ask.status == "available":
            raise InvalidRequest("models: name one at least, or say that it is planned", param="models")
        if len(found) > MODELS_MAX:
            raise InvalidRequest(f"models: at most {MODELS_MAX}", param="models")
        least, most = ask.min_usd_per_1m, ask.max_usd_per_1m
        if least is not None and most is not None and Decimal(least) > Decimal(most):
            raise InvalidRequest("min_usd_per_1m: more than the most", param="min_usd_per_1m")
        return structs.replace(ask, models=tuple(dict.fromkeys(found)))
