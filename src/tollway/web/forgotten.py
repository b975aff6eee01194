"""`/forgot`: who forgot the password names an e-mail address; the answer is the same whoever has it."""

from collections.abc import Callable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.errors import TollwayError
from tollway.gateway.forgotten import Forgotten
from tollway.web.account import PRIVATE, form_routes
from tollway.web.door import Door
from tollway.web.forms import read_form
from tollway.web.render import Renderer


class ForgottenForm(Struct):
    """The page's one field."""

    email: str = ""


class ForgottenView(Struct, frozen=True):
    """What `forgot.html` shows."""

    on: bool
    """Whether mail is configured."""
    sent: bool = False
    email: str = ""
    error: str = ""


class ForgottenPages:
    """For who is not signed in."""

    def __init__(self, renderer: Renderer, door: Door, forgotten: Forgotten, now_ms: Callable[[], int]) -> None:
        self._renderer = renderer
        self._door = door
        self._forgotten = forgotten
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """The URL."""
        return form_routes(self._renderer, (("/forgot", "GET", self.show), ("/forgot", "POST", self.ask)))

    async def show(self, request: Request) -> Response:
        """The form, or whom to ask."""
        return self._page(request, ForgottenView(self._forgotten.on))

    async def ask(self, request: Request) -> Response:
        """What is said is no more than what was typed."""
        self._door.check_form(request)
        form = await read_form(request, ForgottenForm)
        try:
            await self._forgotten.ask(form.email, self._door.address(request), self._now_ms())
        except TollwayError as error:
            view = ForgottenView(self._forgotten.on, email=form.email, error=error.message)
            return self._page(request, view, error.status)
        return self._page(request, ForgottenView(on=True, sent=True))

    def _page(self, request: Request, view: ForgottenView, status: int = 200) -> Response:
        return self._renderer.page(request, "forgot.html", view, status, PRIVATE)
