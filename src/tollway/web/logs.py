"""`/logs`: what a workspace asked for, filtered by the URL, page by page; the same columns as a CSV file."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.generation import Generation
from tollway.domain.money import nanodollars_from_text
from tollway.storage.generations import Counted, Place, Wanted
from tollway.web.account import PRIVATE
from tollway.web.charts import Chart, stacked
from tollway.web.figures import amount
from tollway.web.forms import as_struct
from tollway.web.key_form import Place as Workspace
from tollway.web.log_columns import COLUMNS, Column, chosen, status_of
from tollway.web.periods import DAY_MS, HOUR_MS, PERIODS, USUAL, Period, period_of
from tollway.web.records import Archive, Visit, csv_file, csv_lines, record_routes
from tollway.web.render import SECURITY_HEADERS

PATH = "/logs"
PAGE, CSV_PAGE = 50, 1000
CHOICES_MAX = 200
STATES = {"": "every state", "ok": "answered", "error": "failed"}


class Asked(Struct, frozen=True):
    """The query of the page and of its file; `columns` come besides, as often as one likes."""

    period: str = ""
    since: str = ""
    until: str = ""
    model: str = ""
    provider: str = ""
    key: str = ""
    app: str = ""
    status: Literal["", "ok", "error"] = ""
    cost: str = ""
    """At least so much, in USD."""
    after: str = ""
    """The place that the page before ended at."""


class LogRow(Struct, frozen=True):
    """One generation: its id, and a text for each column."""

    id: str
    cells: tuple[str, ...]
    state: str


class Choices(Struct, frozen=True):
    """What was used in the time: (value, name) of each filter."""

    model: tuple[tuple[str, str], ...]
    provider: tuple[tuple[str, str], ...]
    key: tuple[tuple[str, str], ...]
    app: tuple[tuple[str, str], ...]


class LogsView(Struct, frozen=True):
    """What `logs.html` shows."""

    place: Workspace
    places: tuple[Workspace, ...]
    manages: bool
    asked: Asked
    filtered: bool
    choices: Choices
    states: dict[str, str]
    periods: dict[str, str]
    columns: tuple[Column, ...]
    all_columns: dict[str, Column]
    chosen: tuple[str, ...]
    rows: tuple[LogRow, ...]
    chart: Chart | None
    requests: int
    errors: int
    tokens: int
    cost: str
    query: str
    """Of what is shown, for the file beside it."""
    first: str
    """The query of the first page; "" if that is what is shown."""
    following: str
    """Of the next one; "" if there is none."""
    error: str = ""


class LogPages:
    """The list, and its file."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        files = ((f"{PATH}.csv", self.as_csv), (f"{PATH}.json", self.as_json))
        return record_routes(self._archive, ((PATH, self.show),), files)

    async def show(self, request: Request, visit: Visit) -> Response:
        """What is wrong with a filter is said, with what was typed; nothing is listed then."""
        asked = as_struct(request.query_params.multi_items(), Asked)
        columns = chosen(request.query_params.getlist("columns"))
        try:
            period, wanted = await self._wanted(visit, asked)
        except InvalidRequest as error:
            period = period_of(self._archive.now_ms())
            view = await self._view(visit, asked, columns, period, None, error.message)
            return self._archive.renderer.page(request, "logs.html", view, error.status, PRIVATE)
        view = await self._view(visit, asked, columns, period, wanted)
        return self._archive.renderer.page(request, "logs.html", view, headers=PRIVATE)

    async def as_csv(self, request: Request, visit: Visit) -> Response:
        """`GET /logs.csv`: every page at once, in the columns that are chosen."""
        asked = as_struct(request.query_params.multi_items(), Asked)
        columns = chosen(request.query_params.getlist("columns"))
        _, wanted = await self._wanted(visit, asked)
        return csv_file("logs.csv", self._lines(wanted, columns))

    async def as_json(self, request: Request, visit: Visit) -> Response:
        """`GET /logs.json`: the same rows."""
        asked = as_struct(request.query_params.multi_items(), Asked)
        columns = chosen(request.query_params.getlist("columns"))
        _, wanted = await self._wanted(visit, asked)
        return StreamingResponse(
            self._objects(wanted, columns), media_type="application/json", headers=SECURITY_HEADERS | PRIVATE
        )

    async def _objects(self, wanted: Wanted, columns: Sequence[str]) -> AsyncIterator[bytes]:
        before = b'{"data":['
        async for page in self._pages(wanted):
            rows = [{"id": each.id, **{word: COLUMNS[word].data(each) for word in columns}} for each in page]
            if rows:
                yield before + b",".join(map(msgspec.json.encode, rows))
                before = b","
        yield b"]}" if before == b"," else before + b"]}"

    async def _pages(self, wanted: Wanted) -> AsyncIterator[list[Generation]]:
        place: Place | None = None
        while True:
            found, place = await self._archive.records.generations(wanted, place, CSV_PAGE)
            yield found
            if place is None:
                return

    async def _lines(self, wanted: Wanted, columns: Sequence[str]) -> AsyncIterator[bytes]:
        yield csv_lines([("id", *columns)])
        async for page in self._pages(wanted):
            yield csv_lines((each.id, *(COLUMNS[word].data(each) for word in columns)) for each in page)

    async def _wanted(self, visit: Visit, asked: Asked) -> tuple[Period, Wanted]:
        period = period_of(self._archive.now_ms(), asked.period, asked.since, asked.until)
        if asked.app and not re.fullmatch("[0-9]{1,16}", asked.app):
            raise InvalidRequest("app: one of the list", param="app")
        try:
            cost_min = nanodollars_from_text(asked.cost.strip().removeprefix("$")) if asked.cost.strip() else None
        except ValueError:
            raise InvalidRequest("The least cost is an amount in USD, such as 0.01.", param="cost") from None
        try:
            scope = await self._archive.records.scope(visit.actor, visit.place.id, key_id=asked.key or None)
        except NotFound:
            raise InvalidRequest("This workspace has no such key, or it is not yours.", param="key") from None
        return period, Wanted(
            workspace_id=scope.workspace_id,
            key_id=scope.key_id,
            creator=scope.creator,
            model=asked.model or None,
            provider=asked.provider or None,
            app_id=int(asked.app) if asked.app else None,
            failed=asked.status == "error" if asked.status else None,
            from_ms=period.from_ms,
            until_ms=period.until_ms,
            cost_min=cost_min,
        )

    async def _view(
        self,
        visit: Visit,
        asked: Asked,
        columns: tuple[str, ...],
        period: Period,
        wanted: Wanted | None,
        error: str = "",
    ) -> LogsView:
        archive = self._archive
        found: list[Generation] = []
        following: Place | None = None
        counted: list[Counted] = []
        if wanted is not None:
            found, following = await archive.records.generations(wanted, _place(asked.after), PAGE)
            counted = await archive.records.count(wanted, HOUR_MS if period.per == "hour" else DAY_MS)
        choices = await self._choices(visit, period)
        names = {**dict(choices.key), **dict(choices.provider)}
        query = _query(visit, asked, columns)
        after = {"after": f"{following.created_ms}-{following.id}"} if following else {}
        return LogsView(
            place=visit.place,
            places=visit.places,
            manages=visit.manages,
            asked=asked,
            filtered=any((asked.model, asked.provider, asked.key, asked.app, asked.status, asked.cost)),
            choices=choices,
            states=STATES,
            periods=PERIODS,
            columns=tuple(COLUMNS[word] for word in columns),
            all_columns=COLUMNS,
            chosen=columns,
            rows=tuple(_row(each, columns, names) for each in found),
            chart=_chart(period, counted) if counted else None,
            requests=sum(each.requests for each in counted),
            errors=sum(each.errors for each in counted),
            tokens=sum(each.prompt_tokens + each.completion_tokens for each in counted),
            cost=amount(sum(each.cost for each in counted)),
            query=urlencode(query),
            first=urlencode(query) if asked.after else "",
            following=urlencode([*query, *after.items()]) if after else "",
            error=error,
        )

    async def _choices(self, visit: Visit, period: Period) -> Choices:
        """What the period's sums have, the most used first."""
        usage = self._archive.usage
        groups = await usage.groups(
            visit.scope, period.from_ms, period.until_ms, ("model", "provider", "api_key_id", "app")
        )
        keys = await usage.names("api_key_id", groups["api_key_id"])
        apps = await usage.names("app", groups["app"])
        return Choices(
            model=tuple((each, each) for each in groups["model"][:CHOICES_MAX]),
            provider=tuple((each, self._archive.provider_name(each)) for each in groups["provider"] if each),
            key=tuple((each, keys[each]) for each in groups["api_key_id"][:CHOICES_MAX]),
            app=tuple((str(each), apps[each]) for each in groups["app"][:CHOICES_MAX] if each),
        )


def _row(generation: Generation, columns: Sequence[str], names: Mapping[str, str]) -> LogRow:
    cells = tuple(COLUMNS[word].text(generation, names) for word in columns)
    return LogRow(generation.id, cells, status_of(generation))


def _chart(period: Period, counted: Sequence[Counted]) -> Chart:
    """Answered and failed, over the time."""
    starts = period.starts
    lines = {"answered": [0] * len(starts), "failed": [0] * len(starts)}
    places = {start: at for at, start in enumerate(starts)}
    for each in counted:
        at = places.get(period.start_of(each.at_ms))
        if at is not None:
            lines["answered"][at] += each.requests - each.errors
            lines["failed"][at] += each.errors
    groups = {name: line for name, line in lines.items() if any(line)}
    return stacked("requests", "Requests", "count", [period.label(each) for each in starts], groups, bad="failed")


def _query(visit: Visit, asked: Asked, columns: tuple[str, ...]) -> list[tuple[str, str]]:
    known = [("workspace", visit.place.id)]
    for name in Asked.__struct_fields__:
        value = getattr(asked, name)
        if value and name != "after" and not (name == "period" and (asked.since or asked.until)):
            known.append((name, value))
    if not asked.period and not asked.since and not asked.until:
        known.append(("period", USUAL))
    return [*known, *(("columns", word) for word in columns)]


def _place(after: str) -> Place | None:
    if not after:
        return None
    found = re.fullmatch(r"([0-9]{1,15})-([\w-]{1,100})", after, re.ASCII)
    if found is None:
        raise InvalidRequest("after: as the page before had it", param="after")
    return Place(int(found[1]), found[2])
