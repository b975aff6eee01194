"""The first page: what this router offers, its key figures, its models with prices, and a first request to paste."""

from collections.abc import Sequence
from math import ceil

from msgspec import Struct

from tollway.web.query import Query, modalities, select
from tollway.web.rows import RowNow
from tollway.web.samples import Sample, samples

ROWS_PER_PAGE = 100


class KeyFigures(Struct, frozen=True):
    """Counted now, never written by hand."""

    models: int
    """On offer: with at least one live endpoint."""
    providers: int
    endpoints: int
    endpoints_up: int
    endpoints_untried: int
    endpoints_down: int
    catalog_models: int
    """Those that the catalog knows and that are off."""


class Table(Struct, frozen=True):
    """One page of the rows that the query found."""

    query: Query
    rows: tuple[RowNow, ...]
    total: int
    page: int
    pages: int
    reads: tuple[str, ...]
    """Modalities to choose from."""
    writes: tuple[str, ...]

    @property
    def first(self) -> int:
        """The place of the first row shown, from 1; 0 if there is none."""
        return (self.page - 1) * ROWS_PER_PAGE + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The place of the last row shown."""
        return min(self.page * ROWS_PER_PAGE, self.total)


class HomeView(Struct, frozen=True):
    """What `home.html` shows."""

    figures: KeyFigures
    table: Table
    samples: tuple[Sample, ...]
    """Empty when nothing is on offer."""
    sample_model: str
    base_url: str


def home_view(now: Sequence[RowNow], providers: int, query: Query, base_url: str) -> HomeView:
    """Every row with its present health, and the query -> the page."""
    found = select(now, query)
    pages = max(1, ceil(len(found) / ROWS_PER_PAGE))
    page = min(query.page, pages)
    reads, writes = modalities(now)
    model = sample_model(now, query.model)
    return HomeView(
        figures=key_figures(now, providers),
        table=Table(
            query=query,
            rows=tuple(found[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]),
            total=len(found),
            page=page,
            pages=pages,
            reads=reads,
            writes=writes,
        ),
        samples=samples(base_url, model) if model else (),
        sample_model=model,
        base_url=base_url,
    )


def key_figures(now: Sequence[RowNow], providers: int) -> KeyFigures:
    """The rows, counted."""
    offered = sum(bool(shown.endpoints) for shown in now)
    return KeyFigures(
        models=offered,
        providers=providers if offered else 0,
        endpoints=sum(shown.endpoints for shown in now),
        endpoints_up=sum(shown.up for shown in now),
        endpoints_untried=sum(shown.untried for shown in now),
        endpoints_down=sum(shown.down for shown in now),
        catalog_models=len(now) - offered,
    )


def sample_model(now: Sequence[RowNow], wanted: str) -> str:
    """The id that the samples use: the wanted one if it is on offer, else the first that writes text and is not down.

    "" when nothing is on offer that a chat could use.
    """
    chats = [shown for shown in now if shown.endpoints and "text" in shown.row.writes and "text" in shown.row.reads]
    for shown in chats:
        if shown.row.id == wanted:
            return wanted
    return next((shown.row.id for shown in [*filter(lambda one: one.is_live, chats), *chats]), "")
