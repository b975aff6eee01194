"""Requests of our own pages: the session's cookie, and the proof that no other page sent them (FAULTS.md 4.1)."""

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.domain.errors import Forbidden, Unauthenticated
from tollway.domain.people import Actor, User
from tollway.identity.actors import actor_of_session
from tollway.identity.sessions import WHOLE_MS

SAFE = frozenset({"GET", "HEAD"})
SIGN_IN = "Sign in first."


def cookie_name(house: House) -> str:
    """Over https no subdomain and no plain http may set or read it (RFC 6265bis, the `__Host-` prefix)."""
    return "__Host-tollway" if _secure(house) else "tollway"


def keep_session(house: House, response: Response, token: str) -> None:
    """Signs the browser in."""
    response.set_cookie(
        cookie_name(house), token, max_age=WHOLE_MS // 1000, path="/", secure=_secure(house), httponly=True,
        samesite="lax",
    )  # fmt: skip


def drop_session(house: House, response: Response) -> None:
    """Signs the browser out: with the same attributes, or the cookie would stay."""
    response.delete_cookie(cookie_name(house), path="/", secure=_secure(house), httponly=True, samesite="lax")


def csrf_token(house: House, token: str) -> str:
    """What a page of a session shows with each change: nobody else can compute it, and it is no credential."""
    return hmac.new(house.pepper, b"csrf:" + token.encode(), sha256).hexdigest()[:32]


def check_own_page(house: House, request: Request) -> None:
    """Forbidden: a change that another site's page asks for. Who sends no Origin can't be a page that sends JSON."""
    if request.method not in SAFE and not (_is_own(house, request, True) and _kind(request) == "application/json"):
        raise Forbidden("This URL takes JSON from pages of this site only.")


def _is_own(house: House, request: Request, unsaid: bool) -> bool:
    """Whether a page of ours asks; `unsaid` where the browser does not say who."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return unsaid if origin is None else urlsplit(origin).netloc in (request.headers.get("host"), _netloc(house))


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def signed_in(house: House, request: Request) -> Actor | None:
    """Who is signed in, or None; for pages, which show something to everybody."""
    token = request.cookies.get(cookie_name(house), "")
    now_ms = house.gateway.now_ms()
    found = await house.people.sessions.find(token, now_ms) if token else None
    return await actor_of_session(house.database, *found, now_ms) if found else None


async def actor_of(house: House, request: Request) -> Actor:
    """Who is signed in. Unauthenticated: nobody. Forbidden: a change without the page's token."""
    check_own_page(house, request)
    actor = await signed_in(house, request)
    if actor is None:
        raise Unauthenticated(SIGN_IN)
    if request.method not in SAFE and not _fits(house, request, request.headers.get("x-csrf-token", "")):
        raise Forbidden("The X-CSRF-Token header is missing or of another session; reload the page.")
    return actor


def _fits(house: House, request: Request, shown: str) -> bool:
    wanted = csrf_token(house, request.cookies[cookie_name(house)])
    return hmac.compare_digest(wanted.encode(), shown.encode())


async def start_session(house: House, request: Request, user: User) -> str:
    """A new session of a new name, its cookie's value; whatever session the browser had before ends."""
    sessions, now_ms = house.people.sessions, house.gateway.now_ms()
    if before := await sessions.find(request.cookies.get(cookie_name(house), ""), now_ms):
        await sessions.end(before[0].id, before[1].id)
    agent, address = request.headers.get("user-agent"), house.proxies.client_of_request(request)
    return await sessions.start(user, now_ms, address=address, user_agent=agent)


class BrowserDoor:
    """The same for pages with forms, which web/ shows (web/door.py)."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def signed_in(self, request: Request) -> Actor | None:
        """Who is signed in, if anybody."""
        return await signed_in(self._house, request)

    def check_form(self, request: Request) -> None:
        """Forbidden: a form of another site. Any site can send forms, so that the browser must say whose it is."""
        own = _is_own(self._house, request, unsaid=False)
        if not own or _kind(request) != "application/x-www-form-urlencoded":
            raise Forbidden("This form was not sent by a page of this site: open the page again.")

    def csrf_token(self, request: Request) -> str:
        """What a form of this session carries."""
        return csrf_token(self._house, request.cookies[cookie_name(self._house)])

    def check_token(self, request: Request, shown: str) -> None:
        """Forbidden: a form of another session."""
        if not _fits(self._house, request, shown):
            raise Forbidden("This form is of another session: open the page again.")

    def address(self, request: Request) -> str | None:
        """The client's."""
        return self._house.proxies.client_of_request(request)

    async def start(self, request: Request, response: Response, user: User) -> None:
        """Signs the browser in."""
        keep_session(self._house, response, await start_session(self._house, request, user))

    async def end(self, response: Response, actor: Actor) -> None:
        """Signs the browser out."""
        if actor.session is not None:
            await self._house.people.sessions.end(actor.session.id, actor.session.user_id)
        drop_session(self._house, response)


def _secure(house: House) -> bool:
    return house.config.public_url.startswith("https:")


def _netloc(house: House) -> str:
    return urlsplit(house.config.public_url).netloc
