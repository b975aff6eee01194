"""`/auth`: an app asks for a key; its user sees who asks, chooses what it may spend and for how long, or says no."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.errors import Forbidden, TollwayError
from tollway.domain.people import Actor
from tollway.gateway.oauth_desk import CARRIED_MS, REDIRECTED_MS, OAuthDesk
from tollway.identity.oauth import App
from tollway.storage.database import Database
from tollway.web.account import PRIVATE, away, form_routes, go_to, sign_in_path
from tollway.web.door import Door
from tollway.web.forms import as_struct, read_form
from tollway.web.key_form import EXPIRES, EXPIRIES, LIMIT_USD, RESETS, Place, expires_of, key_of, places_of
from tollway.web.render import CONTENT_SECURITY_POLICY, Renderer

NAME_MAX = 100
"""Of what an app calls itself."""


class Wishes(Struct, kw_only=True):
    """The query of `/auth`, and the form of its page with what the user made of it."""

    callback_url: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    key_label: str = ""
    limit: str = LIMIT_USD
    usage_limit_type: str = ""
    expires_at: str = EXPIRES
    workspace_id: str = ""

    @property
    def label(self) -> str:
        """What the app calls itself, without characters that turn or hide what stands beside them."""
        return "".join(each for each in self.key_label if each.isprintable()).strip()[:NAME_MAX]


class Decision(Wishes, kw_only=True):
    """The form."""

    csrf: str = ""
    decision: Literal["allow", "deny"]


class ConsentView(Struct, frozen=True):
    """What `auth.html` shows."""

    app: App
    wishes: Wishes
    who: str
    csrf: str
    again: str
    """This page's own path, to come back to as somebody else."""
    places: tuple[Place, ...]
    expiries: tuple[tuple[str, str], ...]
    resets: tuple[tuple[str, str], ...]
    error: str = ""


class CodeView(Struct, frozen=True):
    """What `auth_code.html` shows: a code to be carried over by hand, or that there is none."""

    code: str
    minutes: int


class ConsentPages:
    """Never agrees by itself, whoever asked before: apps are not registered, and anybody can send a link."""

    def __init__(
        self, renderer: Renderer, door: Door, desk: OAuthDesk, database: Database, now_ms: Callable[[], int]
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._desk = desk
        self._database = database
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        return form_routes(self._renderer, (("/auth", "GET", self.ask), ("/auth", "POST", self.decide)))

    async def ask(self, request: Request) -> Response:
        """A wrong callback is an error on our page: there is nobody to be sent to."""
        wishes = as_struct(request.query_params.multi_items(), Wishes)
        app = self._app(wishes)
        here = f"/auth?{request.url.query}"
        actor = await self._door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(here))
        expires_of(wishes.expires_at, self._now_ms())  # a proposal that nobody could accept
        return await self._page(request, actor, app, wishes, here)

    async def decide(self, request: Request) -> Response:
        """303 to the app, with a code or `access_denied`; without a callback the code is shown."""
        self._door.check_form(request)
        form, actor = await read_form(request, Decision), await self._door.signed_in(request)
        if actor is None:
            raise Forbidden("You are not signed in any more: go back to the app and start again.")
        self._door.check_token(request, form.csrf)
        app = self._app(form)
        if form.decision == "deny":
            return away(app.callback.answered(error="access_denied")) if app.callback else self._code(request, "")
        now_ms = self._now_ms()
        life_ms = REDIRECTED_MS if app.callback else CARRIED_MS
        try:
            code = await self._desk.consent(
                actor, app, key_of(form, form.label or _default_name(app), now_ms), now_ms, life_ms=life_ms
            )
        except TollwayError as error:
            return await self._page(request, actor, app, form, "/", error)
        return away(app.callback.answered(code=code)) if app.callback else self._code(request, code)

    def _app(self, wishes: Wishes) -> App:
        return self._desk.read(wishes.callback_url, wishes.code_challenge, wishes.code_challenge_method)

    def _code(self, request: Request, code: str) -> Response:
        return self._renderer.page(request, "auth_code.html", CodeView(code, CARRIED_MS // 60_000), headers=PRIVATE)

    async def _page(
        self, request: Request, actor: Actor, app: App, wishes: Wishes, again: str, error: TollwayError | None = None
    ) -> Response:
        places = await places_of(self._database, actor, wishes.workspace_id or actor.workspace_id)
        if not places:
            raise Forbidden("You may make keys in no workspace: ask an admin of yours.")
        expiries = list(EXPIRIES.items())
        if wishes.expires_at not in dict(expiries):
            expiries.insert(0, (wishes.expires_at, f"{wishes.expires_at}, as asked"))
        view = ConsentView(
            app=app,
            wishes=wishes,
            who=actor.user.email if actor.user else "",
            csrf=self._door.csrf_token(request),
            again=again,
            places=tuple(places),
            expiries=tuple(expiries),
            resets=tuple(RESETS.items()),
            error=error.message if error else "",
        )
        headers = PRIVATE | {"content-security-policy": policy_for(app)}
        return self._renderer.page(request, "auth.html", view, error.status if error else 200, headers)


def policy_for(app: App) -> str:
    """Chromium holds `form-action` against a form's redirect, too, so that the app's origin must be in it.

    The policy's grammar has no IPv6 address (CSP 3, `host-part`): there the scheme stands for it.
    """
    if app.callback is None:
        return CONTENT_SECURITY_POLICY
    origin = app.callback.origin
    source = f"{origin.partition(':')[0]}:" if "[" in origin else origin
    return CONTENT_SECURITY_POLICY.replace("form-action 'self'", f"form-action 'self' {source}")


def _default_name(app: App) -> str:
    return app.callback.origin.partition("://")[2][:NAME_MAX] if app.callback else "an app without a page"
