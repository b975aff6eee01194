"""`/rankings`: which models, authors, providers and apps are used most on this server, by tokens; the same as data."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.cells import cell
from tollway.web.page import Site
from tollway.web.render import answer

SHOWN_MAX = 50
DAYS = {"day": (1, "Today"), "week": (7, "7 days"), "month": (30, "30 days")}
"""By the word of the URL: days, this one among them, and the words of the page."""
BOARDS = {"models": "Models", "authors": "Authors", "providers": "Providers", "apps": "Apps"}


class Ranked(Struct, frozen=True):
    """One line."""

    name: str
    path: str
    """Where it leads, below the site's root; "" for apps, and for models that the catalog no longer has."""
    tokens: int
    percent: int
    """Of the first one's tokens."""
    requests: int | None = None


class RankingsView(Struct, frozen=True):
    """What `rankings.html` shows."""

    period: str
    periods: dict[str, str]
    boards: tuple[tuple[str, str, tuple[Ranked, ...]], ...]
    """Id, title and lines."""


async def rankings(site: Site, request: Request) -> RankingsView:
    """Of the day, the week or the month that the URL says; else of the week."""
    period = request.query_params.get("period", "")
    period = period if period in DAYS else "week"
    uses, offers = await site.uses(DAYS[period][0]), site.market().offers
    authors: Counter[str] = Counter()
    for id_, tokens in uses.models.items():
        authors[id_.partition("/")[0]] += tokens
    models = [
        (
            offers[id_].model.name if id_ in offers else id_,
            f"/models/{quote(id_)}" if id_ in offers else "",
            tokens,
            None,
        )
        for id_, tokens in uses.models.items()
    ]
    found = {
        "models": _ranked(models),
        "authors": _ranked((name, f"/models?author={quote(name)}", tokens, None) for name, tokens in authors.items()),
        "providers": _ranked(
            (site.provider_name(slug), f"/models?provider={quote(slug)}", tokens, None)
            for slug, tokens in uses.providers.items()
        ),
        "apps": _ranked((app.title or app.url or "unnamed", "", app.tokens, app.requests) for app in uses.apps),
    }
    return RankingsView(
        period=period,
        periods={word: words for word, (_, words) in DAYS.items()},
        boards=tuple((name, BOARDS[name], lines) for name, lines in found.items()),
    )


async def rankings_json(site: Site, request: Request) -> Response:
    """`GET /rankings.json?period=`: `{"period", "models": [...], "authors", "providers", "apps"}`."""
    view = await rankings(site, request)
    body = {"period": view.period, **{name: lines for name, _, lines in view.boards}}
    return answer(request, msgspec.json.encode(body), "application/json")


async def rankings_csv(site: Site, request: Request) -> Response:
    """`GET /rankings.csv?period=`: a line for each line of the page."""
    view = await rankings(site, request)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("board", "rank", "name", "tokens", "requests"))
    for name, _, lines in view.boards:
        for rank, each in enumerate(lines, 1):
            writer.writerow(map(cell, (name, rank, each.name, each.tokens, each.requests)))
    headers = {"content-disposition": 'attachment; filename="rankings.csv"'}
    return answer(request, out.getvalue().encode(), "text/csv; charset=utf-8", headers=headers)


def _ranked(found: Iterable[tuple[str, str, int, int | None]]) -> tuple[Ranked, ...]:
    """The first SHOWN_MAX by tokens, then by name."""
    rows = sorted((each for each in found if each[2]), key=lambda row: (-row[2], row[0]))[:SHOWN_MAX]
    most = rows[0][2] if rows else 1
    return tuple(
        Ranked(name, path, tokens, max(1, round(100 * tokens / most)), requests)
        for name, path, tokens, requests in rows
    )
