"""`/admin/users`: who can sign in here; one of them with their workspaces, money and keys, and what an admin may do."""

from collections.abc import Awaitable, Callable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.identity import Key
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import Actor, User, Workspace
from tollway.gateway.admin_desk import ChangedUser, LimitWorkspace, NewUser, StopWorkspace
from tollway.gateway.office import Grant
from tollway.gateway.registrar import PASSWORD_PAGE, page_link
from tollway.identity.ids import new_id
from tollway.payments.topup import amount_of
from tollway.storage.keys import keys_by_time
from tollway.storage.members import find_workspace, memberships_of
from tollway.storage.users import list_users
from tollway.web.account import go_to
from tollway.web.admin.base import (
    ADMIN,
    AdminForm,
    AdminSite,
    AdminView,
    Line,
    as_csv,
    as_json,
    flag,
    moment,
    page,
    query,
    said,
    shared,
)
from tollway.web.credits import decimal_of
from tollway.web.figures import amount, day
from tollway.web.forms import converted_form, read_form
from tollway.web.meanwhile import Overwritten, undisturbed

USERS = f"{ADMIN}/users"
PAGE, EXPORT_MAX = 50, 10_000
COLUMNS = ("id", "email", "name", "admin", "disabled", "email_verified", "created")
UNDONE = {
    "disable": "user.enabled",
    "enable": "user.disabled",
    "admin": "user.admin",
    "plain": "user.admin",
    "stop": "workspace.enabled",
    "go": "workspace.disabled",
    "limit": "workspace.limited",
}
"""What each form would undo if another admin did it meanwhile. Who presses the same as they did only agrees."""
SAID = {
    "disable": "They are signed out everywhere, and their keys are refused.",
    "enable": "They can sign in again, and their keys work.",
    "admin": "They administer this server from their next sign-in on.",
    "plain": "They do not administer this server any more.",
    "sign-out": "They are signed out everywhere.",
    "stop": "None of the keys of that workspace works any more.",
    "go": "The keys of that workspace work again.",
    "limit": "The next request of that workspace meets it.",
    "grant": "The credits are there, and can be spent at once.",
}


class Wanted(Struct, kw_only=True):
    """The query of the list."""

    search: str = ""
    admin: str = ""
    disabled: str = ""
    after: str = ""


class UserForm(AdminForm, kw_only=True):
    """The fields of every form here; each form has some of them."""

    email: str = ""
    name: str = ""
    admin: str = ""
    workspace_id: str = ""
    amount: str = ""
    reason: str = ""
    ref: str = ""
    rpm: str = ""


class UsersView(AdminView, frozen=True, kw_only=True):
    """What `admin/users.html` shows."""

    users: tuple[tuple[User, str], ...]
    """With the day of their first sign-in."""
    wanted: Wanted
    query: str
    following: str
    """The id after which the next page begins; "": there is none."""
    form: UserForm
    link: str = ""
    """Of a user who was just made."""


class PlaceLine(Struct, frozen=True):
    """A workspace of a user."""

    workspace: Workspace
    role: str
    balance: str


class KeyLine(Struct, frozen=True):
    """A key of a user."""

    key: Key
    state: str
    made: str


class UserView(AdminView, frozen=True, kw_only=True):
    """What `admin/user.html` shows."""

    user: User
    made: str
    seen: str
    """Of the session that was used last."""
    sessions: int
    places: tuple[PlaceLine, ...]
    keys: tuple[KeyLine, ...]
    form: UserForm
    own: bool
    """The admin who looks."""
    link: str = ""


class UserPages:
    """Each form changes one thing, and the page comes again."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        one = f"{USERS}/{{id}}"
        changes: dict[str, Callable[[User, Actor, UserForm], Awaitable[None]]] = {
            "disable": self._disable,
            "enable": self._enable,
            "admin": self._make_admin,
            "plain": self._make_plain,
            "sign-out": self._sign_out,
            "stop": self._stop,
            "go": self._go,
            "limit": self._limit,
            "grant": self._grant,
        }
        return (
            (USERS, "GET", self.show),
            (USERS, "POST", self.create),
            (f"{USERS}.csv", "GET", self.csv),
            (f"{USERS}.json", "GET", self.json),
            (one, "GET", self.one),
            (f"{one}/link", "POST", self.link),
            *((f"{one}/{name}", "POST", self._changing(name, do)) for name, do in changes.items()),
        )

    async def show(self, request: Request, actor: Actor) -> Response:
        """A page of them, in the order in which they came."""
        return await self._list(request, actor, UserForm())

    async def create(self, request: Request, actor: Actor) -> Response:
        """A user without a password, and the link by which they choose one: shown here, once."""
        form = await read_form(request, UserForm)
        try:
            ask = NewUser(form.email, form.name[:100], admin=bool(form.admin))
            user, token = await self._site.house.admin.create_user(actor, ask, self._site.now_ms())
        except TollwayError as error:
            return await self._list(request, actor, form, error=error)
        link = page_link(self._site.house.config.public_url, PASSWORD_PAGE, token)
        return await self._one(request, actor, user, UserForm(), link=link)

    async def csv(self, request: Request, actor: Actor) -> Response:
        """Everybody whom the query finds."""
        return as_csv(request, "users", COLUMNS, await self._rows(request))

    async def json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, COLUMNS, await self._rows(request))

    async def one(self, request: Request, actor: Actor) -> Response:
        """By id or e-mail address. NotFound."""
        user = await self._site.house.admin.find_user(request.path_params["id"])
        return await self._one(request, actor, user, UserForm(), said_=said(request, SAID))

    async def link(self, request: Request, actor: Actor) -> Response:
        """A link to choose a new password, shown once; the old one works until then."""
        user = await self._site.house.admin.find_user(request.path_params["id"])
        try:
            token = await self._site.house.admin.link(actor, user, self._site.now_ms())
        except TollwayError as error:
            return await self._one(request, actor, user, UserForm(), error=error)
        link = page_link(self._site.house.config.public_url, PASSWORD_PAGE, token)
        return await self._one(request, actor, user, UserForm(), link=link)

    def _changing(
        self, name: str, do: Callable[[User, Actor, UserForm], Awaitable[None]]
    ) -> Callable[[Request, Actor], Awaitable[Response]]:
        async def change(request: Request, actor: Actor) -> Response:
            user = await self._site.house.admin.find_user(request.path_params["id"])
            form = await read_form(request, UserForm)
            try:
                if (over := _overwritten(name, user, form)) is None:
                    await do(user, actor, form)
                else:
                    async with undisturbed(self._site.database, form.seen, over, form, actor.name):
                        await do(user, actor, form)
            except TollwayError as error:
                return await self._one(request, actor, user, form, error=error)
            return go_to(request, f"{USERS}/{user.id}?done={name}")

        return change

    async def _disable(self, user: User, actor: Actor, form: UserForm) -> None:
        await self._site.house.admin.change_user(actor, user.id, ChangedUser(disabled=True), self._site.now_ms())

    async def _enable(self, user: User, actor: Actor, form: UserForm) -> None:
        await self._site.house.admin.change_user(actor, user.id, ChangedUser(disabled=False), self._site.now_ms())

    async def _make_admin(self, user: User, actor: Actor, form: UserForm) -> None:
        await self._site.house.admin.change_user(actor, user.id, ChangedUser(admin=True), self._site.now_ms())

    async def _make_plain(self, user: User, actor: Actor, form: UserForm) -> None:
        await self._site.house.admin.change_user(actor, user.id, ChangedUser(admin=False), self._site.now_ms())

    async def _sign_out(self, user: User, actor: Actor, form: UserForm) -> None:
        await self._site.house.users.end_sessions(actor, user.id, self._site.now_ms())

    async def _stop(self, user: User, actor: Actor, form: UserForm) -> None:
        await self._site.house.admin.stop_workspace(actor, form.workspace_id, StopWorkspace(), self._site.now_ms())

    async def _go(self, user: User, actor: Actor, form: UserForm) -> None:
        stop = StopWorkspace(disabled=False)
        await self._site.house.admin.stop_workspace(actor, form.workspace_id, stop, self._site.now_ms())

    async def _limit(self, user: User, actor: Actor, form: UserForm) -> None:
        """Nothing typed: as the configuration says."""
        ask = converted_form({"rpm": form.rpm.strip() or None}, LimitWorkspace)
        await self._site.house.admin.limit_workspace(actor, form.workspace_id, ask, self._site.now_ms())

    async def _grant(self, user: User, actor: Actor, form: UserForm) -> None:
        """`ref` came with the form: sent twice, it grants once."""
        place = await self._site.house.admin.find_workspace(form.workspace_id)
        if len(form.reason) > 500:
            raise InvalidRequest("reason: at most 500 characters", param="reason")
        text = nanodollars_to_text(amount_of(decimal_of(form.amount, "amount")))
        ref = form.ref or new_id(self._site.now_ms())
        await self._site.office.grant(Grant(text, place.id, ref, form.reason), actor)

    async def _found(self, wanted: Wanted, limit: int) -> list[User]:
        return await list_users(
            self._site.database,
            after=wanted.after,
            limit=limit,
            search=wanted.search.strip(),
            admin=flag(wanted.admin, "admin"),
            disabled=flag(wanted.disabled, "disabled"),
        )

    async def _rows(self, request: Request) -> list[tuple[object, ...]]:
        found = await self._found(query(request, Wanted), EXPORT_MAX)
        return [
            (each.id, each.email, each.name, each.admin, each.disabled, each.email_verified, moment(each.created_ms))
            for each in found
        ]

    async def _list(
        self, request: Request, actor: Actor, form: UserForm, *, error: TollwayError | None = None
    ) -> Response:
        wanted = query(request, Wanted)
        found = await self._found(wanted, PAGE + 1)
        view = UsersView(
            **shared(self._site, request, actor),
            users=tuple((each, day(each.created_ms)) for each in found[:PAGE]),
            wanted=wanted,
            query=f"?{request.url.query}" if request.url.query else "",
            following=found[PAGE - 1].id if len(found) > PAGE else "",
            form=form,
            error=error.message if error else "",
        )
        return page(self._site, request, "users.html", view, error.status if error else 200)

    async def _one(
        self,
        request: Request,
        actor: Actor,
        user: User,
        form: UserForm,
        *,
        said_: str = "",
        link: str = "",
        error: TollwayError | None = None,
    ) -> Response:
        site = self._site
        places = []
        for member in await memberships_of(site.database, user.id):
            if (place := await find_workspace(site.database, member.workspace_id)) is not None:
                balance = await site.house.gateway.books.balance(place.id)
                places.append(PlaceLine(place, member.role.value, amount(balance)))
        keys = await keys_by_time(site.database, creator=user.id, limit=PAGE)
        sessions = await site.house.people.sessions.list(user.id)
        if not form.ref:
            form.ref = new_id(site.now_ms())
        view = UserView(
            **shared(site, request, actor),
            user=user,
            made=day(user.created_ms),
            seen=moment(sessions[0].seen_ms) if sessions else "",
            sessions=len(sessions),
            places=tuple(places),
            keys=tuple(KeyLine(each, "off" if each.disabled else "on", day(each.created_ms)) for each in keys),
            form=form,
            own=actor.user is not None and actor.user.id == user.id,
            said=said_,
            link=link,
            error=error.message if error else "",
        )
        return page(site, request, "user.html", view, error.status if error else 200)


def _overwritten(name: str, user: User, form: UserForm) -> Overwritten | None:
    if name not in UNDONE:
        return None
    return Overwritten(
        form.workspace_id if name in ("stop", "go", "limit") else user.id, UNDONE[name], f"{USERS}/{user.id}"
    )
