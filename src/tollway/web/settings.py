"""What pages of settings share: whose workspace is shown, who may change it, and forms that do one thing each."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.errors import Forbidden, NotFound, TollwayError
from tollway.domain.people import NO_SUCH_WORKSPACE, Actor, Right, Workspace
from tollway.storage.database import Database
from tollway.storage.members import find_workspace
from tollway.web.account import PRIVATE, Page, form_routes, go_to, sign_in_path
from tollway.web.door import Door
from tollway.web.forms import read_form
from tollway.web.key_form import Place
from tollway.web.meanwhile import Overwritten, newest, undisturbed
from tollway.web.render import Renderer

FormT = TypeVar("FormT", bound="SettingsForm")
OPERATOR = "operator"


class SettingsForm(Struct, kw_only=True):
    """The fields that every form of these pages has."""

    csrf: str = ""
    workspace_id: str = ""
    seen: int | None = None
    """How long the audit log was when the page was made (`web/meanwhile.py`)."""


class Frame(Struct, frozen=True):
    """What is around each of these pages."""

    who: str
    """The e-mail address of who is signed in."""
    csrf: str
    place: Place
    places: tuple[Place, ...]
    """All workspaces that the visitor may see, this one too."""
    role: str
    """In this workspace: owner, admin, billing, member; an admin of the server elsewhere is its operator."""
    manages: bool
    owns: bool
    seen: int
    said: str = ""
    error: str = ""


class Visit(Struct, frozen=True):
    """One request for a page of settings, by somebody who may see the workspace."""

    request: Request
    actor: Actor
    workspace: Workspace
    now_ms: int
    seen: int
    """Of the page that sent the form, or of this one."""


Do = Callable[[Visit, FormT], Awaitable[str | Response]]
"""Does what a form asks for: -> which of `SAID` the page then says, or the page itself."""


def settings_of(visit: Visit, path: str) -> Overwritten:
    """Name and settings of the visit's workspace, which several pages change."""
    return Overwritten(visit.workspace.id, "workspace.changed", f"{path}?workspace={visit.workspace.id}")


class Shared(Struct, frozen=True):
    """What every page of settings is made from."""

    renderer: Renderer
    door: Door
    database: Database
    now_ms: Callable[[], int]


class SettingsPages(Generic[FormT]):
    """`GET` shows the page, `POST` does one thing and comes back with a 303, or shows the page and what is wrong."""

    path: str
    right = Right.SEE
    """What a visitor must be able to do in the workspace."""
    form: type[FormT]
    said: Mapping[str, str] = {}

    def __init__(self, shared: Shared) -> None:
        self.renderer = shared.renderer
        self.door = shared.door
        self.database = shared.database
        self.now_ms = shared.now_ms

    def changes(self) -> Mapping[str, Do[FormT]]:
        """Last part of a URL -> what a form sent to it does."""
        raise AssertionError

    def overwritten(self, visit: Visit, name: str, form: FormT) -> Overwritten | None:
        """What a form writes anew as a whole, if any; `name`: the last part of its URL."""
        return None

    async def page(
        self, visit: Visit, form: FormT | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """The page. `form`: what was sent and did not work, so that nothing typed is lost."""
        raise AssertionError

    def pages(self) -> tuple[tuple[str, str, Page], ...]:
        """Other pages than the one."""
        return ()

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        posts = tuple((f"{self.path}/{name}", "POST", self.taking(do)) for name, do in self.changes().items())
        return form_routes(self.renderer, ((self.path, "GET", self.show), *self.pages(), *posts))

    async def show(self, request: Request) -> Response:
        """Of `workspace`, or of the visitor's own. Who is not signed in comes back here after that."""
        visit = await self.visit(request, request.query_params.get("workspace", ""))
        return go_to(request, sign_in_path(self.path)) if visit is None else await self.page(visit)

    async def visit(self, request: Request, wanted: str, seen: int | None = None) -> Visit | None:
        """None: nobody is signed in. NotFound: another's workspace. Forbidden: the role does not allow the page."""
        actor = await self.door.signed_in(request)
        if actor is None:
            return None
        workspace = await find_workspace(self.database, actor.workspace(wanted or None, self.right))
        if workspace is None:
            raise NotFound(NO_SUCH_WORKSPACE)
        return Visit(request, actor, workspace, self.now_ms(), await newest(self.database) if seen is None else seen)

    def taking(self, do: Do[FormT]) -> Page:
        """What takes a form of these pages: its proofs first, then what it asks for."""

        async def endpoint(request: Request) -> Response:
            self.door.check_form(request)
            form = await read_form(request, self.form)
            visit = await self.visit(request, form.workspace_id, form.seen)
            if visit is None:
                raise Forbidden("You are not signed in any more: sign in first.")
            self.door.check_token(request, form.csrf)
            try:
                over = self.overwritten(visit, request.url.path.rpartition("/")[2], form)
                if over is None:
                    done = await do(visit, form)
                else:
                    async with undisturbed(self.database, form.seen, over, form, visit.actor.name):
                        done = await do(visit, form)
            except NotFound:
                raise
            except TollwayError as error:
                return await self.page(visit, form, error=error)
            return done if isinstance(done, Response) else self.back(visit, done)

        return endpoint

    def back(self, visit: Visit, done: str) -> Response:
        """The page again, which says what was done."""
        return go_to(visit.request, f"{self.path}?{urlencode({'workspace': visit.workspace.id, 'done': done})}")

    async def frame(self, visit: Visit, error: TollwayError | None) -> Frame:
        """What is around the page."""
        actor, here = visit.actor, visit.workspace
        role = actor.roles.get(here.id)
        places = [Place(here.id, here.name, True)] if role is None else []
        places += [
            Place(each, found.name, each == here.id)
            for each in actor.roles
            if actor.may(self.right, each) and (found := await find_workspace(self.database, each)) is not None
        ]
        return Frame(
            who=actor.user.email if actor.user else actor.name,
            csrf=self.door.csrf_token(visit.request),
            place=Place(here.id, here.name, True),
            places=tuple(places),
            role=OPERATOR if role is None else role.value,
            manages=actor.may(Right.MANAGE, here.id),
            owns=actor.may(Right.OWN, here.id),
            seen=visit.seen,
            said=self.said.get(visit.request.query_params.get("done", ""), ""),
            error=error.message if error else "",
        )

    def answer(self, visit: Visit, template: str, view: Struct, error: TollwayError | None) -> Response:
        """A page of one person."""
        return self.renderer.page(visit.request, template, view, error.status if error else 200, PRIVATE)
