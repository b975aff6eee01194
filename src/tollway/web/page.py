"""What a page is: a URL, a template, and the function that finds what the template shows. docs/pages.md leads on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tollway.domain.catalog import Price
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import NotFound
from tollway.domain.measured import EndpointHour
from tollway.domain.storefronts import Group
from tollway.routing.explain import Explanation, Prompt
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market
from tollway.storage.usage_days import ModelUse, Uses
from tollway.web.account import PRIVATE
from tollway.web.render import Renderer
from tollway.web.rows import Listing, Listings, RowNow, row_now


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
    uses: Callable[[int, int], Awaitable[Uses]]
    """What was used in so many days, the last of which was so many days before this one."""

    hours: Callable[[Sequence[str], int], Awaitable[Mapping[str, Mapping[int, EndpointHour]]]]
    """Endpoints' ids, and an hour (hours since 1970) -> what is kept of each since then, by hour."""
    prices: Callable[[Sequence[str]], Awaitable[Mapping[str, Sequence[Price]]]]
    """Endpoints' ids -> every price that each ever had, the earliest first."""
    now_ms: Callable[[], int]
    """Wall time."""
    explain: Callable[[ChatRequest, Prompt], Explanation]
    """What a chat request's plan would be, for somebody who has money and no limits. TollwayError: as the request."""
    model_use: Callable[[str], Awaitable[ModelUse]]
    """A model's id -> what everybody used it for in the last 30 days."""
    provider_days: Callable[[], Awaitable[Mapping[str, Mapping[int, tuple[int, int]]]]]
    """By provider's slug and day (since 1970), of the last 90: requests that ended there, and those that failed."""
    troubles: Callable[[], Awaitable[Sequence[tuple[tuple[str, int], EndpointHour]]]]
    """Endpoints' ids and hours (since 1970), of the last 30 days, in which one failed or had too much to do."""
    plan_for: Callable[[Request, ChatRequest, Prompt], Awaitable[Explanation | None]]
    """As `explain`, by the settings of who is signed in. None: nobody is."""
    own_market: Callable[[Request, str], Awaitable[Market | None]]
    """What the settings of a workspace leave of the market, by its id, "" for the visitor's own. None: nobody is
    signed in. NotFound: not theirs."""
    groups: Callable[[], Sequence[Group]]
    """Those with prices of their own."""
    guests: bool = False
    """Whether models may be asked without an account."""

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"{self.public_url}/api/v1"

    def rows(self) -> list[RowNow]:
        """Every model with its present health."""
        return self.rows_now(self.listings.get())

    def rows_now(self, listing: Listing) -> list[RowNow]:
        """The rows of a listing with their present health."""
        now_s = self.now_s()
        return [row_now(row, self.health, now_s) for row in listing.rows]


class Personal(Struct, frozen=True):
    """A view that one visitor alone is to see: nobody keeps a copy of the page."""

    view: Struct


View = Callable[[Site, Request], Awaitable[Struct]]
"""Finds what a page shows, `Personal` where that is the visitor's own. NotFound: there is no such page after all."""


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
        if isinstance(view, Personal):
            return renderer.page(request, page.template, view.view, headers=PRIVATE)
        return renderer.page(request, page.template, view)

    return Route(page.path, endpoint)


def nothing_here(renderer: Renderer, request: Request) -> Response:
    """404, as a page."""
    return renderer.page(request, "nothing_here.html", NothingHereView(request.url.path), status=404)
