"""`/account`: one's name, ways to sign in, password and browsers; and `/password`, where a link leads to a new one."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.errors import Forbidden, InvalidRequest, TollwayError
from tollway.domain.passkeys import Passkey
from tollway.domain.people import Actor, Session, User
from tollway.gateway.departures import Departures
from tollway.identity.issuers import Issuers
from tollway.identity.passkeys import Passkeys
from tollway.identity.people import People
from tollway.identity.sessions import FRESH_MS, check_fresh
from tollway.web.account import PRIVATE, AccountView, form_routes, go_to, sign_in_path
from tollway.web.browsers import described
from tollway.web.door import Door
from tollway.web.forms import read_form
from tollway.web.issuers import ACCOUNT
from tollway.web.render import Renderer


class Change(Struct, kw_only=True):
    """The fields of every form of the page."""

    csrf: str = ""
    name: str = ""
    email: str = ""
    old: str = ""
    new: str = ""
    issuer: str = ""
    session: str = ""
    passkey: str = ""


class NewPassword(Struct, kw_only=True):
    """The form that a link leads to."""

    token: str = ""
    new: str = ""


class Place(Struct, frozen=True):
    """A browser in which one is signed in."""

    id: str
    agent: str
    address: str
    seen: str
    current: bool


class Shown(Struct, frozen=True):
    """A passkey, as its user sees it."""

    id: str
    name: str
    told: str
    """Since when, and when it was used."""


class MeView(Struct, frozen=True):
    """What `me.html` shows."""

    user: User
    csrf: str
    has_password: bool
    linked: tuple[tuple[str, str], ...]
    """Issuers by address, and their names."""
    others: tuple[tuple[str, str], ...]
    """Slugs and names of those that could be."""
    places: tuple[Place, ...]
    passkeys: tuple[Shown, ...]
    may_add: bool
    """Whether browsers make passkeys for this server's address."""
    fresh: bool
    error: str = ""


Do = Callable[[User, Session, Change, int], Awaitable[None]]


class MyPages:
    """Each form changes one thing and shows the page again."""

    def __init__(
        self,
        renderer: Renderer,
        door: Door,
        people: People,
        issuers: Issuers,
        passkeys: Passkeys,
        departures: Departures,
        now_ms: Callable[[], int],
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._people = people
        self._issuers = issuers
        self._passkeys = passkeys
        self._departures = departures
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        changes: tuple[tuple[str, Do], ...] = (
            ("/account/profile", self._profile),
            ("/account/password", self._password),
            ("/account/unlink", self._unlink),
            ("/account/passkeys/name", self._name),
            ("/account/passkeys/remove", self._remove),
            ("/account/sign-out", self._sign_out),
        )
        return form_routes(
            self._renderer,
            (
                (ACCOUNT, "GET", self.show),
                *((path, "POST", self._changes(do)) for path, do in changes),
                ("/account/delete", "POST", self.delete),
                ("/password", "GET", self.choose),
                ("/password", "POST", self.chosen),
            ),
        )

    async def show(self, request: Request) -> Response:
        """Who is not signed in comes back here after that."""
        actor = await self._door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(ACCOUNT))
        return await self._page(request, actor)

    async def choose(self, request: Request) -> Response:
        """The link that an operator made leads here; its secret is in the fragment."""
        return self._renderer.page(request, "password.html", AccountView("off"), headers=PRIVATE)

    async def chosen(self, request: Request) -> Response:
        """A new password, a new session; every other one has ended."""
        self._door.check_form(request)
        form, now_ms = await read_form(request, NewPassword), self._now_ms()
        try:
            self._people.passwords.count_arrival(self._door.address(request), now_ms * 1_000_000)
            user = await self._people.reset_password(form.token, form.new, now_ms)
        except TollwayError as error:
            view = AccountView("off", error=error.message)
            return self._renderer.page(request, "password.html", view, error.status, PRIVATE)
        response = go_to(request, ACCOUNT)
        await self._door.start(request, response, user)
        return response

    async def delete(self, request: Request) -> Response:
        """For ever; who types their e-mail address means it."""
        self._door.check_form(request)
        form, actor = await read_form(request, Change), await self._door.signed_in(request)
        if actor is None or actor.user is None or actor.session is None:
            raise Forbidden("You are not signed in any more: sign in first.")
        self._door.check_token(request, form.csrf)
        now_ms = self._now_ms()
        try:
            check_fresh(actor.session, now_ms)
            if form.email.strip().lower() != actor.user.email:
                raise InvalidRequest("Type your e-mail address, so that nothing is deleted by mistake.")
            await self._departures.delete(actor, actor.user, now_ms)
        except TollwayError as error:
            return await self._page(request, actor, error)
        response = go_to(request, "/")
        await self._door.end(response, actor)
        return response

    def _changes(self, do: Do) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self._door.check_form(request)
            form, actor = await read_form(request, Change), await self._door.signed_in(request)
            if actor is None or actor.user is None or actor.session is None:
                raise Forbidden("You are not signed in any more: sign in first.")
            self._door.check_token(request, form.csrf)
            try:
                await do(actor.user, actor.session, form, self._now_ms())
            except TollwayError as error:
                return await self._page(request, actor, error)
            return go_to(request, ACCOUNT)

        return endpoint

    async def _profile(self, user: User, session: Session, form: Change, now_ms: int) -> None:
        if form.email.strip().lower() != user.email:  # who has the address can have a new password made for it
            check_fresh(session, now_ms)
        await self._people.change_profile(user, form.name, form.email, now_ms)

    async def _password(self, user: User, session: Session, form: Change, now_ms: int) -> None:
        fresh = now_ms - session.fresh_ms <= FRESH_MS
        await self._people.change_password(user, form.old, form.new, now_ms, keep_session=session.id, fresh=fresh)

    async def _unlink(self, user: User, session: Session, form: Change, now_ms: int) -> None:
        check_fresh(session, now_ms)
        await self._people.unlink(user, form.issuer, now_ms)

    async def _name(self, user: User, session: Session, form: Change, now_ms: int) -> None:
        await self._passkeys.rename(user, form.passkey, form.name, now_ms)

    async def _remove(self, user: User, session: Session, form: Change, now_ms: int) -> None:
        check_fresh(session, now_ms)
        await self._passkeys.remove(user, form.passkey, now_ms)

    async def _sign_out(self, user: User, session: Session, form: Change, now_ms: int) -> None:
        """One browser, or all but this one."""
        if form.session:
            await self._people.sessions.end(form.session, user.id)
        else:
            await self._people.sessions.end_all(user.id, but=session.id)

    async def _page(self, request: Request, actor: Actor, error: TollwayError | None = None) -> Response:
        user, session = actor.user, actor.session
        if user is None or session is None:
            raise Forbidden("This page is for somebody who is signed in.")
        ways, place = await self._people.ways_in(user), self._passkeys.place
        names = self._issuers.names
        known = {address for address, _ in ways.issuers}
        rp_id = place.rp_id if place else None
        view = MeView(
            user=user,
            csrf=self._door.csrf_token(request),
            has_password=ways.password,
            linked=tuple((address, names.get(address, address)) for address in sorted(known)),
            others=tuple(each for each in self._issuers.buttons if self._issuers.get(each[0]).address not in known),
            places=tuple(_place(each, session) for each in await self._people.sessions.list(user.id)),
            passkeys=tuple(_shown(each, rp_id) for each in await self._passkeys.list(user)),
            may_add=place is not None,
            fresh=self._now_ms() - session.fresh_ms <= FRESH_MS,
            error=error.message if error else "",
        )
        return self._renderer.page(request, "me.html", view, error.status if error else 200, PRIVATE)


def _shown(passkey: Passkey, rp_id: str | None) -> Shown:
    used = f"used {_day(passkey.used_ms)}" if passkey.used_ms else "never used"
    told = f"{'synced, ' if passkey.synced else ''}since {_day(passkey.created_ms)}, {used}"
    if passkey.rp_id != rp_id:
        told = f"made for {passkey.rp_id}: it does not sign you in here"
    return Shown(passkey.id, passkey.name, told)


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _place(session: Session, current: Session) -> Place:
    seen = datetime.fromtimestamp(session.seen_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Place(session.id, described(session.user_agent), session.address or "", seen, session.id == current.id)
