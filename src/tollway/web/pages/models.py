"""`/models`: every model in a table, with search, filters, order and pages in the URL; the same as JSON and CSV."""

from math import ceil

from msgspec import Struct
from starlette.requests import Request

from tollway.domain.errors import Unauthenticated
from tollway.web.account import sign_in_path
from tollway.web.page import Personal, Site
from tollway.web.pages.compare import MODELS_MAX
from tollway.web.query import ABILITIES, CONTEXTS, Query, api_query, modalities, parse, select
from tollway.web.rows import PRIVACY, RowNow, with_day

ROWS_PER_PAGE = 100


class Table(Struct, frozen=True):
    """One page of the rows that the query found, and what can be chosen from."""

    query: Query
    rows: tuple[RowNow, ...]
    total: int
    page: int
    pages: int
    reads: tuple[str, ...]
    """Modalities to choose from."""
    writes: tuple[str, ...]
    providers: tuple[tuple[str, str], ...]
    """Slug and name of each that has an endpoint on offer, by name."""
    authors: tuple[str, ...]
    """Of models on offer, by name."""
    quantizations: tuple[str, ...]
    promises: dict[str, str]
    abilities: dict[str, str]
    contexts: tuple[int, ...]
    sign_in: str
    """Where the visitor first has to go, for what their own settings allow; "" where that is not asked, or known."""
    api: str
    """The query of `GET /api/v1/models` that finds the same models; "" where it has none."""

    @property
    def first(self) -> int:
        """The place of the first row shown, from 1; 0 if there is none."""
        return (self.page - 1) * ROWS_PER_PAGE + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The place of the last row shown."""
        return min(self.page * ROWS_PER_PAGE, self.total)


class ModelsView(Struct, frozen=True):
    """What `models.html` shows."""

    table: Table
    together_max: int = MODELS_MAX
    """How many of the ticked can be compared."""


async def models(site: Site, request: Request) -> ModelsView | Personal:
    """The models browser. NotFound: another tenant's workspace."""
    query = parse(request.query_params)
    try:
        now, sign_in = await rows_for(site, request, query), ""
    except Unauthenticated:
        now, sign_in = site.rows(), sign_in_path(f"/models{query.url(page=1)}")
    found = [] if sign_in else select(now, query, await site.model_tokens())
    view = _view(site, query, now, found, sign_in)
    return Personal(view) if query.allowed else view


async def rows_for(site: Site, request: Request, query: Query) -> list[RowNow]:
    """What a query may choose from: all, or what the visitor's settings allow.

    Unauthenticated: then somebody must be signed in. NotFound: to a workspace that is not theirs.
    """
    if not query.allowed:
        return site.rows()
    market = await site.own_market(request, query.workspace)
    if market is None:
        raise Unauthenticated("Sign in first: what your settings allow is known then.")
    return site.rows_now(site.listings.of(market))


def _view(site: Site, query: Query, now: list[RowNow], found: list[RowNow], sign_in: str) -> ModelsView:
    pages = max(1, ceil(len(found) / ROWS_PER_PAGE))
    page = min(query.page, pages)
    reads, writes = modalities(now)
    slugs = {slug for shown in now if shown.endpoints for slug in shown.row.provider_slugs}
    now_s, asked = site.now_s(), api_query(query)
    return ModelsView(
        Table(
            query=query,
            rows=tuple(
                with_day(shown, site.health, now_s)
                for shown in found[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]
            ),
            total=len(found),
            page=page,
            pages=pages,
            reads=reads,
            writes=writes,
            providers=tuple(sorted(((slug, site.provider_name(slug)) for slug in slugs), key=lambda one: one[1])),
            authors=tuple(sorted({shown.row.author for shown in now if shown.endpoints}, key=str.casefold)),
            quantizations=tuple(sorted({each for shown in now for each in shown.row.quantizations})),
            promises=PRIVACY,
            abilities=ABILITIES,
            contexts=CONTEXTS,
            sign_in=sign_in,
            api="" if asked is None else asked,
        )
    )
