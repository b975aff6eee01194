"""`/activity`: spend, tokens and requests of a workspace over a time, stacked by one thing; CSV and JSON beside."""

from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, structs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.errors import InvalidRequest
from tollway.domain.money import nanodollars_to_text, usd
from tollway.gateway.usage import Figures, Used, total
from tollway.routing.savings import Bought, saved
from tollway.web.account import PRIVATE
from tollway.web.charts import Chart, stacked
from tollway.web.figures import about, amount, percent
from tollway.web.forms import as_struct
from tollway.web.key_form import Place
from tollway.web.periods import PERIODS, PERS, USUAL, Period, period_of
from tollway.web.records import Archive, Visit, csv_file, csv_lines, record_routes
from tollway.web.render import answer

PATH = "/activity"
BY = {"model": "Model", "provider": "Provider", "key": "Key", "app": "App", "user": "User"}
DIMENSIONS = {"key": "api_key_id"}
"""What the sums call it, where that is another word."""
SHOW = {
    "spend": "Spend",
    "tokens": "Tokens",
    "requests": "Requests",
    "errors": "Failed",
    "cached": "From a cache",
    "reasoning": "Reasoning",
}
FIGURES = {
    "spend": "cost",
    "tokens": "tokens",
    "requests": "requests",
    "errors": "errors",
    "cached": "cached_tokens",
    "reasoning": "reasoning_tokens",
}
COLUMNS = (
    "begins", "id", "name", "requests", "errors", "tokens_prompt", "tokens_completion", "tokens_reasoning",
    "tokens_cached", "usage_usd", "byok_usage_usd",
)  # fmt: skip
ROWS_SHOWN = 200


class Asked(Struct, frozen=True):
    """The query of the page and of its files."""

    by: Literal["model", "provider", "key", "app", "user"] = "model"
    then: Literal["", "model", "provider", "key", "app", "user"] = ""
    """A second thing that each group is split by."""
    show: Literal["spend", "tokens", "requests", "errors", "cached", "reasoning"] = "spend"
    period: str = ""
    since: str = ""
    until: str = ""
    per: str = ""


class ActivityRow(Struct, frozen=True):
    """One group, over the whole time."""

    name: str
    figures: Figures
    cost: str
    byok: str
    errors: str
    cached: str
    share: str
    """Of all spend."""
    logs: str
    """The query that lists its requests; "" where the list can't be asked for it."""


class ActivityView(Struct, frozen=True):
    """What `activity.html` shows."""

    place: Place
    places: tuple[Place, ...]
    manages: bool
    asked: Asked
    period: str
    chart: Chart | None
    rows: tuple[ActivityRow, ...]
    more: int
    """Groups that the table leaves out."""
    total: ActivityRow
    spent: str
    """In all, to be read at a glance."""
    tokens: int
    saved: str
    """What routing saved; "" where there was nothing to choose."""
    lost: bool
    """It is what was paid more instead."""
    by: dict[str, str]
    show: dict[str, str]
    periods: dict[str, str]
    pers: dict[str, str]
    links: dict[str, str]
    """A query for each of `show` and of `by`, by their words."""
    query: str
    """For the files beside the page."""
    error: str = ""


class Found(Struct, frozen=True, dict=True):
    """What was used, and what its groups are called. Its sums are made once, however many charts they are for."""

    period: Period
    used: Sequence[Used]
    names: dict[Any, str]

    @cached_property
    def figures(self) -> dict[Any, Figures]:
        """Of each group, over the whole time."""
        found: dict[Any, Figures] = {}
        for each in self.used:
            found[each.value] = found.get(each.value, Figures()) + each.figures
        return found

    @cached_property
    def columns(self) -> dict[tuple[int, Any], Figures]:
        """Of each group in each hour, day, week or month."""
        found: dict[tuple[int, Any], Figures] = {}
        for each in self.used:
            place = self.period.start_of(each.at_ms), each.value
            found[place] = found.get(place, Figures()) + each.figures
        return found

    def chart(self, asked: Asked, csv: str) -> Chart:
        """Of the figure that is asked for."""
        starts, columns = self.period.starts, self.columns
        groups: dict[str, list[int]] = {}
        for value in self.figures:
            line = [_figure(columns.get((start, value), Figures()), asked.show) for start in starts]
            groups[_told_apart(self.names[value], groups)] = line
        title = f"{SHOW[asked.show]} by {asked.by}{f' and {asked.then}' if asked.then else ''}"
        kind: Literal["money", "count"] = "money" if asked.show == "spend" else "count"
        return stacked(f"by-{asked.show}", title, kind, [self.period.label(each) for each in starts], groups, csv)


class ActivityPages:
    """The page, and the same as files; all for one query."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        files = ((f"{PATH}.csv", self.as_csv), (f"{PATH}.json", self.as_json))
        return record_routes(self._archive, ((PATH, self.show),), files)

    async def show(self, request: Request, visit: Visit) -> Response:
        """What is wrong with a query is said above the usual time."""
        asked, error = asked_of(request), None
        try:
            found = await find(self._archive, visit, asked)
        except InvalidRequest as wrong:
            error, asked = wrong, Asked(by=asked.by, show=asked.show)
            found = await find(self._archive, visit, asked)
        saved = await _saved(self._archive, visit, asked, found)
        view = _view(visit, asked, found, saved, error.message if error else "")
        return self._archive.renderer.page(request, "activity.html", view, error.status if error else 200, PRIVATE)

    async def as_csv(self, request: Request, visit: Visit) -> Response:
        """`GET /activity.csv`: a line for each group in each hour, day, week or month."""
        found = await find(self._archive, visit, asked_of(request))

        async def lines() -> AsyncIterator[bytes]:
            yield csv_lines([COLUMNS])
            yield csv_lines(_cells(found))

        return csv_file("activity.csv", lines())

    async def as_json(self, request: Request, visit: Visit) -> Response:
        """`GET /activity.json`"""
        found = await find(self._archive, visit, asked_of(request))
        data = [dict(zip(COLUMNS, cells, strict=True)) for cells in _cells(found, exact=usd)]
        return answer(request, msgspec.json.encode({"data": data}), "application/json", headers=PRIVATE)


def asked_of(request: Request) -> Asked:
    """What the URL asks for; a thing is not split by itself. InvalidRequest: a word that is none."""
    asked = as_struct(request.query_params.multi_items(), Asked)
    return structs.replace(asked, then="") if asked.then == asked.by else asked


async def find(archive: Archive, visit: Visit, asked: Asked) -> Found:
    """InvalidRequest: a time that can't be shown."""
    period = period_of(archive.now_ms(), asked.period, asked.since, asked.until, asked.per)
    dimension = DIMENSIONS.get(asked.by, asked.by)
    if asked.then:
        return await _find_pairs(archive, visit, period, (dimension, DIMENSIONS.get(asked.then, asked.then)))
    sums = archive.usage.by_hour if period.per == "hour" else archive.usage.by_day
    used = await sums(visit.scope, period.from_ms, period.until_ms, dimension)
    return Found(period, used, await _names(archive, dimension, [each.value for each in used]))


async def _names(archive: Archive, dimension: str, values: Sequence[Any]) -> dict[Any, str]:
    names = await archive.usage.names(dimension, values)
    if dimension == "provider":
        return {value: archive.provider_name(value) if value else name for value, name in names.items()}
    return names


async def _find_pairs(archive: Archive, visit: Visit, period: Period, dimensions: tuple[str, str]) -> Found:
    """InvalidRequest: by the hour, records are summed by one thing alone."""
    if period.per == "hour":
        raise InvalidRequest("By the hour there is no second grouping: choose days, or one grouping.", param="then")
    used = await archive.usage.by_day_and(visit.scope, period.from_ms, period.until_ms, dimensions)
    pairs = dict.fromkeys(each.value for each in used)
    one, other = [await _names(archive, name, [pair[at] for pair in pairs]) for at, name in enumerate(dimensions)]
    return Found(period, used, {pair: f"{one[pair[0]]} \u00b7 {other[pair[1]]}" for pair in pairs})


async def _saved(archive: Archive, visit: Visit, asked: Asked, found: Found) -> int | None:
    """What routing saved in the period, in nanodollars; tokens of a workspace's own keys have no bill here."""
    period = found.period
    if asked.by == "model" and not asked.then:
        models = found.figures
    else:
        models = await archive.usage.by_model(visit.scope, period.from_ms, period.until_ms)
    return saved(
        archive.market(),
        (
            Bought(model, each.requests, each.prompt_tokens, each.cached_tokens, each.completion_tokens, each.cost)
            for model, each in models.items()
            if not each.byok
        ),
    )


def _view(visit: Visit, asked: Asked, found: Found, spared: int | None, error: str) -> ActivityView:
    groups = found.figures
    whole = total(found.used)
    rows = [_row(asked, found, visit, value, figures, whole) for value, figures in groups.items()]
    rows.sort(key=lambda row: (-row.figures.cost, -row.figures.requests, row.name))
    known = {name: value for name, value in _query(visit, asked).items() if value}
    links = {word: urlencode(known | {"show": word}) for word in SHOW}
    links |= {word: urlencode(known | {"by": word}) for word in BY}
    query = urlencode(known)
    return ActivityView(
        place=visit.place,
        places=visit.places,
        manages=visit.manages,
        asked=asked,
        period=f"{found.period.label(found.period.from_ms)} to {found.period.label(found.period.until_ms - 1)}",
        chart=found.chart(asked, f"{PATH}.csv?{query}") if found.used else None,
        rows=tuple(rows[:ROWS_SHOWN]),
        more=max(0, len(rows) - ROWS_SHOWN),
        total=_line("All", whole, whole, ""),
        tokens=whole.tokens,
        spent=about(whole.cost),
        saved="" if spared is None else about(abs(spared)),
        lost=spared is not None and spared < 0,
        by=BY,
        show=SHOW,
        periods=PERIODS,
        pers=PERS,
        links=links,
        query=query,
        error=error,
    )


def _query(visit: Visit, asked: Asked) -> dict[str, str]:
    times = {"since": asked.since, "until": asked.until} if asked.since or asked.until else {}
    period = {} if times else {"period": asked.period or USUAL}
    known = {"workspace": visit.place.id, "by": asked.by, "then": asked.then, "show": asked.show}
    return {**known, **period, **times, "per": asked.per}


def _row(asked: Asked, found: Found, visit: Visit, value: Any, figures: Figures, whole: Figures) -> ActivityRow:
    pair = isinstance(value, tuple)
    filters = dict(zip((asked.by, asked.then), value, strict=True)) if pair else {asked.by: value}
    listed = "user" not in filters and all(filters.values())
    times = {"since": asked.since, "until": asked.until} if asked.since or asked.until else {"period": asked.period}
    query = {"workspace": visit.place.id, **filters, **{name: each for name, each in times.items() if each}}
    return _line(found.names[value], figures, whole, urlencode(query) if listed else "")


def _line(name: str, figures: Figures, whole: Figures, logs: str) -> ActivityRow:
    share = percent(figures.cost / whole.cost) if whole.cost else percent(None)
    return ActivityRow(
        name, figures, amount(figures.cost), amount(figures.byok), percent(figures.error_share),
        percent(figures.cached_share), share, logs,
    )  # fmt: skip


def _cells(found: Found, exact: Any = nanodollars_to_text) -> list[tuple[Any, ...]]:
    lines = sorted(found.columns.items(), key=lambda each: (each[0][0], -each[1].cost, str(each[0][1])))
    return [
        (
            found.period.label(start), _id(value), found.names[value], each.requests, each.errors, each.prompt_tokens,
            each.completion_tokens, each.reasoning_tokens, each.cached_tokens, exact(each.cost), exact(each.byok),
        )
        for (start, value), each in lines
    ]  # fmt: skip


def _id(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _figure(figures: Figures, show: str) -> int:
    return int(getattr(figures, FIGURES[show]))


def _told_apart(name: str, known: dict[str, list[int]]) -> str:
    """Two keys may have one name."""
    number, found = 2, name
    while found in known:
        found, number = f"{name} ({number})", number + 1
    return found
