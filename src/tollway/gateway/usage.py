"""Usage of one workspace as its pages show it: sums by time and by one thing, from the days' sums."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from tollway.domain.money import Nanodollars
from tollway.gateway.records import Scope
from tollway.storage.analytics import Filter, Seen, names_of, sum_hours, sum_usage
from tollway.storage.database import Database, Row
from tollway.storage.usage_days import DAY_MS

HOUR_MS = 3_600_000
NAMELESS = {
    "provider": "nobody answered",
    "endpoint": "nobody answered",
    "app": "no app named",
    "user": "nobody in particular",
}
"""What is said where a dimension has no value."""


class Figures(Struct, frozen=True):
    """What was used of something in a time."""

    requests: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost: Nanodollars = 0
    byok: Nanodollars = 0
    """What went over the workspace's own keys, at list price."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def error_share(self) -> float | None:
        return self.errors / self.requests if self.requests else None

    @property
    def cached_share(self) -> float | None:
        """Of the prompts' tokens, those that a provider's cache had."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None

    def __add__(self, other: "Figures") -> "Figures":
        # By name: thousands of rows are added for one page, and a loop over the fields takes four times as long.
        return Figures(
            self.requests + other.requests,
            self.errors + other.errors,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cost + other.cost,
            self.byok + other.byok,
        )


class Used(Struct, frozen=True):
    """What was used of one value of a dimension, in the day or hour that began then."""

    at_ms: int
    value: Any
    figures: Figures


class Usage:
    """Sums within a scope that `Records.scope` has checked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_day(self, scope: Scope, from_ms: int, until_ms: int, dimension: str) -> list[Used]:
        """By UTC day, from the day of `from_ms` to the one before `until_ms`."""
        seen, filters = _seen(scope)
        first, last = from_ms // DAY_MS, (until_ms - 1) // DAY_MS
        rows = await sum_usage(self._database, seen, first, last, [dimension], filters, by_day=True)
        return _used(rows, DAY_MS, dimension)

    async def by_day_and(self, scope: Scope, from_ms: int, until_ms: int, dimensions: tuple[str, str]) -> list[Used]:
        """The same by two dimensions at once: values are pairs."""
        seen, filters = _seen(scope)
        first, last = from_ms // DAY_MS, (until_ms - 1) // DAY_MS
        rows = await sum_usage(self._database, seen, first, last, dimensions, filters, by_day=True)
        found: dict[tuple[int, Any], Figures] = {}
        for at, one, other, *sums in rows:
            place = at * DAY_MS, (_known(dimensions[0], one), _known(dimensions[1], other))
            found[place] = found.get(place, Figures()) + Figures(*(int(each or 0) for each in sums))
        return [Used(at_ms, value, figures) for (at_ms, value), figures in sorted(found.items(), key=_by_time)]

    async def by_model(self, scope: Scope, from_ms: int, until_ms: int) -> dict[str, Figures]:
        """Of each model, over the whole time; days that are touched count whole."""
        seen, filters = _seen(scope)
        days = from_ms // DAY_MS, (until_ms - 1) // DAY_MS
        rows = await sum_usage(self._database, seen, *days, ["model"], filters, by_day=False)
        return {model: Figures(*(int(each or 0) for each in sums)) for _, model, *sums in rows}

    async def by_hour(self, scope: Scope, from_ms: int, until_ms: int, dimension: str) -> list[Used]:
        """By hour, from the records themselves: for three days at most. Own keys' list prices are not in it."""
        seen, _ = _seen(scope)
        return _used(await sum_hours(self._database, seen, from_ms, until_ms, dimension), HOUR_MS, dimension)

    async def groups(
        self, scope: Scope, from_ms: int, until_ms: int, dimensions: Sequence[str]
    ) -> dict[str, list[Any]]:
        """The values that each of these dimensions has in a time, the most requested first: read at once."""
        seen, filters = _seen(scope)
        days = from_ms // DAY_MS, (until_ms - 1) // DAY_MS
        rows = await sum_usage(self._database, seen, *days, dimensions, filters, by_day=False)
        found: dict[str, list[Any]] = {}
        for at, name in enumerate(dimensions, 1):
            counts: Counter[Any] = Counter()
            for row in rows:
                value = str(row[at]).partition(":")[0] if name == "provider" else row[at]
                counts[value] += row[len(dimensions) + 1]
            found[name] = [value for value, _ in counts.most_common()]
        return found

    async def names(self, dimension: str, values: Iterable[Any]) -> dict[Any, str]:
        """A name for each of the values; one that has none is called by its id."""
        wanted: Sequence[Any] = [*dict.fromkeys(values)]
        known = await names_of(self._database, dimension, [value for value in wanted if value])
        return {value: known.get(value) or str(value or NAMELESS.get(dimension, "none")) for value in wanted}


def total(used: Iterable[Used]) -> Figures:
    """All of it."""
    found = Figures()
    for each in used:
        found += each.figures
    return found


def _seen(scope: Scope) -> tuple[Seen, list[Filter]]:
    filters = [] if scope.key_id is None else [Filter("api_key_id", (scope.key_id,))]
    if scope.creator is None:
        return Seen((scope.workspace_id,)), filters
    return Seen((), (scope.workspace_id,), scope.creator), filters


def _used(rows: Iterable[Row], unit_ms: int, dimension: str) -> list[Used]:
    """Endpoints become providers, where these are wanted; an app that is none has no value."""
    found: dict[tuple[int, Any], Figures] = {}
    for at, value, *sums in rows:
        place = at * unit_ms, _known(dimension, value)
        found[place] = found.get(place, Figures()) + Figures(*(int(each or 0) for each in sums))
    return [Used(at_ms, value, figures) for (at_ms, value), figures in sorted(found.items(), key=_by_time)]


def _known(dimension: str, value: Any) -> Any:
    return str(value or "").partition(":")[0] if dimension == "provider" else (value or "")


def _by_time(each: tuple[tuple[int, Any], Figures]) -> int:
    return each[0][0]
