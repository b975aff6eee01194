"""`/`: what this router offers, its key figures, its first models with prices, and a first request to paste."""

from collections.abc import Sequence

from msgspec import Struct
from starlette.requests import Request

from tollway.web.page import Site
from tollway.web.rows import RowNow
from tollway.web.samples import Sample, samples

ROWS = 8


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


class HomeView(Struct, frozen=True):
    """What `home.html` shows."""

    figures: KeyFigures
    rows: tuple[RowNow, ...]
    """A few of the models: those that are used most, or those with most endpoints."""
    most_used: bool
    samples: tuple[Sample, ...]
    """Empty when nothing is on offer that a chat could use."""
    base_url: str
    guests: bool
    """Whether somebody without an account may ask."""


async def home(site: Site, request: Request) -> HomeView:
    """The first page."""
    now = site.rows()
    model, used = sample_model(now), await site.model_tokens()
    return HomeView(
        figures=key_figures(now, site.listings.get().providers),
        rows=tuple(sorted(now, key=lambda shown: -used.get(shown.row.id, 0))[:ROWS]),
        most_used=bool(used),
        samples=samples(site.base_url, model) if model else (),
        base_url=site.base_url,
        guests=site.guests,
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


def sample_model(now: Sequence[RowNow]) -> str:
    """The id that the samples use: of the first that reads and writes text and is not down.

    "" when nothing is on offer that a chat could use.
    """
    chats = [shown for shown in now if shown.endpoints and "text" in shown.row.writes and "text" in shown.row.reads]
    return next((shown.row.id for shown in [*filter(lambda one: one.is_live, chats), *chats]), "")
