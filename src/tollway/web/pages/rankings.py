"""`/rankings`: which models, authors, providers and apps are used most, by tokens or requests; the same as data."""

import csv
import io
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.cells import cell
from tollway.storage.usage_days import KEYS_LEAST, Use, Uses
from tollway.web.page import Site
from tollway.web.render import answer

SHOWN_MAX = 50
DAYS = {"day": (1, "Today"), "week": (7, "7 days"), "month": (30, "30 days")}
"""By the word of the URL: days, this one among them, and the words of the page."""
BY = {"tokens": "Tokens", "requests": "Requests"}
BOARDS = {"models": "Models", "authors": "Authors", "providers": "Providers", "apps": "Apps"}
Place = tuple[str, str, str]
"""A name, where it leads below the site's root ("" if nowhere), and an id, as two apps may have one name."""
Board = dict[Place, Use]


class Ranked(Struct, frozen=True):
    """One line."""

    name: str
    path: str
    """Where it leads, below the site's root; "" for apps, and for models that the catalog no longer has."""
    tokens: int
    requests: int
    percent: int
    """Of the first one's."""
    moved: int | None = None
    """By how many ranks it rose (less than 0: fell) since as many days before; None: it was not ranked then."""


class RankingsView(Struct, frozen=True):
    """What `rankings.html` shows."""

    period: str
    by: str
    periods: dict[str, str]
    measures: dict[str, str]
    keys_least: int
    boards: tuple[tuple[str, str, tuple[Ranked, ...]], ...]
    """Id, title and lines."""
    compared: bool
    """Whether anything was used in the time before, so that ranks can have moved."""


async def rankings(site: Site, request: Request) -> RankingsView:
    """Of the day, the week or the month that the URL says, else of the week; by tokens, unless it says requests."""
    period, by = request.query_params.get("period", ""), request.query_params.get("by", "")
    period, by = period if period in DAYS else "week", by if by in BY else "tokens"
    days = DAYS[period][0]
    now, before = _boards(site, await site.uses(days, 0)), _boards(site, await site.uses(days, days))
    return RankingsView(
        period=period,
        by=by,
        periods={word: words for word, (_, words) in DAYS.items()},
        measures=BY,
        keys_least=KEYS_LEAST,
        boards=tuple((name, title, _ranked(now[name], before[name], by)) for name, title in BOARDS.items()),
        compared=any(before.values()),
    )


async def rankings_json(site: Site, request: Request) -> Response:
    """`GET /rankings.json?period=&by=`: `{"period", "by", "models": [...], "authors", "providers", "apps"}`."""
    view = await rankings(site, request)
    body = {"period": view.period, "by": view.by, **{name: lines for name, _, lines in view.boards}}
    return answer(request, msgspec.json.encode(body), "application/json")


async def rankings_csv(site: Site, request: Request) -> Response:
    """`GET /rankings.csv?period=&by=`: a line for each line of the page."""
    view = await rankings(site, request)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("board", "rank", "name", "tokens", "requests", "moved"))
    for name, _, lines in view.boards:
        for rank, each in enumerate(lines, 1):
            writer.writerow(map(cell, (name, rank, each.name, each.tokens, each.requests, each.moved)))
    headers = {"content-disposition": 'attachment; filename="rankings.csv"'}
    return answer(request, out.getvalue().encode(), "text/csv; charset=utf-8", headers=headers)


def _boards(site: Site, uses: Uses) -> Mapping[str, Board]:
    offers = site.market().offers
    found: dict[str, Board] = {name: {} for name in BOARDS}
    authors: dict[str, Use] = {}
    for id_, use in uses.models.items():
        offer, author = offers.get(id_), id_.partition("/")[0]
        found["models"][offer.model.name if offer else id_, f"/models/{quote(id_)}" if offer else "", id_] = use
        authors[author] = authors.get(author, Use()) + use
    found["authors"] = {(name, f"/models?author={quote(name)}", name): use for name, use in authors.items()}
    found["providers"] = {
        (site.provider_name(slug), f"/models?provider={quote(slug)}", slug): use for slug, use in uses.providers.items()
    }
    for app in uses.apps:
        found["apps"][app.title or app.url or "unnamed", "", str(app.id)] = Use(app.tokens, app.requests)
    return found


def _ranked(now: Board, before: Board, by: str) -> tuple[Ranked, ...]:
    """The first SHOWN_MAX, then by name."""
    places = {place: rank for rank, (place, _) in enumerate(_order(before, by))}
    rows = _order(now, by)[:SHOWN_MAX]
    most = getattr(rows[0][1], by) if rows else 1
    return tuple(
        Ranked(
            place[0], place[1], use.tokens, use.requests, max(1, round(100 * getattr(use, by) / most)),
            places[place] - rank if place in places else None,
        )
        for rank, (place, use) in enumerate(rows)
    )  # fmt: skip


def _order(board: Board, by: str) -> list[tuple[Place, Use]]:
    used = [each for each in board.items() if getattr(each[1], by)]
    return sorted(used, key=lambda each: (-getattr(each[1], by), each[0]))
