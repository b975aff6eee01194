"""`/admin/aliases`: levels and the models behind them, groups with their multipliers, and other names of models."""

import re
from contextlib import AbstractAsyncContextManager
from typing import Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.aliases import Alias
from tollway.domain.catalog_changes import AliasGone, AliasSet, Change
from tollway.domain.catalog_rows import OPERATOR
from tollway.domain.errors import InvalidRequest, NotFound, TollwayError
from tollway.domain.people import Actor
from tollway.gateway.group_desk import Move, SetGroup, ShownGroup
from tollway.gateway.office import ChangeCatalog
from tollway.routing.market import Level
from tollway.storage.catalog import catalog_version, current_rows, operators_aliases
from tollway.web.account import go_to
from tollway.web.admin.base import ADMIN, AdminForm, AdminSite, AdminView, Line, page, query, said, shared
from tollway.web.forms import converted_form, read_form
from tollway.web.meanwhile import Overwritten, undisturbed

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._:-]{0,127}")
PATH = f"{ADMIN}/aliases"
SAID = {
    "set": "The name can be asked for.",
    "gone": "Nobody answers to that name any more.",
    "group": "The next request of who is in the group is priced so.",
    "group-gone": "Who was in the group pays the list's prices.",
    "level": "The next request of that name is answered so.",
    "level-gone": "Nobody answers to that name any more, unless it was shipped.",
    "moved": "The next request is priced by the new group.",
}
GROUP_PATH = f"{PATH}/groups"
LEVEL_PATH = f"{PATH}/levels"
STATUSES = (("available", "available"), ("planned", "planned: asked for, it is a 503"))


class AliasForm(AdminForm, kw_only=True):
    """A name for a model."""

    alias: str = ""
    model: str = ""


class GroupForm(AdminForm, kw_only=True):
    """A group and its multiplier."""

    name: str = ""
    multiplier: str = ""


class MoveForm(AdminForm, kw_only=True):
    """Who is to be in which group; "" for none."""

    group: str = ""
    kind: Literal["workspace", "key", "user"] = "workspace"
    who: str = ""


class Wanted(Struct, kw_only=True):
    """The query of the page."""

    level: str = ""
    """The one of an admin's whose fields the form has."""


class LevelForm(AdminForm, kw_only=True):
    """A level, as `domain/aliases.py` has it."""

    name: str = ""
    level: str = ""
    models: str = ""
    """A line each, or with commas."""
    family: str = ""
    min_usd_per_1m: str = ""
    max_usd_per_1m: str = ""
    status: str = "available"


class LevelLine(Struct, frozen=True):
    """A level as the table shows it."""

    level: Level
    source: str
    """`tollway.toml`, `shipped`, or `added here`."""
    live: int


class AliasesView(AdminView, frozen=True, kw_only=True):
    """What `admin/aliases.html` shows."""

    levels: tuple[LevelLine, ...]
    groups: tuple[ShownGroup, ...]
    choices: tuple[tuple[str, str], ...]
    """What one may be moved into, as a form has it, and its words."""
    own: tuple[tuple[str, str], ...]
    """Names that an admin gave, and the models that they mean."""
    shipped: int
    form: AliasForm
    level: LevelForm
    statuses: tuple[tuple[str, str], ...] = STATUSES
    group: GroupForm
    move: MoveForm


class AliasPages:
    """What the configuration names is changed there; everything else is in the database."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return (
            (PATH, "GET", self.show),
            (PATH, "POST", self.set),
            (f"{PATH}/remove", "POST", self.remove),
            (LEVEL_PATH, "POST", self.set_level),
            (f"{LEVEL_PATH}/remove", "POST", self.remove_level),
            (GROUP_PATH, "POST", self.set_group),
            (f"{GROUP_PATH}/remove", "POST", self.remove_group),
            (f"{GROUP_PATH}/move", "POST", self.move),
        )

    async def show(self, request: Request, actor: Actor) -> Response:
        """All of it; of the level that the query names, the form has what is set."""
        kept = await self._site.house.levels.kept()
        found = kept.get(query(request, Wanted).level)
        return await self._page(request, actor, level=None if found is None else level_form(found))

    async def set(self, request: Request, actor: Actor) -> Response:
        """A new name, or another model for one that an admin gave."""
        form = await read_form(request, AliasForm)
        try:
            async with self._undisturbed(form, form.alias.strip(), "catalog.changed", actor):
                await self._set(form.alias.strip(), form.model.strip(), actor)
        except TollwayError as error:
            return await self._page(request, actor, form, error=error)
        return go_to(request, f"{PATH}?done=set")

    async def _set(self, alias: str, model: str, actor: Actor) -> None:
        current = await current_rows(self._site.database, self._site.now_ms())
        if not NAME.fullmatch(alias):
            raise InvalidRequest("alias: a name such as acme/best", param="alias")
        if alias in current.models or alias in self._site.house.gateway.market.levels:
            raise InvalidRequest("alias: a model or a level has this name", param="alias")
        if alias in current.aliases and alias not in current.own:
            raise InvalidRequest("alias: the catalog has this name", param="alias")
        if model not in current.models:
            raise InvalidRequest("model: the catalog has no model of this id", param="model")
        await self._write(AliasSet(alias, current.aliases.get(alias), model), actor)

    async def remove(self, request: Request, actor: Actor) -> Response:
        """NotFound: no admin gave this name."""
        form = await read_form(request, AliasForm)
        async with self._undisturbed(form, form.alias, "catalog.changed", actor):
            current = await current_rows(self._site.database, self._site.now_ms())
            if form.alias not in current.aliases or form.alias not in current.own:
                raise NotFound("There is no such name.")
            await self._write(AliasGone(form.alias, current.aliases[form.alias]), actor)
        return go_to(request, f"{PATH}?done=gone")

    async def set_level(self, request: Request, actor: Actor) -> Response:
        """A new one, or all of one that an admin named."""
        form = await read_form(request, LevelForm)
        try:
            said_ = {
                "name": form.name.strip(),
                "level": form.level.strip(),
                "models": [each for each in form.models.replace(",", " ").split() if each],
                "family": form.family.strip(),
                "min_usd_per_1m": form.min_usd_per_1m.strip() or None,
                "max_usd_per_1m": form.max_usd_per_1m.strip() or None,
                "status": form.status,
            }
            ask = converted_form(said_, Alias)
            async with self._undisturbed(form, ask.name, "level", actor):
                await self._site.house.levels.set(actor, ask, self._site.now_ms())
        except TollwayError as error:
            return await self._page(request, actor, level=form, error=error)
        return go_to(request, f"{PATH}?done=level")

    async def remove_level(self, request: Request, actor: Actor) -> Response:
        """NotFound: no admin named it."""
        form = await read_form(request, LevelForm)
        async with self._undisturbed(form, form.name, "level", actor):
            await self._site.house.levels.remove(actor, form.name, self._site.now_ms())
        return go_to(request, f"{PATH}?done=level-gone")

    async def set_group(self, request: Request, actor: Actor) -> Response:
        """A new group, or another multiplier for one that an admin made."""
        form = await read_form(request, GroupForm)
        try:
            ask = SetGroup(form.multiplier.strip())
            async with self._undisturbed(form, form.name.strip(), "group", actor):
                await self._site.house.groups.set(actor, form.name.strip(), ask, self._site.now_ms())
        except TollwayError as error:
            return await self._page(request, actor, group=form, error=error)
        return go_to(request, f"{PATH}?done=group")

    async def remove_group(self, request: Request, actor: Actor) -> Response:
        """NotFound: no admin made it."""
        form = await read_form(request, GroupForm)
        async with self._undisturbed(form, form.name, "group", actor):
            await self._site.house.groups.remove(actor, form.name, self._site.now_ms())
        return go_to(request, f"{PATH}?done=group-gone")

    async def move(self, request: Request, actor: Actor) -> Response:
        """A workspace, a key or a user's workspaces into a group, or into none."""
        form = await read_form(request, MoveForm)
        who = form.who.strip() or None
        ask = Move(
            form.group or None,
            workspace_id=who if form.kind == "workspace" else None,
            key_hash=who if form.kind == "key" else None,
            user_id=who if form.kind == "user" else None,
        )
        try:
            target = await self._site.house.groups.target(ask)
            async with self._undisturbed(form, target, "group.moved", actor):
                await self._site.house.groups.move(actor, ask, self._site.now_ms())
        except TollwayError as error:
            return await self._page(request, actor, move=form, error=error)
        return go_to(request, f"{PATH}?done=moved")

    def _undisturbed(
        self, form: AdminForm, target: str, action: str, actor: Actor
    ) -> AbstractAsyncContextManager[None]:
        over = Overwritten(target, action, PATH)
        return undisturbed(self._site.database, form.seen, over, form, actor.name)

    async def _write(self, change: Change, actor: Actor) -> None:
        version = await catalog_version(self._site.database)
        await self._site.office.change_catalog(ChangeCatalog((change,), "named on the site", OPERATOR, version), actor)

    async def _page(
        self,
        request: Request,
        actor: Actor,
        form: AliasForm | None = None,
        *,
        level: LevelForm | None = None,
        group: GroupForm | None = None,
        move: MoveForm | None = None,
        error: TollwayError | None = None,
    ) -> Response:
        gateway, config = self._site.house.gateway, self._site.house.config
        given, shipped = await operators_aliases(self._site.database)
        own, groups = {each.name for each in config.routing.aliases}, tuple(await self._site.house.groups.shown())
        now_s, kept = gateway.loop.time(), await self._site.house.levels.kept()
        levels = [
            LevelLine(
                each,
                "tollway.toml" if each.alias.name in own else "added here" if each.alias.name in kept else "shipped",
                sum(gateway.health.looks_down(endpoint.id, now_s) is None for endpoint in each.offer.live),
            )
            for each in gateway.market.levels.values()
        ]
        view = AliasesView(
            **shared(self._site, request, actor),
            levels=tuple(levels),
            groups=groups,
            choices=(("", "no group"), *((each.name, each.name) for each in groups)),
            own=tuple(given.items()),
            shipped=shipped,
            form=form or AliasForm(),
            level=level or LevelForm(),
            group=group or GroupForm(),
            move=move or MoveForm(),
            said=said(request, SAID),
            error=error.message if error else "",
        )
        return page(self._site, request, "aliases.html", view, error.status if error else 200)


def level_form(alias: Alias) -> LevelForm:
    """What is set, as the form has it."""
    return LevelForm(
        name=alias.name,
        level=alias.level,
        models="\n".join(alias.models),
        family=alias.family,
        min_usd_per_1m=alias.min_usd_per_1m or "",
        max_usd_per_1m=alias.max_usd_per_1m or "",
        status=alias.status,
    )
