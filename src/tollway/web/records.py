"""What the pages of a workspace's records share: what they are made from, whose records are meant, and data files."""

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from tollway.domain.cells import cell
from tollway.domain.errors import NotFound, Unauthenticated
from tollway.domain.people import NO_SUCH_WORKSPACE, Actor, Right
from tollway.gateway.books import Books
from tollway.gateway.contents import Contents
from tollway.gateway.records import Records, Scope
from tollway.gateway.usage import Usage
from tollway.routing.market import Market
from tollway.storage.database import Database
from tollway.storage.members import find_workspace
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.door import Door
from tollway.web.key_form import Place, places_of
from tollway.web.render import SECURITY_HEADERS, Renderer


class Archive(Struct, frozen=True):
    """What these pages are made from, built once by app.py."""

    renderer: Renderer
    door: Door
    database: Database
    records: Records
    usage: Usage
    books: Books
    contents: Contents | None
    market: Callable[[], Market]
    provider_name: Callable[[str], str]
    sample_model: Callable[[], str]
    """The id of a model that a first request can name; "" if there is none."""
    base_url: str
    now_ms: Callable[[], int]


class Visit(Struct, frozen=True):
    """Who looks, at which workspace, and what of it they may see."""

    actor: Actor
    scope: Scope
    places: tuple[Place, ...]

    @property
    def place(self) -> Place:
        return next(each for each in self.places if each.chosen)

    @property
    def manages(self) -> bool:
        """Sees everybody's records."""
        return self.scope.creator is None


Shown = Callable[[Request, Visit], Awaitable[Response]]
Line = tuple[str, Shown]


def record_routes(archive: Archive, pages: Sequence[Line], data: Sequence[Line] = ()) -> list[BaseRoute]:
    """Path and handler -> routes. Who is not signed in is led to the door by a page, and refused by data (401)."""
    lines = [(path, "GET", _visited(archive, shown, lead=True)) for path, shown in pages]
    lines += [(path, "GET", _visited(archive, shown, lead=False)) for path, shown in data]
    return form_routes(archive.renderer, tuple(lines))


def _visited(archive: Archive, shown: Shown, *, lead: bool) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        actor = await archive.door.signed_in(request)
        if actor is None:
            if not lead:
                raise Unauthenticated("Sign in first, then ask for this file again.")
            here = request.url.path.removeprefix(str(request.scope.get("root_path", "")))
            return go_to(request, sign_in_path(f"{here}?{request.url.query}" if request.url.query else here))
        return await shown(request, await visit(archive, request, actor))

    return page


async def visit(archive: Archive, request: Request, actor: Actor) -> Visit:
    """NotFound: no such workspace, or none at all. Forbidden: a role that sees no records."""
    workspace_id = actor.workspace(request.query_params.get("workspace") or None, Right.USE)
    places = await places_of(archive.database, actor, workspace_id)
    if not any(each.chosen for each in places):  # an operator elsewhere
        if (elsewhere := await find_workspace(archive.database, workspace_id)) is None:
            raise NotFound(NO_SUCH_WORKSPACE)
        workspace_id = elsewhere.id
        places.insert(0, Place(workspace_id, elsewhere.name, True))
    return Visit(actor, await archive.records.scope(actor, workspace_id), tuple(places))


def csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows of a CSV file; no cell is taken for a formula."""
    out = io.StringIO()
    csv.writer(out).writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def csv_file(name: str, lines: AsyncIterator[bytes]) -> Response:
    """A file to be saved, written as it is read: it may be long."""
    headers = SECURITY_HEADERS | PRIVATE | {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)
