"""`/chat`: the chat room, for who is signed in; `/playground`: the same with one pane, for guests, if there are any."""

from collections.abc import Callable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.config import Config
from tollway.domain.people import Right
from tollway.identity.guest import COOKIE, new_visitor, visitor_of
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.door import Door
from tollway.web.forms import as_struct
from tollway.web.render import Renderer

VISITOR_S = 30 * 24 * 3600


class Wanted(Struct, kw_only=True):
    """The query of the page; `model`s are the script's to read."""

    workspace: str = ""


class ChatView(Struct, frozen=True):
    """What `chat.html` shows."""

    url: str
    """Where the page sends its requests, below the site's root."""
    models: tuple[str, ...]
    """For guests those that there are; else the one that a conversation begins with."""
    guest: bool
    csrf: str = ""
    workspace_id: str = ""
    owner: str = ""
    """Whose conversations the browser shows: it may be several people's."""
    per_minute: int = 0
    output_max: int = 0


class ChatPages:
    """Two pages, one program: everything that is asked and answered stays in the browser."""

    def __init__(
        self,
        renderer: Renderer,
        door: Door,
        config: Config,
        pepper: bytes,
        first_model: Callable[[], str],
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._guests = config.guest
        self._pepper = pepper
        self._guest_rpm = config.limits.guest_rpm
        self._secure = config.public_url.startswith("https:")
        self._first_model = first_model

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        return form_routes(self._renderer, (("/chat", "GET", self.chat), ("/playground", "GET", self.playground)))

    async def chat(self, request: Request) -> Response:
        """Who is not signed in comes back here after that. NotFound: a workspace that the user is not in."""
        actor = await self._door.signed_in(request)
        if actor is None or actor.user is None:
            query = f"?{request.url.query}" if request.url.query else ""
            return go_to(request, sign_in_path(f"/chat{query}"))
        wanted = as_struct(request.query_params.multi_items(), Wanted)
        workspace_id = actor.workspace(wanted.workspace or None, Right.USE)
        first = self._first_model()
        view = ChatView(
            url="/chat/completions",
            models=(first,) if first else (),
            guest=False,
            csrf=self._door.csrf_token(request),
            workspace_id=workspace_id,
            owner=actor.user.id,
        )
        return self._renderer.page(request, "chat.html", view, headers=PRIVATE)

    async def playground(self, request: Request) -> Response:
        """A page for everybody; its cookie is a random name, by which the limit of a visitor is kept."""
        view = ChatView(
            url="/api/v1/guest/chat/completions",
            models=self._guests.models,
            guest=True,
            per_minute=self._guest_rpm,
            output_max=self._guests.output_max,
        )
        answer = self._renderer.page(request, "chat.html", view, headers=PRIVATE)
        if self._guests.models and visitor_of(request.cookies.get(COOKIE, ""), self._pepper) is None:
            answer.set_cookie(
                COOKIE,
                new_visitor(self._pepper),
                max_age=VISITOR_S,
                secure=self._secure,
                httponly=True,
                samesite="strict",
            )
        return answer
