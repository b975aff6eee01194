"""What the operator's pages share: what they are made from, who may see them, their forms, and their tables as data."""

import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.config import Config
from tollway.domain.cells import cell
from tollway.domain.errors import Forbidden, InvalidRequest
from tollway.domain.passkeys import place_of
from tollway.domain.people import Actor
from tollway.gateway.admin_desk import AdminDesk
from tollway.gateway.background import Jobs
from tollway.gateway.base import Gateway
from tollway.gateway.group_desk import GroupDesk
from tollway.gateway.ledger_check import LedgerCheck
from tollway.gateway.level_desk import LevelDesk
from tollway.gateway.minutes import Minutes
from tollway.gateway.office import Office
from tollway.gateway.provider_desk import ProviderDesk
from tollway.gateway.sign_up_desk import SignUpDesk
from tollway.gateway.site_desk import SiteDesk
from tollway.gateway.user_desk import UserDesk
from tollway.identity.audit_log import AuditLog
from tollway.identity.people import People
from tollway.payments.codes import Codes
from tollway.payments.topup import Till
from tollway.storage.database import Database
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.door import Door
from tollway.web.forms import as_struct, read_fields
from tollway.web.meanwhile import newest
from tollway.web.render import Renderer, answer

ADMIN = "/admin"
SECTIONS = (
    (ADMIN, "Overview"),
    (f"{ADMIN}/usage", "Usage"),
    (f"{ADMIN}/providers", "Providers"),
    (f"{ADMIN}/prices", "Prices"),
    (f"{ADMIN}/aliases", "Aliases"),
    (f"{ADMIN}/users", "Users"),
    (f"{ADMIN}/payments", "Payments"),
    (f"{ADMIN}/codes", "Codes"),
    (f"{ADMIN}/audit", "Audit log"),
    (f"{ADMIN}/ledger", "Ledger"),
    (f"{ADMIN}/jobs", "Jobs"),
    (f"{ADMIN}/site", "Site"),
    (f"{ADMIN}/settings", "Settings"),
    (f"{ADMIN}/setup", "Setup"),
)
"""The pages that the navigation names."""
PICKED_BYTES, PICKED_MAX = 1_000_000, 20_000
"""The longest form of these pages: the changes of a catalog, ticked or not."""
Show = Callable[[Request, Actor], Awaitable[Response]]
Line = tuple[str, str, Show]
"""Path, method, handler."""
QueryT = TypeVar("QueryT", bound=Struct)


class AdminHouse(Protocol):
    """The rooms of the house that these pages open; `api/house.py` has them, and app.py hands it over."""

    config: Config
    """As it was read at start; what is kept in the database is not in it."""
    database: Database
    gateway: Gateway
    jobs: Jobs
    minutes: Minutes
    audit: AuditLog
    admin: AdminDesk
    groups: GroupDesk
    levels: LevelDesk
    users: UserDesk
    people: People
    codes: Codes
    till: Till
    providers: ProviderDesk
    ledger_check: LedgerCheck
    site: SiteDesk
    sign_up: SignUpDesk
    started_ms: int
    simulated: bool
    """Whether the simulator plays the providers."""


class AdminSite(Struct, frozen=True):
    """What the operator's pages are made from, built once by app.py."""

    renderer: Renderer
    door: Door
    house: AdminHouse
    office: Office

    @property
    def database(self) -> Database:
        """Of the house."""
        return self.house.database

    def now_ms(self) -> int:
        """Of the wall clock."""
        return self.house.gateway.now_ms()


class AdminView(Struct, frozen=True, kw_only=True):
    """What every template below `admin/` shows."""

    who: str
    csrf: str
    as_of: int
    """How long the audit log was when the page was made (`web/meanwhile.py`)."""
    sections: tuple[tuple[str, str], ...] = SECTIONS
    said: str = ""
    """What was just done."""
    error: str = ""


class AdminForm(Struct, kw_only=True):
    """What every form of these pages carries."""

    csrf: str = ""
    seen: int | None = None


class ConfirmView(Struct, frozen=True):
    """What `admin/confirm.html` shows."""

    email: str
    csrf: str
    next: str
    lost: bool
    """A form was sent, and nothing of it was done."""
    passkeys: bool
    """Whether this server's address is one that browsers keep passkeys for."""


def admin_routes(site: AdminSite, lines: Sequence[Line]) -> list[BaseRoute]:
    """Routes whose errors are pages, each behind the same door."""
    return form_routes(
        site.renderer, tuple((path, method, _guarded(site, method, show)) for path, method, show in lines)
    )


def _guarded(site: AdminSite, method: str, show: Show) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if method == "POST":
            site.door.check_form(request)
        actor = await site.door.signed_in(request)
        here = request.url.path.removeprefix(str(request.scope.get("root_path", "")))
        if actor is None:
            if method == "POST":
                raise Forbidden("You are not signed in any more: sign in first.")
            return go_to(request, sign_in_path(f"{here}?{request.url.query}" if request.url.query else here))
        if actor.user is None or not actor.user.admin:
            raise Forbidden("For admins only.")
        if not actor.operator:
            return confirm(site, request, actor, here if method == "GET" else ADMIN, lost=method == "POST")
        seen = None
        if method == "POST":
            # As many fields as the longest of these forms has, a catalog's changes to choose from.
            form = as_struct(await read_fields(request, PICKED_BYTES, PICKED_MAX), AdminForm)
            site.door.check_token(request, form.csrf)
            seen = form.seen
        request.state.as_of = await newest(site.database) if seen is None else seen
        return await show(request, actor)

    return endpoint


def confirm(site: AdminSite, request: Request, actor: Actor, then: str, *, lost: bool) -> Response:
    """An admin whose sign-in is old shows the password again (FAULTS.md 4.1), and goes on where they were."""
    email = actor.user.email if actor.user else ""
    request.state.confirming = True
    passkeys = place_of(site.house.config.public_url) is not None
    view = ConfirmView(email, site.door.csrf_token(request), then, lost, passkeys)
    return site.renderer.page(request, "admin/confirm.html", view, 403 if lost else 200, PRIVATE)


def shared(site: AdminSite, request: Request, actor: Actor) -> dict[str, Any]:
    """The fields that every view begins with."""
    return {"who": actor.name, "csrf": site.door.csrf_token(request), "as_of": request.state.as_of}


def page(site: AdminSite, request: Request, template: str, view: AdminView, status: int = 200) -> Response:
    """A page of the operator's: nobody keeps a copy."""
    return site.renderer.page(request, f"admin/{template}", view, status, PRIVATE)


def query(request: Request, kind: type[QueryT]) -> QueryT:
    """What the address asks for. InvalidRequest: what does not fit."""
    return as_struct(request.query_params.multi_items(), kind)


def said(request: Request, words: Mapping[str, str]) -> str:
    """What `?done=` stands for; the text itself is never taken from the address."""
    return words.get(request.query_params.get("done", ""), "")


def as_csv(request: Request, name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Response:
    """A table as a file, RFC 4180, its header first."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    headers = {**PRIVATE, "content-disposition": f'attachment; filename="{name}.csv"'}
    return answer(request, out.getvalue().encode(), "text/csv; charset=utf-8", headers=headers)


def as_json(request: Request, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Response:
    """The same rows as `{"data": [...]}`."""
    body = msgspec.json.encode({"data": [dict(zip(columns, row, strict=True)) for row in rows]})
    return answer(request, body, "application/json", headers=PRIVATE)


def flag(text: str, name: str) -> bool | None:
    """A choice of three: yes, no, or either (""). InvalidRequest: another."""
    known = {"": None, "true": True, "false": False}
    if text not in known:
        raise InvalidRequest(f"{name}: true or false", param=name)
    return known[text]


def moment(at_ms: int | None) -> str:
    """Milliseconds since 1970 -> "2026-11-21 18:04 UTC"; "never"."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC") if at_ms else "never"


def ago(span_ms: int) -> str:
    """A time that has passed, roughly: "12 s", "4 min", "3 h", "9 days"."""
    seconds = max(0, span_ms) // 1000
    for size, word in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and size < 86_400):
            return f"{seconds // size} {word}"
    return f"{seconds} s"
