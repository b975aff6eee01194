"""`/keys`: one's API keys: made (the secret is shown once), switched off and on, deleted; what each has spent."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.billing.ledger import DAY_MS, window_start
from tollway.domain.errors import Forbidden, TollwayError
from tollway.domain.identity import Key, KeyKind
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.people import Actor, Right
from tollway.gateway.key_desk import PAGE, ChangedKey, KeyDesk
from tollway.storage.database import Database
from tollway.storage.keys import counted_since, spent_by_day
from tollway.storage.members import find_workspace
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.door import Door
from tollway.web.figures import dollars
from tollway.web.forms import as_struct, read_form
from tollway.web.key_form import EXPIRES, EXPIRIES, RESETS, key_of
from tollway.web.render import Renderer

PATH = "/keys"
FormT = TypeVar("FormT", "NewKeyForm", "ChangeForm")


class Wanted(Struct, kw_only=True):
    """The query of the page."""

    workspace: str = ""
    offset: int = 0


class NewKeyForm(Struct, kw_only=True):
    """The form of a new key."""

    csrf: str = ""
    name: str = ""
    kind: Literal["inference", "provisioning"] = "inference"
    limit: str = ""
    usage_limit_type: str = ""
    expires_at: str = EXPIRES
    workspace_id: str = ""


class ChangeForm(Struct, kw_only=True):
    """The buttons beside a key."""

    csrf: str = ""
    id: str
    change: Literal["disable", "enable", "delete"]
    workspace_id: str = ""


class KeyLine(Struct, frozen=True):
    """A key as the table shows it."""

    id: str
    name: str
    label: str
    kind: str
    state: str
    """`on`, `off`, `expired`."""
    spent: str
    limit: str
    """"" if it has none."""
    left: str
    resets: str
    expires: str
    used: str
    """The day of its last request; "" if there was none."""


class Place(Struct, frozen=True):
    """A workspace whose keys can be looked at."""

    id: str
    name: str
    chosen: bool


class KeysView(Struct, frozen=True):
    """What `keys.html` shows."""

    csrf: str
    keys: tuple[KeyLine, ...]
    place: Place
    places: tuple[Place, ...]
    manages: bool
    """Sees everybody's keys, and may make provisioning keys."""
    form: NewKeyForm
    expiries: tuple[tuple[str, str], ...]
    resets: tuple[tuple[str, str], ...]
    base_url: str
    following: int
    """The offset of the next page; 0: there is none."""
    secret: str = ""
    """Of the key that was just made."""
    error: str = ""


class KeyPages:
    """Each form changes one thing and shows the page again."""

    def __init__(
        self,
        renderer: Renderer,
        door: Door,
        desk: KeyDesk,
        database: Database,
        base_url: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._desk = desk
        self._database = database
        self._base_url = base_url
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        return form_routes(
            self._renderer,
            ((PATH, "GET", self.show), (PATH, "POST", self.create), (f"{PATH}/change", "POST", self.change)),
        )

    async def show(self, request: Request) -> Response:
        """Who is not signed in comes back here after that."""
        actor = await self._door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(PATH))
        wanted = as_struct(request.query_params.multi_items(), Wanted)
        return await self._page(request, actor, NewKeyForm(workspace_id=wanted.workspace), offset=wanted.offset)

    async def create(self, request: Request) -> Response:
        """The page, with the secret of the new key on it this once."""
        form, actor = await self._sent(request, NewKeyForm)
        now_ms = self._now_ms()
        try:
            _, secret = await self._desk.create(
                actor, key_of(form, form.name.strip(), now_ms, KeyKind(form.kind)), now_ms
            )
        except TollwayError as error:
            return await self._page(request, actor, form, error=error)
        return await self._page(request, actor, NewKeyForm(workspace_id=form.workspace_id), secret=secret)

    async def change(self, request: Request) -> Response:
        """Back to the list."""
        form, actor = await self._sent(request, ChangeForm)
        if form.change == "delete":
            await self._desk.delete(actor, form.id, self._now_ms())
        else:
            await self._desk.change(actor, form.id, ChangedKey(disabled=form.change == "disable"), self._now_ms())
        return go_to(request, f"{PATH}?workspace={form.workspace_id}" if form.workspace_id.isalnum() else PATH)

    async def _sent(self, request: Request, kind: type[FormT]) -> tuple[FormT, Actor]:
        self._door.check_form(request)
        form, actor = await read_form(request, kind), await self._door.signed_in(request)
        if actor is None:
            raise Forbidden("You are not signed in any more: sign in first.")
        self._door.check_token(request, form.csrf)
        return form, actor

    async def _page(
        self,
        request: Request,
        actor: Actor,
        form: NewKeyForm,
        *,
        offset: int = 0,
        secret: str = "",
        error: TollwayError | None = None,
    ) -> Response:
        workspace_id = actor.workspace(form.workspace_id or None, Right.USE)
        found = await self._desk.list(actor, workspace_id, disabled=True, offset=min(max(0, offset), 10**9))
        places = [
            Place(each, workspace.name, each == workspace_id)
            for each in actor.roles
            if actor.may(Right.USE, each) and (workspace := await find_workspace(self._database, each)) is not None
        ]
        view = KeysView(
            csrf=self._door.csrf_token(request),
            keys=tuple([await self._line(key) for key in found]),
            place=next(each for each in places if each.chosen),
            places=tuple(places),
            manages=actor.may(Right.MANAGE, workspace_id),
            form=form,
            expiries=tuple(EXPIRIES.items()),
            resets=tuple(RESETS.items()),
            base_url=self._base_url,
            following=offset + PAGE if len(found) == PAGE else 0,
            secret=secret,
            error=error.message if error else "",
        )
        return self._renderer.page(request, "keys.html", view, error.status if error else 200, PRIVATE)

    async def _line(self, key: Key) -> KeyLine:
        now_ms = self._now_ms()
        days = await spent_by_day(self._database, key.id)
        limit, left = "", ""
        if key.limit is not None:
            counted = counted_since(days, window_start(key.limit_reset, now_ms // DAY_MS), byok=key.include_byok)
            limit, left = _usd(key.limit), _usd(max(0, key.limit - counted))
        expired = key.expires_ms is not None and key.expires_ms <= now_ms
        return KeyLine(
            id=key.id,
            name=key.name,
            label=key.label,
            kind=key.kind.value,
            state="expired" if expired else "off" if key.disabled else "on",
            spent=_usd(sum(day.spent for day in days)),
            limit=limit,
            left=left,
            resets=RESETS[key.limit_reset.value] if key.limit_reset else "",
            expires=_day(key.expires_ms) if key.expires_ms is not None else "",
            used=_day(last_ms) if (last_ms := max((day.last_ms for day in days), default=0)) else "",
        )


def _usd(amount: Nanodollars) -> str:
    return dollars(nanodollars_to_text(amount))


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")
