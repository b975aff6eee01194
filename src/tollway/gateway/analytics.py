"""Usage, summed as somebody asks: by model, provider, key, user, workspace or app, over days, weeks or months."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tollway.domain.errors import InvalidRequest
from tollway.domain.money import usd
from tollway.domain.people import Actor, Right
from tollway.storage.analytics import ROWS_MAX, SUMS, Filter, Seen, sum_usage
from tollway.storage.database import Database, Row
from tollway.storage.usage_days import DAY_MS

EPOCH = date(1970, 1, 1)
DAYS_USUAL, DAYS_MAX = 30, 400
LIMIT_USUAL, LIMIT_MAX = 1000, 10_000
Word = Annotated[str, Meta(max_length=256)]
Value = Word | int | float
Granularity = Literal["day", "week", "month"]


class Metric(Struct, frozen=True):
    """A figure that can be asked for. A rate is a part of `of`."""

    label: str
    sums: tuple[str, ...]
    format: str = "number"
    of: tuple[str, ...] = ()


METRICS = {
    "request_count": Metric("Requests", ("requests",)),
    "error_count": Metric("Failed requests", ("errors",)),
    "error_rate": Metric("Failed requests, of all", ("errors",), "percent", ("requests",)),
    "total_usage": Metric("Cost", ("cost",), "currency"),
    "byok_usage_inference": Metric("Own keys, at list price", ("byok",), "currency"),
    "tokens_prompt": Metric("Prompt tokens", ("prompt_tokens",)),
    "tokens_completion": Metric("Output tokens", ("completion_tokens",)),
    "tokens_total": Metric("Tokens", ("prompt_tokens", "completion_tokens")),
    "reasoning_tokens": Metric("Reasoning tokens", ("reasoning_tokens",)),
    "cached_tokens": Metric("Prompt tokens from a cache", ("cached_tokens",)),
    "cache_hit_rate": Metric("Prompt tokens from a cache, of all", ("cached_tokens",), "percent", ("prompt_tokens",)),
}
DIMENSIONS = {
    "model": "Model",
    "provider": "Provider",
    "endpoint": "Endpoint",
    "api_key_id": "Key",
    "user": "User",
    "workspace": "Workspace",
    "app": "App",
}
GRANULARITIES: dict[Granularity, str] = {"day": "Day", "week": "Week, from Monday", "month": "Month"}
OPERATORS = {"eq": "scalar", "neq": "scalar", "in": "array", "not_in": "array"}


class AskedFilter(Struct, forbid_unknown_fields=True):
    """One of `filters`."""

    field: Word
    operator: Word
    value: Value | Annotated[list[Value], Meta(max_length=100)]
    include_unset: bool | None = None


class TimeRange(Struct, forbid_unknown_fields=True):
    """From one moment to another; usage is kept by UTC day, so that each day is in it that they touch."""

    start: datetime
    end: datetime


class OrderBy(Struct, forbid_unknown_fields=True):
    """`order_by`."""

    field: Word
    direction: Literal["asc", "desc"]


class Query(Struct, forbid_unknown_fields=True):
    """`POST /analytics/query`, as OpenRouter has it but for classifiers."""

    metrics: Annotated[list[Word], Meta(min_length=1, max_length=20)]
    dimensions: Annotated[list[Word], Meta(max_length=2)] = []
    filters: Annotated[list[AskedFilter], Meta(max_length=20)] = []
    granularity: Word | None = None
    time_range: TimeRange | None = None
    order_by: OrderBy | None = None
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_USUAL
    group_limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] | None = None


class Analytics:
    """Sums of what an actor may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def query(self, actor: Actor, ask: Query, now_ms: int) -> tuple[list[dict[str, Any]], bool]:
        """Rows, and whether there were more. InvalidRequest names what can't be asked for."""
        _check(ask)
        first, last = _days(ask.time_range, now_ms // DAY_MS)
        rows: Sequence[Row] = ()
        seen = _seen(actor)
        filters = [_filter(each) for each in ask.filters]
        if seen.whole or seen.own:
            rows = await sum_usage(
                self._database, seen, first, last, ask.dimensions, filters, by_day=ask.granularity is not None
            )
        found = _folded(rows, ask)
        found.sort(key=lambda each: _place(each, ask), reverse=_reverse(ask))
        kept = _each_at_most(found, ask)[: ask.limit]
        return [_shown(each, ask) for each in kept], len(kept) < len(found) or len(rows) >= ROWS_MAX


class _Group(Struct):
    """A row of the answer: its day, its dimensions' values, its sums by name."""

    day: int
    values: tuple[Any, ...]
    sums: dict[str, int]


def _check(ask: Query) -> None:
    _known(ask.metrics, METRICS, "metrics")
    _known(ask.dimensions, DIMENSIONS, "dimensions")
    _known([each.field for each in ask.filters], DIMENSIONS, "filters.field")
    _known([each.operator for each in ask.filters], OPERATORS, "filters.operator")
    if ask.granularity is not None:
        _known([ask.granularity], GRANULARITIES, "granularity")
    if ask.order_by is not None:
        dated = {"date": ""} if ask.granularity else {}
        asked = dict.fromkeys([*ask.metrics, *ask.dimensions, "request_count"], "") | dated
        _known([ask.order_by.field], asked, "order_by.field")


def _known(names: Sequence[str], known: Any, param: str) -> None:
    for name in names:
        if name not in known:
            raise InvalidRequest(f"{param}: {name[:80]!r} is none of {', '.join(known)}", param=param)


def _days(time_range: TimeRange | None, today: int) -> tuple[int, int]:
    if time_range is None:
        return today - DAYS_USUAL + 1, today
    start, end = (at if at.tzinfo else at.replace(tzinfo=UTC) for at in (time_range.start, time_range.end))
    try:
        first = (start.astimezone(UTC).date() - EPOCH).days
        last = ((end - timedelta(microseconds=1)).astimezone(UTC).date() - EPOCH).days
    except OverflowError:
        raise InvalidRequest("time_range: beyond every calendar", param="time_range") from None
    if not 0 <= last - first < DAYS_MAX:
        raise InvalidRequest(f"time_range: from start to end, at most {DAYS_MAX} days", param="time_range")
    return first, last


def _seen(actor: Actor) -> Seen:
    whole = tuple(place for place in actor.roles if actor.may(Right.MANAGE, place))
    own = tuple(place for place in actor.roles if place not in whole and actor.may(Right.USE, place))
    return Seen(whole, own if actor.user else (), actor.user.id if actor.user else "")


def _filter(asked: AskedFilter) -> Filter:
    several = OPERATORS[asked.operator] == "array"
    if isinstance(asked.value, list) is not several:
        told = "a list" if several else "one value"
        raise InvalidRequest(f"filters.value: `{asked.operator}` wants {told}", param="filters.value")
    values = asked.value if isinstance(asked.value, list) else [asked.value]
    if asked.field == "app":
        values = [
            int(each) if isinstance(each, str) and each.isdecimal() and len(each) < 17 else each for each in values
        ]
    return Filter(asked.field, tuple(values), but=asked.operator.startswith("n"))


def _folded(rows: Sequence[Row], ask: Query) -> list[_Group]:
    """Days become weeks or months, endpoints providers; what falls together is added up."""
    groups: dict[tuple[int, tuple[Any, ...]], _Group] = {}
    width = 1 + len(ask.dimensions)
    for row in rows:
        day = _begins(row[0], ask.granularity)
        values = tuple(
            value.partition(":")[0] if name == "provider" else value
            for name, value in zip(ask.dimensions, row[1:width], strict=True)
        )
        group = groups.setdefault((day, values), _Group(day, values, dict.fromkeys(SUMS, 0)))
        for name, value in zip(SUMS, row[width:], strict=True):
            group.sums[name] += value or 0
    return [each for each in groups.values() if each.sums["requests"]]


def _begins(day: int, granularity: str | None) -> int:
    """The first day of the day's week or month."""
    if granularity == "week":
        return day - (EPOCH + timedelta(days=day)).weekday()
    if granularity == "month":
        return day - (EPOCH + timedelta(days=day)).day + 1
    return day


def _reverse(ask: Query) -> bool:
    if ask.order_by is not None:
        return ask.order_by.direction == "desc"
    return ask.granularity is None


def _place(group: _Group, ask: Query) -> tuple[Any, ...]:
    """Where it stands; by default the oldest first, and the largest where nothing is dated."""
    name = ask.order_by.field if ask.order_by else "date" if ask.granularity else ask.metrics[0]
    if name in ask.dimensions:
        return (str(group.values[ask.dimensions.index(name)]), group.day)
    size = float(_figure(group, METRICS[ask.metrics[0] if name == "date" else name]))
    by_day = (group.day, size) if name == "date" else (size, group.day)
    return (*by_day, *map(str, group.values))


def _each_at_most(found: list[_Group], ask: Query) -> list[_Group]:
    if ask.group_limit is None or not ask.dimensions:
        return found
    counts: dict[tuple[Any, ...], int] = {}
    kept = []
    for each in found:
        counts[each.values] = counts.get(each.values, 0) + 1
        if counts[each.values] <= ask.group_limit:
            kept.append(each)
    return kept


def _figure(group: _Group, metric: Metric) -> int | float:
    value = sum(group.sums[name] for name in metric.sums)
    if not metric.of:
        return value
    whole = sum(group.sums[name] for name in metric.of)
    return value / whole if whole else 0.0


def _shown(group: _Group, ask: Query) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if ask.granularity is not None:
        shown[f"date__{ask.granularity}"] = f"{EPOCH + timedelta(days=group.day)}T00:00:00.000Z"
    shown |= {name: value or None for name, value in zip(ask.dimensions, group.values, strict=True)}
    for name in ask.metrics:
        figure = _figure(group, METRICS[name])
        money = METRICS[name].format == "currency"
        shown[name] = usd(int(figure)) if money else figure
    return shown


def meta() -> dict[str, Any]:
    """What can be asked for, as `GET /analytics/meta` says it."""
    return {
        "metrics": [
            {"name": name, "display_label": each.label, "is_rate": bool(each.of), "display_format": each.format}
            for name, each in METRICS.items()
        ],
        "dimensions": [{"name": name, "display_label": label} for name, label in DIMENSIONS.items()],
        "operators": [{"name": name, "value_type": kind} for name, kind in OPERATORS.items()],
        "granularities": [{"name": name, "display_label": label} for name, label in GRANULARITIES.items()],
    }
