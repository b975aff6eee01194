"""The site's URLs: one line for each, and what a browser sees where there is nothing."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from tollway.config import Config
from tollway.domain.people import SignUp
from tollway.web.account import PRIVATE, form_routes
from tollway.web.assets import Assets
from tollway.web.export import to_csv, to_json
from tollway.web.page import Page, Site, nothing_here, page_route
from tollway.web.pages.compare import compare
from tollway.web.pages.explore import explore
from tollway.web.pages.home import home
from tollway.web.pages.model import model
from tollway.web.pages.model_files import model_file
from tollway.web.pages.models import models, rows_for
from tollway.web.pages.pricing import Pricing
from tollway.web.pages.providers import providers
from tollway.web.pages.rankings import rankings, rankings_csv, rankings_json
from tollway.web.pages.status import status
from tollway.web.query import parse, select
from tollway.web.render import Renderer, answer, asset_answer
from tollway.web.rows import RowNow
from tollway.web.status_files import status_atom, status_json, status_svg

ROBOTS = b"User-agent: *\nDisallow: /api/\nDisallow: /v1/\n"
"""Search engines may have the pages; the API is for programs."""

PAGES = (
    Page("/", "home.html", home),
    Page("/models", "models.html", models),
    Page("/models/{model:path}", "model.html", model),
    Page("/compare", "compare.html", compare),
    Page("/explore", "explore.html", explore),
    Page("/providers", "providers.html", providers),
    Page("/rankings", "rankings.html", rankings),
    Page("/status", "status.html", status),
)
"""What everybody may read. Pages of people are in account.py and consent.py."""


def web_routes(
    site: Site, renderer: Renderer, assets: Assets, config: Config, sign_up: Callable[[], SignUp] | None = None
) -> list[BaseRoute]:
    """The site, to be mounted after every other route: its last one answers browsers where nothing else is.

    `sign_up`: what is in force, where that may differ from the configuration.
    """
    files, pricing = Files(site, assets, renderer), Pricing(config, sign_up or (lambda: config.users.sign_up))
    return [
        *form_routes(renderer, (("/models.json", "GET", files.models_json), ("/models.csv", "GET", files.models_csv))),
        *form_routes(
            renderer,
            (
                ("/models/{model:path}.csv", "GET", model_file(site, "csv")),
                ("/models/{model:path}.json", "GET", model_file(site, "json")),
            ),
        ),
        Route("/static/{version}/{name:path}", files.static),
        Route("/favicon.svg", files.favicon),
        Route("/robots.txt", files.robots),
        Route("/rankings.json", partial(rankings_json, site)),
        Route("/rankings.csv", partial(rankings_csv, site)),
        Route("/status.json", partial(status_json, site)),
        Route("/status.atom", partial(status_atom, site)),
        Route("/status.svg", partial(status_svg, site)),
        Route("/pricing.json", partial(pricing.as_json, site)),
        Route("/pricing.csv", partial(pricing.as_csv, site)),
        page_route(Page("/pricing", "pricing.html", pricing.view), site, renderer),
        *(page_route(page, site, renderer) for page in PAGES),
        NothingHere(files.nothing_here),
    ]


class Files:
    """What is no page: the table of models as data, and the files that pages load."""

    def __init__(self, site: Site, assets: Assets, renderer: Renderer) -> None:
        self._site = site
        self._assets = assets
        self._renderer = renderer

    async def models_json(self, request: Request) -> Response:
        """`GET /models.json`: the table for the same query, all its pages."""
        found, headers = await self._selected(request)
        return answer(request, to_json(found), "application/json", headers=headers)

    async def models_csv(self, request: Request) -> Response:
        """`GET /models.csv`"""
        found, headers = await self._selected(request)
        headers["content-disposition"] = 'attachment; filename="models.csv"'
        return answer(request, to_csv(found), "text/csv; charset=utf-8", headers=headers)

    async def static(self, request: Request) -> Response:
        """`GET /static/<hash of all files>/<path>`"""
        asset = self._assets.find(request.path_params["version"], request.path_params["name"])
        return asset_answer(request, asset) if asset else await self.nothing_here(request)

    async def favicon(self, request: Request) -> Response:
        """`GET /favicon.svg`"""
        asset = self._assets.by_name["favicon.svg"]
        return answer(request, asset.body, asset.media_type)

    async def robots(self, request: Request) -> Response:
        """`GET /robots.txt`"""
        return answer(request, ROBOTS, "text/plain; charset=utf-8")

    async def nothing_here(self, request: Request) -> Response:
        """404, as a page."""
        return nothing_here(self._renderer, request)

    async def _selected(self, request: Request) -> tuple[list[RowNow], dict[str, str]]:
        """The rows, and who may keep a copy. Unauthenticated, NotFound: as `rows_for`."""
        query = parse(request.query_params)
        found = select(await rows_for(self._site, request, query), query, await self._site.model_tokens())
        return found, {**PRIVATE} if query.allowed else {}


class NothingHere(BaseRoute):
    """A page for a browser that finds nothing else, whatever the path. Programs get the application's own 404."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._route = Route("/{path:path}", endpoint)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A partial match: Starlette prefers every full one, and every partial one before it (405), to this."""
        match, child_scope = self._route.matches(scope)
        accept = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept")
        if match is Match.FULL and b"text/html" in accept:
            return Match.PARTIAL, child_scope
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page."""
        await self._route.handle(scope, receive, send)
