"""`/models`: every model in a table, with search, filters, order and pages in the URL; the same as JSON and CSV."""

from math import ceil

from msgspec import Struct
from starlette.requests import Request

from tollway.web.page import Site
from tollway.web.query import ABILITIES, CONTEXTS, Query, modalities, parse, select
from tollway.web.rows import RowNow

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
    abilities: dict[str, str]
    contexts: tuple[int, ...]

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


async def models(site: Site, request: Request) -> ModelsView:
    """The models browser."""
    now, query = site.rows(), parse(request.query_params)
    found = select(now, query)
    pages = max(1, ceil(len(found) / ROWS_PER_PAGE))
    page = min(query.page, pages)
    reads, writes = modalities(now)
    slugs = {slug for shown in now if shown.endpoints for slug in shown.row.provider_slugs}
    return ModelsView(
        Table(
            query=query,
            rows=tuple(found[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]),
            total=len(found),
            page=page,
            pages=pages,
            reads=reads,
            writes=writes,
            providers=tuple(sorted(((slug, site.provider_name(slug)) for slug in slugs), key=lambda one: one[1])),
            abilities=ABILITIES,
            contexts=CONTEXTS,
        )
    )
