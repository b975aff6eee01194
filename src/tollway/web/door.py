"""What pages need of sessions; api/browser.py has it, and app.py hands it over: entry points do not know each other."""

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.people import Actor, User


class Door(Protocol):
    """Cookies of sessions, and the proof that a form was sent by a page of ours."""

    async def signed_in(self, request: Request) -> Actor | None:
        """Who is signed in, if anybody."""
        ...

    def check_form(self, request: Request) -> None:
        """Forbidden: the form was sent by another site's page."""
        ...

    def csrf_token(self, request: Request) -> str:
        """What a form of this session carries."""
        ...

    def check_token(self, request: Request, shown: str) -> None:
        """Forbidden: the form is of another session."""
        ...

    def address(self, request: Request) -> str | None:
        """The client's, behind whatever proxies."""
        ...

    async def start(self, request: Request, response: Response, user: User) -> None:
        """Signs the browser in; the session that it had ends."""
        ...

    async def end(self, response: Response, actor: Actor) -> None:
        """Signs the browser out."""
        ...
