"""Pages through which people come in: the first admin's setup, signing up, in and out, and taking an invitation."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tollway.domain.errors import TollwayError, Unavailable
from tollway.domain.people import SignUp, User
from tollway.identity.people import People
from tollway.storage.database import StorageError
from tollway.web.door import Door
from tollway.web.forms import HOME, next_page, read_form
from tollway.web.meanwhile import ChangedMeanwhile, view_of
from tollway.web.render import SECURITY_HEADERS, Renderer, root_path

PRIVATE = {"cache-control": "no-store", "referrer-policy": "same-origin"}
"""Pages of one person. Without a referrer of the same origin a form's Origin would be "null" (Fetch, 3.2)."""
Page = Callable[[Request], Awaitable[Response]]


class AccountView(Struct, frozen=True):
    """What the forms of this file show."""

    sign_up: SignUp
    next: str = "/"
    email: str = ""
    name: str = ""
    error: str = ""
    who: str = ""
    """The e-mail address of who is signed in."""
    csrf: str = ""
    issuers: tuple[tuple[str, str], ...] = ()
    """Slugs and names of other ways in."""
    passkeys: bool = False
    """Whether this server's address is one that browsers keep passkeys for."""
    mails: bool = False
    """Whether a forgotten password can be asked for by mail."""


class RefusedView(Struct, frozen=True):
    """What `refused.html` shows."""

    status: int
    message: str


class Entry(Struct):
    """The fields of every form by which one comes in."""

    email: str = ""
    password: str = ""
    name: str = ""
    token: str = ""
    """The secret of a link: of the setup, or of an invitation."""
    next: str = "/"


class Signed(Struct):
    """The fields of a form of somebody who is signed in."""

    csrf: str = ""
    token: str = ""
    next: str = "/"


class AccountPages:
    """`GET` shows a form, `POST` takes it and goes on with a 303, or shows it again with what is wrong."""

    def __init__(
        self,
        renderer: Renderer,
        door: Door,
        people: People,
        now_ms: Callable[[], int],
        issuers: tuple[tuple[str, str], ...] = (),
        passkeys: bool = False,
        mails: bool = False,
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._people = people
        self._now_ms = now_ms
        self._issuers = issuers
        self._passkeys = passkeys
        self._mails = mails

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        pages: tuple[tuple[str, str, Page], ...] = (
            ("/setup", "GET", self.setup),
            ("/setup", "POST", self.set_up),
            ("/sign-up", "GET", self.sign_up_form),
            ("/sign-up", "POST", self.sign_up),
            ("/sign-in", "GET", self.sign_in_form),
            ("/sign-in", "POST", self.sign_in),
            ("/sign-out", "POST", self.sign_out),
            ("/join", "GET", self.invited),
            ("/join", "POST", self.join),
        )
        return form_routes(self._renderer, pages)

    async def setup(self, request: Request) -> Response:
        """The first start's link leads here; its secret is in the fragment, which no server sees."""
        return self._page(request, "setup.html", AccountView(self._people.policy))

    async def set_up(self, request: Request) -> Response:
        """Makes the first admin."""

        async def enter(form: Entry) -> User:
            return await self._people.set_up(form.token, form.email, form.password, form.name, self._now_ms())

        return await self._enter(request, "setup.html", enter)

    async def sign_up_form(self, request: Request) -> Response:
        """For everybody, for who has an invitation, or a word on whom to ask."""
        view = AccountView(self._people.policy, next_page(request.query_params.get("next", "/")), issuers=self._issuers)
        return self._page(request, "sign_up.html", view)

    async def sign_up(self, request: Request) -> Response:
        """A new user, signed in."""

        async def enter(form: Entry) -> User:
            now_ms = self._now_ms()
            self._people.passwords.count(f"new {form.email}", self._door.address(request), now_ms * 1_000_000)
            return await self._people.sign_up(form.email, form.password, form.name, now_ms, form.token or None)

        return await self._enter(request, "sign_up.html", enter)

    async def sign_in_form(self, request: Request) -> Response:
        """Who is signed in already goes on at once."""
        wanted = next_page(request.query_params.get("next", "/"))
        if await self._door.signed_in(request) is not None:
            return go_to(request, wanted)
        view = AccountView(
            self._people.policy, wanted, issuers=self._issuers, passkeys=self._passkeys, mails=self._mails
        )
        return self._page(request, "sign_in.html", view)

    async def sign_in(self, request: Request) -> Response:
        """By e-mail address and password."""

        async def enter(form: Entry) -> User:
            address = self._door.address(request)
            return await self._people.sign_in(form.email, form.password, address=address, now_ms=self._now_ms())

        return await self._enter(request, "sign_in.html", enter)

    async def sign_out(self, request: Request) -> Response:
        """Also for who wants to go on as somebody else."""
        self._door.check_form(request)
        form, actor = await read_form(request, Signed), await self._door.signed_in(request)
        response = go_to(request, sign_in_path(next_page(form.next)))
        if actor is not None:
            self._door.check_token(request, form.csrf)
            await self._door.end(response, actor)
        return response

    async def invited(self, request: Request) -> Response:
        """An invitation's link leads here, its secret in the fragment: to join, or to sign up first."""
        actor = await self._door.signed_in(request)
        if actor is None or actor.user is None:
            return self._page(request, "sign_up.html", AccountView("invite", "/join", issuers=self._issuers))
        view = AccountView("invite", who=actor.user.email, csrf=self._door.csrf_token(request))
        return self._page(request, "join.html", view)

    async def join(self, request: Request) -> Response:
        """Takes the invitation."""
        self._door.check_form(request)
        form, actor = await read_form(request, Signed), await self._door.signed_in(request)
        if actor is None or actor.user is None:
            return go_to(request, sign_in_path("/join"))
        self._door.check_token(request, form.csrf)
        try:
            await self._people.join(actor.user, form.token, self._now_ms())
        except TollwayError as error:
            view = AccountView("invite", who=actor.user.email, csrf=form.csrf, error=error.message)
            return self._page(request, "join.html", view, error.status)
        return go_to(request, HOME)

    async def _enter(self, request: Request, template: str, enter: Callable[[Entry], Awaitable[User]]) -> Response:
        self._door.check_form(request)
        form = await read_form(request, Entry)
        wanted = next_page(form.next)
        try:
            user = await enter(form)
        except TollwayError as error:
            view = AccountView(
                "invite" if form.token else self._people.policy, wanted, form.email, form.name, error.message,
                issuers=self._issuers, passkeys=self._passkeys, mails=self._mails,
            )  # fmt: skip
            return self._page(request, template, view, error.status)
        # A new user who came by an invitation has taken it with that.
        if template == "setup.html":
            wanted = "/admin/setup"
        response = go_to(request, HOME if template == "sign_up.html" and wanted == "/join" else wanted)
        await self._door.start(request, response, user)
        return response

    def _page(self, request: Request, template: str, view: Struct, status: int = 200) -> Response:
        return self._renderer.page(request, template, view, status, PRIVATE)


def form_routes(renderer: Renderer, pages: tuple[tuple[str, str, Page], ...]) -> list[BaseRoute]:
    """Path, method, handler -> routes whose errors are pages."""
    paths: dict[str, dict[str, Page]] = {}
    for path, method, page in pages:
        paths.setdefault(path, {})[method] = page
    return [Route(path, _by_method(renderer, found), methods=list(found)) for path, found in paths.items()]


def _by_method(renderer: Renderer, pages: dict[str, Page]) -> Page:
    async def endpoint(request: Request) -> Response:
        try:
            return await pages["GET" if request.method == "HEAD" else request.method](request)
        except ChangedMeanwhile as error:
            return renderer.page(request, "meanwhile.html", view_of(error), 409, PRIVATE)
        except TollwayError as error:
            told = error
        except StorageError:
            told = Unavailable("The database does not answer just now; try again.")
        view = RefusedView(told.status, told.message)
        return renderer.page(request, "refused.html", view, told.status, PRIVATE)

    return endpoint


def go_to(request: Request, path: str) -> Response:
    """303 to a page of ours: the browser asks for it with GET."""
    return away(f"{root_path(request)}{path}")


def away(url: str) -> Response:
    """303; the URL may hold a code, which no cache may keep and no referrer tell."""
    return RedirectResponse(url, 303, SECURITY_HEADERS | {"cache-control": "no-store"})


def sign_in_path(then: str) -> str:
    """Signing in, to come back."""
    return f"/sign-in?next={quote(then, safe='')}"
