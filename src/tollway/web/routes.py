"""The site's URLs: one line for each, and what a browser sees where there is nothing."""

from collections.abc import Callable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from tollway.routing.health import HealthBoard
from tollway.routing.market import Market
from tollway.web.assets import Assets
from tollway.web.export import to_csv, to_json
from tollway.web.home import home_view
from tollway.web.query import parse, select
from tollway.web.render import Renderer, answer, asset_answer
from tollway.web.rows import Row, RowNow, row_now, rows_of

ROBOTS = b"User-agent: *\nDisallow: /api/\nDisallow: /v1/\n"
"""Search engines may have the pages; the API is for programs."""


def web_routes(
    market: Callable[[], Market],
    health: HealthBoard,
    public_url: str,
    now_s: Callable[[], float],
    provider_name: Callable[[str], str],
    notice: str = "",
) -> list[BaseRoute]:
    """The site, to be mounted after every other route: its last one answers browsers where nothing else is.

    `market` gives the present snapshot, `now_s` monotonic seconds as the health board has them, `public_url` the
    address without a trailing slash, `notice` a sentence to stand above every page (the demo's).
    """
    assets = Assets.of_package()
    pages = Pages(market, health, public_url, now_s, provider_name, Renderer(assets, notice), assets)
    return [
        Route("/", pages.home),
        Route("/models.json", pages.models_json),
        Route("/models.csv", pages.models_csv),
        Route("/static/{name}", pages.static),
        Route("/favicon.svg", pages.favicon),
        Route("/robots.txt", pages.robots),
        NothingHere(pages.nothing_here),
    ]


class NothingHereView(Struct, frozen=True):
    """What `nothing_here.html` shows."""

    path: str


class Listing(Struct, frozen=True):
    """A market and what the pages need of it."""

    market: Market
    rows: tuple[Row, ...]
    providers: int
    """How many have an endpoint on offer."""


class Pages:
    """The pages' handlers, and the listing of the market that they were last asked about."""

    def __init__(
        self,
        market: Callable[[], Market],
        health: HealthBoard,
        public_url: str,
        now_s: Callable[[], float],
        provider_name: Callable[[str], str],
        renderer: Renderer,
        assets: Assets,
    ) -> None:
        self._market = market
        self._health = health
        self._public_url = public_url
        self._now_s = now_s
        self._provider_name = provider_name
        self._renderer = renderer
        self._assets = assets
        self._last: Listing | None = None

    async def home(self, request: Request) -> Response:
        """`GET /`"""
        listing = self._listing()
        view = home_view(
            self._now(listing), listing.providers, parse(request.query_params), f"{self._public_url}/api/v1"
        )
        return self._renderer.page(request, "home.html", view)

    async def models_json(self, request: Request) -> Response:
        """`GET /models.json`: the table for the same query, all its pages."""
        return answer(request, to_json(self._selected(request)), "application/json")

    async def models_csv(self, request: Request) -> Response:
        """`GET /models.csv`"""
        headers = {"content-disposition": 'attachment; filename="models.csv"'}
        return answer(request, to_csv(self._selected(request)), "text/csv; charset=utf-8", headers=headers)

    async def static(self, request: Request) -> Response:
        """`GET /static/<name>.<hash>.<ext>`"""
        asset = self._assets.by_hashed_name.get(request.path_params["name"])
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
        return self._renderer.page(request, "nothing_here.html", NothingHereView(request.url.path), status=404)

    def _listing(self) -> Listing:
        """The rows of the present market, made anew only when it was swapped."""
        market = self._market()
        if self._last is None or self._last.market is not market:
            providers = {endpoint.provider for offer in market.offers.values() for endpoint in offer.live}
            self._last = Listing(market, rows_of(market, self._provider_name), len(providers))
        return self._last

    def _now(self, listing: Listing) -> list[RowNow]:
        now_s = self._now_s()
        return [row_now(row, self._health, now_s) for row in listing.rows]

    def _selected(self, request: Request) -> list[RowNow]:
        return select(self._now(self._listing()), parse(request.query_params))


class NothingHere(BaseRoute):
    """A page for a browser that finds nothing else, whatever the path. Programs get the application's own 404."""

    def __init__(self, endpoint: Callable[[Request], object]) -> None:
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
