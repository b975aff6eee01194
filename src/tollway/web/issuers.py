"""`/sign-in/{issuer}`: away to GitHub, Google or an OIDC issuer, and back; as somebody new, known, or signed in."""

from collections.abc import Callable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.errors import Forbidden, TollwayError
from tollway.domain.issuers import Identity, Issuer
from tollway.identity.issuers import Asked, Issuers
from tollway.identity.people import People
from tollway.identity.sessions import check_fresh
from tollway.identity.sign_ins import AGAIN, AWAY_MS, SignIn, SignIns
from tollway.web.account import PRIVATE, AccountView, away, form_routes, go_to
from tollway.web.door import Door
from tollway.web.forms import HOME, as_struct, next_page, read_form
from tollway.web.render import Renderer

ACCOUNT = "/account"


class Going(Struct, kw_only=True):
    """The form of a button that leads to an issuer: an invitation's secret, or the token of who is signed in."""

    token: str = ""
    next: str = "/"
    csrf: str = ""
    link: bool = False


class Back(Struct, kw_only=True):
    """What an issuer's answer has in its query (RFC 6749, 4.1.2; RFC 9207)."""

    state: str = ""
    code: str = ""
    error: str = ""
    iss: str | None = None


class GoingView(Struct, frozen=True):
    """What `going.html` shows."""

    url: str
    name: str


class IssuerPages:
    """A browser comes back only to what it began itself: the cookie of that is signed, and good for once."""

    def __init__(
        self,
        renderer: Renderer,
        door: Door,
        people: People,
        issuers: Issuers,
        sign_ins: SignIns,
        *,
        passkeys: bool,
        mails: bool,
        public_url: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._people = people
        self._issuers = issuers
        self._sign_ins = sign_ins
        self._passkeys = passkeys
        self._mails = mails
        self._public_url = public_url
        self._secure = public_url.startswith("https:")
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        here = "/sign-in/{slug}"
        return form_routes(
            self._renderer, ((here, "GET", self.go), (here, "POST", self.send), (f"{here}/callback", "GET", self.back))
        )

    async def go(self, request: Request) -> Response:
        """303 to the issuer."""
        issuer = self._issuer(request)
        wanted = next_page(request.query_params.get("next", "/"))
        sign_in = self._sign_ins.begin(issuer.slug, wanted, self._now_ms())
        return self._keep(away(await self._issuers.begin(issuer, self._asked(sign_in))), sign_in)

    async def send(self, request: Request) -> Response:
        """The same with an invitation, or for who is signed in and wants to come by this issuer, too.

        By a page that goes on: the policy of the page with the form lets no form lead to another site.
        """
        self._door.check_form(request)
        issuer, form, session = self._issuer(request), await read_form(request, Going), None
        if form.link:
            actor = await self._door.signed_in(request)
            if actor is None or actor.session is None:
                raise Forbidden("You are not signed in any more: sign in first.")
            self._door.check_token(request, form.csrf)
            check_fresh(actor.session, self._now_ms())
            session = actor.session.id
        sign_in = self._sign_ins.begin(
            issuer.slug, next_page(form.next), self._now_ms(), invitation=form.token[:100] or None, session=session
        )
        view = GoingView(await self._issuers.begin(issuer, self._asked(sign_in)), issuer.shown)
        return self._keep(self._renderer.page(request, "going.html", view, headers=PRIVATE), sign_in)

    async def back(self, request: Request) -> Response:
        """Signed in, or a page that says why not."""
        issuer, now_ms = self._issuer(request), self._now_ms()
        query = as_struct(request.query_params.multi_items(), Back)
        sealed = request.cookies.get(self._cookie, "")
        try:
            sign_in = self._sign_ins.take(sealed, issuer.slug, query.state, now_ms)
            self._people.passwords.count_arrival(self._door.address(request), now_ms * 1_000_000)
            if query.error or not query.code:
                raise Forbidden(f"{issuer.shown} did not let you in: try again, or sign in in another way.")
            identity = await self._issuers.finish(issuer, self._asked(sign_in), query.code, query.iss)
            response = await self._arrived(request, sign_in, identity, now_ms)
        except TollwayError as error:
            view = AccountView(
                self._people.policy,
                ACCOUNT,
                error=error.message,
                issuers=self._issuers.buttons,
                passkeys=self._passkeys,
                mails=self._mails,
            )
            response = self._renderer.page(request, "sign_in.html", view, error.status, PRIVATE)
        response.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="lax")
        return response

    async def _arrived(self, request: Request, sign_in: SignIn, identity: Identity, now_ms: int) -> Response:
        wanted = next_page(sign_in.next)
        if sign_in.session is not None:
            actor = await self._door.signed_in(request)
            if actor is None or actor.user is None or actor.session is None or actor.session.id != sign_in.session:
                raise Forbidden(AGAIN)
            await self._people.link(actor.user, identity, now_ms)
            return go_to(request, ACCOUNT)
        user = await self._people.come_in(identity, now_ms, sign_in.invitation)
        # A new user who came by an invitation has taken it with that.
        response = go_to(request, HOME if wanted == "/join" and user.created_ms == now_ms else wanted)
        await self._door.start(request, response, user)
        return response

    def _issuer(self, request: Request) -> Issuer:
        return self._issuers.get(request.path_params["slug"])

    def _asked(self, sign_in: SignIn) -> Asked:
        back = f"{self._public_url}/sign-in/{sign_in.slug}/callback"
        return Asked(sign_in.state, sign_in.nonce, sign_in.verifier, back)

    @property
    def _cookie(self) -> str:
        return "__Host-tollway-sign-in" if self._secure else "tollway-sign-in"

    def _keep(self, response: Response, sign_in: SignIn) -> Response:
        response.set_cookie(
            self._cookie, self._sign_ins.seal(sign_in), max_age=AWAY_MS // 1000, path="/", secure=self._secure,
            httponly=True, samesite="lax",
        )  # fmt: skip
        return response
