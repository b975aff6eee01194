"""`/admin/usage`: what everybody used over days, by provider, model, workspace or user, and why attempts failed."""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import Actor
from tollway.storage.endpoint_hours import KEPT_HOURS, attempts_between
from tollway.storage.house_usage import house_usage, names_of
from tollway.storage.usage_days import DAY_MS, house_by_day
from tollway.web.admin.base import ADMIN, AdminSite, AdminView, Line, as_csv, as_json, page, query, shared
from tollway.web.charts import GROUPS, OTHERS, Chart, Kind, stacked
from tollway.web.figures import about, amount, day, percent
from tollway.web.periods import HOUR_MS

PATH = f"{ADMIN}/usage"
DAYS = {"7": "7 days", "30": "30 days", "90": "90 days"}
BY = {"provider": "Provider", "model": "Model", "workspace": "Workspace", "user": "User"}
SHOW = {"spend": "Spend", "requests": "Requests", "errors": "Failed", "tokens": "Tokens"}
NAMELESS = {"provider": "nobody answered", "user": "nobody in particular"}
ROWS_SHOWN = 100
COLUMNS = (
    "day", "id", "name", "requests", "errors", "tokens_prompt", "tokens_completion", "usage_usd", "byok_usage_usd",
    "upstream_usd",
)  # fmt: skip
KINDS = (
    ("limited", "rate limited (429)"),
    ("timed_out", "timed out"),
    ("unreached", "not reached"),
    ("refused", "refused (401, 402, 403, 404)"),
    ("broken", "5xx, broken answer"),
)


class Asked(Struct, frozen=True):
    """The query of the page and of its files."""

    days: Literal["7", "30", "90"] = "30"
    by: Literal["provider", "model", "workspace", "user"] = "provider"
    show: Literal["spend", "requests", "errors", "tokens"] = "spend"


class Sums(Struct, frozen=True):
    """What was used of something in a time."""

    requests: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0
    """What callers paid, in nanodollars; so are `byok`, at list price, and `upstream`, what providers bill to us."""
    byok: int = 0
    upstream: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.requests + other.requests,
            self.errors + other.errors,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
            self.byok + other.byok,
            self.upstream + other.upstream,
        )

    def figure(self, show: str) -> int:
        """The one that is drawn."""
        if show == "tokens":
            return self.prompt_tokens + self.completion_tokens
        return {"spend": self.cost, "requests": self.requests, "errors": self.errors}[show]


class UsageRow(Struct, frozen=True):
    """One provider, model, workspace or user over the whole time."""

    name: str
    link: str
    """The page that says more, below the site's root; "" if there is none."""
    sums: Sums
    failed: str
    cost: str
    upstream: str
    margin: str


class FailedRow(Struct, frozen=True):
    """A provider's attempts, and how many of them failed in each of the ways of KINDS."""

    name: str
    requests: int
    counts: tuple[int, ...]
    share: str


class UsageView(AdminView, frozen=True, kw_only=True):
    """What `admin/usage.html` shows."""

    asked: Asked
    days: dict[str, str]
    by: dict[str, str]
    show: dict[str, str]
    span: str
    chart: Chart | None
    rows: tuple[UsageRow, ...]
    more: int
    """Rows that the table leaves out."""
    total: UsageRow
    kinds: tuple[str, ...]
    failed: tuple[FailedRow, ...]
    failed_days: int
    """How far back attempts are known."""


class UsagePage:
    """Sums of days, and of the hours in which attempts are counted."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return (
            (PATH, "GET", self.show),
            (f"{PATH}.csv", "GET", self.csv),
            (f"{PATH}.json", "GET", self.json),
        )

    async def show(self, request: Request, actor: Actor) -> Response:
        """InvalidRequest: a word that is none."""
        asked = query(request, Asked)
        first, last = self._span(asked)
        database = self._site.database
        sums = _summed([row[1:] for row in await house_usage(database, first, last, asked.by)], asked.by)
        order = sorted(sums, key=lambda each: (-sums[each].figure(asked.show), -sums[each].requests, each))
        names = await self._names(asked.by, order[:ROWS_SHOWN])
        total = sum(sums.values(), Sums())
        view = UsageView(
            **shared(self._site, request, actor),
            asked=asked,
            days=DAYS,
            by=BY,
            show=SHOW,
            span=f"{day(first * DAY_MS)} to {day(last * DAY_MS)}",
            chart=await self._chart(asked, first, last, order, names) if total.requests else None,
            rows=tuple(_row(names[each], _link(asked.by, each), sums[each]) for each in order[:ROWS_SHOWN]),
            more=max(0, len(order) - ROWS_SHOWN),
            total=_row("All", "", total),
            kinds=tuple(words for _, words in KINDS),
            failed=await self._failed(asked),
            failed_days=min(int(asked.days), KEPT_HOURS // 24),
        )
        return page(self._site, request, "usage.html", view)

    async def csv(self, request: Request, actor: Actor) -> Response:
        """A line for each value on each day."""
        return as_csv(request, "usage", COLUMNS, await self._rows(query(request, Asked)))

    async def json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, COLUMNS, await self._rows(query(request, Asked)))

    def _span(self, asked: Asked) -> tuple[int, int]:
        """Days since 1970; the last is today."""
        today = self._site.now_ms() // DAY_MS
        return today - int(asked.days) + 1, today

    async def _names(self, by: str, values: Sequence[str]) -> dict[str, str]:
        known = await names_of(self._site.database, by, [each for each in values if each])
        providers = self._site.house.gateway.market.catalog.providers if by == "provider" else {}
        return {
            each: providers[each].name if each in providers else known.get(each) or each or NAMELESS.get(by, "none")
            for each in values
        }

    async def _rows(self, asked: Asked) -> list[tuple[object, ...]]:
        first, last = self._span(asked)
        by_day = await self._by_day(asked, first, last, None)
        names = await self._names(asked.by, sorted({value for _, value in by_day}))
        return [
            (
                day(at * DAY_MS), value, names[value], each.requests, each.errors, each.prompt_tokens,
                each.completion_tokens, nanodollars_to_text(each.cost), nanodollars_to_text(each.byok),
                nanodollars_to_text(each.upstream),
            )
            for (at, value), each in sorted(by_day.items())
        ]  # fmt: skip

    async def _by_day(
        self, asked: Asked, first: int, last: int, only: Sequence[str] | None
    ) -> dict[tuple[int, str], Sums]:
        only = None if asked.by == "provider" else only
        rows = await house_usage(self._site.database, first, last, asked.by, only=only, by_day=True)
        found: dict[tuple[int, str], Sums] = {}
        for at, value, *sums in rows:
            place = at, _value(asked.by, value)
            found[place] = found.get(place, Sums()) + Sums(*map(int, sums))
        return found

    async def _chart(self, asked: Asked, first: int, last: int, order: Sequence[str], names: dict[str, str]) -> Chart:
        """The largest by themselves; of the others only what the days' sums leave."""
        drawn, days = order[:GROUPS], range(first, last + 1)
        by_day = await self._by_day(asked, first, last, drawn)
        groups: dict[str, list[int]] = {}
        for value in drawn:
            name = names[value] if names[value] not in groups else f"{names[value]} ({value})"
            groups[name] = [by_day.get((at, value), Sums()).figure(asked.show) for at in days]
        if len(order) > GROUPS:
            whole = {each.day: each for each in await house_by_day(self._site.database, first, last)}
            rest = []
            for number, at in enumerate(days):
                all_ = whole.get(at)
                sums = Sums() if all_ is None else Sums(
                    all_.requests, all_.errors, all_.prompt_tokens, all_.completion_tokens, all_.cost
                )  # fmt: skip
                rest.append(max(0, sums.figure(asked.show) - sum(line[number] for line in groups.values())))
            groups[OTHERS] = rest
        kind: Kind = "money" if asked.show == "spend" else "count"
        title = f"{SHOW[asked.show]} by {BY[asked.by].lower()}"
        csv = f"{PATH}.csv?days={asked.days}&by={asked.by}"
        return stacked("house", title, kind, [day(at * DAY_MS) for at in days], groups, csv)

    async def _failed(self, asked: Asked) -> tuple[FailedRow, ...]:
        """By provider, the most failures first. An attempt that failed may have been made good by the next one."""
        last = self._site.now_ms() // HOUR_MS
        first = last - min(int(asked.days) * 24, KEPT_HOURS) + 1
        found: dict[str, list[int]] = {}
        for endpoint_id, hour in await attempts_between(self._site.database, first, last):
            counts = found.setdefault(endpoint_id.partition(":")[0], [0] * (1 + len(KINDS)))
            broken = hour.failed - hour.timed_out - hour.unreached - hour.refused
            numbers = (hour.requests, hour.limited, hour.timed_out, hour.unreached, hour.refused, max(0, broken))
            for at, number in enumerate(numbers):
                counts[at] += number
        names = await self._names("provider", list(found))
        rows = [
            FailedRow(names[slug], counts[0], tuple(counts[1:]), percent(sum(counts[1:]) / counts[0]))
            for slug, counts in found.items()
            if counts[0] and sum(counts[1:])
        ]
        return tuple(sorted(rows, key=lambda each: (-sum(each.counts), each.name))[:ROWS_SHOWN])


def _value(by: str, value: object) -> str:
    text = str(value or "")
    return text.partition(":")[0] if by == "provider" else text


def _summed(rows: Sequence[Sequence[object]], by: str) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for value, *sums in rows:
        name = _value(by, value)
        found[name] = found.get(name, Sums()) + Sums(*(int(str(each)) for each in sums))
    return found


def _row(name: str, link: str, sums: Sums) -> UsageRow:
    margin = sums.cost - sums.upstream
    return UsageRow(
        name, link, sums, percent(sums.errors / sums.requests) if sums.requests else percent(None), amount(sums.cost),
        amount(sums.upstream), f"{'-' if margin < 0 else ''}{about(abs(margin))}",
    )  # fmt: skip


def _link(by: str, value: str) -> str:
    if not value:
        return ""
    if by == "workspace":
        return f"/activity?workspace={quote(value, safe='')}"
    return {"provider": f"{ADMIN}/providers/", "model": "/models/", "user": f"{ADMIN}/users/"}[by] + quote(value)
