"""What a page is: a URL, a template, and the function that finds what the template shows. docs/pages.md leads on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tollway.domain.chat import ChatRequest
from tollway.domain.errors import NotFound
from tollway.routing.explain import Explanation, Prompt
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market
from tollway.storage.usage_days import AppUse
from tollway.web.render import Renderer
from tollway.web.rows import Listings, RowNow, row_now


class Site(Struct, frozen=True):
    """What pages are made from, built once by app.py."""

    market: Callable[[], Market]
    """The present snapshot."""
    listings: Listings
    health: HealthBoard
    provider_name: Callable[[str], str]
    """A provider's slug -> its name."""
    public_url: str
    """The site's own address, without a trailing slash."""
    now_s: Callable[[], float]
    """Monotonic seconds, as the health board has them."""
    model_tokens: Callable[[], Awaitable[Mapping[str, int]]]
    """Tokens by model, of the last week."""
    apps: Callable[[], Awaitable[Sequence[AppUse]]]
    """The apps with the most tokens of the last month."""

    explain: Callable[[ChatRequest, Prompt], Explanation]
    """What a chat request's plan would be, for somebody who has money and no limits. TollwayError: as the request."""

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"{self.public_url}/api/v1"

    def rows(self) -> list[RowNow]:
        """Every model with its present health."""
        now_s = self.now_s()
        return [row_now(row, self.health, now_s) for row in self.listings.get().rows]


View = Callable[[Site, Request], Awaitable[Struct]]
"""Finds what a page shows. NotFound: there is no such page after all."""


class Page(Struct, frozen=True):
    """One line of the site."""

    path: str
    """With Starlette's parameters: `/models/{model:path}`."""
    template: str
    view: View


class NothingHereView(Struct, frozen=True):
    """What `nothing_here.html` shows."""

    path: str


def page_route(page: Page, site: Site, renderer: Renderer) -> BaseRoute:
    """A page as Starlette wants it; what is not there is a page too."""

    async def endpoint(request: Request) -> Response:
        try:
            view = await page.view(site, request)
        except NotFound:
            return nothing_here(renderer, request)
        return renderer.page(request, page.template, view)

    return Route(page.path, endpoint)


def nothing_here(renderer: Renderer, request: Request) -> Response:
    """404, as a page."""
    return renderer.page(request, "nothing_here.html", NothingHereView(request.url.path), status=404)
