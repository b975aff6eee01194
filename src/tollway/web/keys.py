"""`/keys`: one's API keys: made (the secret is shown once), switched off and on, deleted; what each has spent."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.billing.ledger import DAY_MS, window_end, window_start
from tollway.domain.errors import Forbidden, TollwayError, Unauthenticated
from tollway.domain.identity import Key, KeyKind
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.people import Actor, Right
from tollway.gateway.key_desk import PAGE, ChangedKey, KeyDesk
from tollway.routing.market import Market
from tollway.storage.database import Database
from tollway.storage.keys import DaySpent, counted_since, spent_by_day, spent_by_key
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.data import Kind as FileKind
from tollway.web.data import Sheet, as_file
from tollway.web.door import Door
from tollway.web.figures import about, amount, day
from tollway.web.forms import as_struct, converted_form, read_form
from tollway.web.key_form import EXPIRES, EXPIRIES, RESETS, Place, key_of, places_of
from tollway.web.key_page import narrowed
from tollway.web.render import Renderer

PATH = "/keys"
LATELY = (1, 7, 30)
"""Days, this one among them, of which the list shows what was spent."""
COLUMNS = (
    "name", "label", "kind", "state", "spent_usd", "spent_today_usd", "spent_7_days_usd", "spent_30_days_usd",
    "limit_usd", "left_usd", "resets", "starts_again", "last_used", "expires",
)  # fmt: skip
FormT = TypeVar("FormT", "NewKeyForm", "ChangeForm")


class Wanted(Struct, kw_only=True):
    """The query of the page."""

    workspace: str = ""
    offset: int = 0
    kind: Literal["inference", "provisioning"] = "inference"


class NewKeyForm(Struct, kw_only=True):
    """The form of a new key."""

    csrf: str = ""
    name: str = ""
    kind: Literal["inference", "provisioning"] = "inference"
    limit: str = ""
    usage_limit_type: str = ""
    expires_at: str = EXPIRES
    workspace_id: str = ""
    allowed_models: str = ""
    allowed_providers: str = ""
    rpm: str = ""
    include_byok: str = ""


class ChangeForm(Struct, kw_only=True):
    """The buttons beside a key."""

    csrf: str = ""
    id: str
    change: Literal["disable", "enable", "delete"]
    workspace_id: str = ""
    kind: Literal["inference", "provisioning"] = "inference"


class KeyLine(Struct, frozen=True):
    """A key as the table shows it."""

    id: str
    name: str
    label: str
    kind: str
    state: str
    """`on`, `off`, `expired`."""
    spent: str
    lately: tuple[str, ...]
    """The same of each of LATELY."""
    limit: str
    """"" if it has none."""
    left: str
    resets: str
    again: str
    """The day on which the limit starts again; "" if never."""
    expires: str
    used: str
    """The day of its last request; "" if there was none."""


class KeysView(Struct, frozen=True):
    """What `keys.html` shows."""

    csrf: str
    keys: tuple[KeyLine, ...]
    place: Place
    places: tuple[Place, ...]
    manages: bool
    """Sees everybody's keys, and may make provisioning keys."""
    form: NewKeyForm
    kind: str
    """Of the keys that are shown."""
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
        public_url: str,
        now_ms: Callable[[], int],
        market: Callable[[], Market],
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._desk = desk
        self._database = database
        self._base_url = f"{public_url}/api/v1"
        self._now_ms = now_ms
        self._market = market

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        return form_routes(
            self._renderer,
            (
                (PATH, "GET", self.show),
                *((f"{PATH}.{kind}", "GET", partial(self.file, kind)) for kind in ("csv", "json")),
                (PATH, "POST", self.create),
                (f"{PATH}/change", "POST", self.change),
            ),
        )

    async def show(self, request: Request) -> Response:
        """Who is not signed in comes back here after that."""
        actor = await self._door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(PATH))
        wanted = as_struct(request.query_params.multi_items(), Wanted)
        form = NewKeyForm(workspace_id=wanted.workspace, kind=wanted.kind)
        return await self._page(request, actor, form, offset=wanted.offset)

    async def file(self, ending: FileKind, request: Request) -> Response:
        """Every key of the list, on whichever page it stands, with exact amounts. Unauthenticated."""
        actor = await self._door.signed_in(request)
        if actor is None:
            raise Unauthenticated("Sign in first, then ask for this file again.")
        wanted, found = as_struct(request.query_params.multi_items(), Wanted), list[Key]()
        workspace_id, kind = actor.workspace(wanted.workspace or None, Right.USE), KeyKind(wanted.kind)
        while len(found) % PAGE == 0:
            more = await self._desk.list(actor, workspace_id, disabled=True, offset=len(found), kind=kind)
            if not more:
                break
            found += more
        spent, now_ms = await spent_by_key(self._database, workspace_id), self._now_ms()
        rows = [cells_of(key, spent.get(key.id, ()), now_ms) for key in found]
        return as_file(request, ending, Sheet("keys", COLUMNS, rows), PRIVATE)

    async def create(self, request: Request) -> Response:
        """The page, with the secret of the new key on it this once."""
        form, actor = await self._sent(request, NewKeyForm)
        now_ms = self._now_ms()
        try:
            ask = key_of(form, form.name.strip(), now_ms, KeyKind(form.kind))
            narrow = narrowed(form.allowed_models, form.allowed_providers, form.rpm, self._market())
            also = converted_form({**narrow, "include_byok_in_limit": bool(form.include_byok)}, ChangedKey)
            for name in (*narrow, "include_byok_in_limit"):
                setattr(ask, name, getattr(also, name))
            _, secret = await self._desk.create(actor, ask, now_ms)
        except TollwayError as error:
            return await self._page(request, actor, form, error=error)
        return await self._page(
            request, actor, NewKeyForm(workspace_id=form.workspace_id, kind=form.kind), secret=secret
        )

    async def change(self, request: Request) -> Response:
        """Back to the list."""
        form, actor = await self._sent(request, ChangeForm)
        if form.change == "delete":
            await self._desk.delete(actor, form.id, self._now_ms())
        else:
            await self._desk.change(actor, form.id, ChangedKey(disabled=form.change == "disable"), self._now_ms())
        query = {"workspace": form.workspace_id, "kind": form.kind if form.kind != "inference" else ""}
        return go_to(request, f"{PATH}?{urlencode({name: value for name, value in query.items() if value})}")

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
        kind = KeyKind(form.kind)
        found = await self._desk.list(actor, workspace_id, disabled=True, offset=min(max(0, offset), 10**9), kind=kind)
        places = await places_of(self._database, actor, workspace_id)
        view = KeysView(
            csrf=self._door.csrf_token(request),
            keys=tuple([await self._line(key) for key in found]),
            place=next(each for each in places if each.chosen),
            places=tuple(places),
            manages=actor.may(Right.MANAGE, workspace_id),
            form=form,
            kind=form.kind,
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
        limit, left, again = "", "", ""
        if key.limit is not None and key.limit_reset is not None:
            again = day(window_end(key.limit_reset, now_ms // DAY_MS) * DAY_MS)
        if key.limit is not None:
            counted = counted_since(days, window_start(key.limit_reset, now_ms // DAY_MS), byok=key.include_byok)
            limit, left = amount(key.limit), about(max(0, key.limit - counted))
        return KeyLine(
            id=key.id,
            name=key.name,
            label=key.label,
            kind=key.kind.value,
            state=state_of(key, now_ms),
            spent=about(sum(each.spent for each in days)),
            lately=tuple(about(each) for each in spent_lately(days, now_ms)),
            limit=limit,
            left=left,
            resets=RESETS[key.limit_reset.value] if key.limit_reset else "",
            again=again,
            expires=day(key.expires_ms) if key.expires_ms is not None else "",
            used=day(last_ms) if (last_ms := max((each.last_ms for each in days), default=0)) else "",
        )


def spent_lately(days: Sequence[DaySpent], now_ms: int) -> list[Nanodollars]:
    """What a key spent in each of LATELY."""
    return [counted_since(days, now_ms // DAY_MS - each + 1, byok=False) for each in LATELY]


def cells_of(key: Key, days: Sequence[DaySpent], now_ms: int) -> tuple[str, ...]:
    """A key's row of the file."""
    today = now_ms // DAY_MS
    limit = left = again = ""
    if key.limit is not None:
        counted = counted_since(days, window_start(key.limit_reset, today), byok=key.include_byok)
        limit, left = nanodollars_to_text(key.limit), nanodollars_to_text(max(0, key.limit - counted))
        again = day(window_end(key.limit_reset, today) * DAY_MS) if key.limit_reset is not None else ""
    last_ms, spent = max((each.last_ms for each in days), default=0), sum(each.spent for each in days)
    return (
        key.name, key.label, key.kind.value, state_of(key, now_ms), nanodollars_to_text(spent),
        *map(nanodollars_to_text, spent_lately(days, now_ms)), limit, left,
        key.limit_reset.value if key.limit_reset else "", again, day(last_ms) if last_ms else "",
        day(key.expires_ms) if key.expires_ms is not None else "",
    )  # fmt: skip


def state_of(key: Key, now_ms: int) -> str:
    """`on`, `off`, `expired`."""
    if key.expires_ms is not None and key.expires_ms <= now_ms:
        return "expired"
    return "off" if key.disabled else "on"
