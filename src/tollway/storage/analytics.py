"""Sums of usage by whatever somebody asks to group them by, of the keys that they may see."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from tollway.storage.database import Database, Row

COLUMNS = {
    "model": "model",
    "provider": "endpoint_id",
    "endpoint": "endpoint_id",
    "api_key_id": "key_id",
    "user": "COALESCE(creator_user_id, '')",
    "workspace": "usage_days.workspace_id",
    "app": "app_id",
}
"""Dimension -> the column that it is read from; an endpoint's id begins with its provider."""
SUMS = (
    "requests", "errors", "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "cost", "byok",
)  # fmt: skip
ROWS_MAX = 200_000
HOUR_MS = 3_600_000
_NAMES = {
    "api_key_id": "SELECT id, name FROM keys WHERE ",
    "user": "SELECT id, email FROM users WHERE ",
    "app": "SELECT id, COALESCE(title, url) FROM apps WHERE ",
}


class Filter(Struct, frozen=True):
    """A dimension's values: only these, or all but these."""

    dimension: str
    values: tuple[Any, ...]
    but: bool = False


class Seen(Struct, frozen=True):
    """Whose usage may be summed: of workspaces as a whole, and of a user's own keys in others."""

    whole: tuple[str, ...]
    own: tuple[str, ...] = ()
    user_id: str = ""


async def sum_usage(
    database: Database,
    seen: Seen,
    first: int,
    last: int,
    dimensions: Sequence[str],
    filters: Sequence[Filter],
    *,
    by_day: bool,
) -> list[Row]:
    """(day, or 0; each dimension's column; each of SUMS), from one day (since 1970) to another; at most ROWS_MAX."""
    named: dict[str, Any] = {"first": first, "last": last, "user_id": seen.user_id}
    places = [_is_in("usage_days.workspace_id", "place", seen.whole, named)]
    if seen.own:
        places.append(f"({_is_in('usage_days.workspace_id', 'own', seen.own, named)} AND creator_user_id = :user_id)")
    where = [f"({' OR '.join(places)})", "day BETWEEN :first AND :last"]
    for number, each in enumerate(filters):
        found = _condition(each, f"f{number}_", named)
        where.append(f"NOT {found}" if each.but else found)
    columns = ["day" if by_day else "0", *(COLUMNS[name] for name in dimensions)]
    sql = f"""
    SELECT {", ".join(columns)}, {", ".join(f"SUM({name})" for name in SUMS)}
    FROM usage_days LEFT JOIN keys ON keys.id = key_id
    WHERE {" AND ".join(where)} GROUP BY {", ".join(str(at + 1) for at in range(len(columns)))} LIMIT {ROWS_MAX}
    """  # noqa: S608 (constants)
    return await database.read(sql, **named)


async def sum_hours(database: Database, seen: Seen, from_ms: int, until_ms: int, dimension: str) -> list[Row]:
    """(hour since 1970; the dimension's column; each of SUMS): from the records themselves, for some days at most.

    What went over callers' own keys has no column there: its sum is 0.
    """
    named: dict[str, Any] = {"from_ms": from_ms, "until_ms": until_ms, "user_id": seen.user_id}
    places = [_is_in("generations.workspace_id", "place", seen.whole, named)]
    if seen.own:
        places.append(f"({_is_in('generations.workspace_id', 'own', seen.own, named)} AND creator_user_id = :user_id)")
    column = COLUMNS[dimension].replace("usage_days", "generations")
    sql = f"""
    SELECT generations.created_ms / {HOUR_MS}, COALESCE({column}, ''), COUNT(*),
    SUM(CASE WHEN finish_reason = 'error' THEN 1 ELSE 0 END), SUM(prompt_tokens), SUM(completion_tokens),
    SUM(reasoning_tokens), SUM(cached_tokens), SUM(cost), 0
    FROM generations LEFT JOIN keys ON keys.id = key_id
    WHERE ({" OR ".join(places)}) AND generations.created_ms >= :from_ms AND generations.created_ms < :until_ms
    GROUP BY 1, 2 LIMIT {ROWS_MAX}
    """  # noqa: S608 (constants)
    return await database.read(sql, **named)


async def names_of(database: Database, dimension: str, values: Sequence[Any]) -> dict[Any, str]:
    """What people call a dimension's values, where they have names besides: keys, users and apps, deleted keys too."""
    begins = _NAMES.get(dimension)
    if begins is None or not values:
        return {}
    named: dict[str, Any] = {}
    where = _is_in("id", "value", values, named)
    return {id_: name for id_, name in await database.read(f"{begins}{where}", **named) if name}


def _condition(filter_: Filter, prefix: str, named: dict[str, Any]) -> str:
    if filter_.dimension != "provider":
        return _is_in(COLUMNS[filter_.dimension], prefix, filter_.values, named)
    found = []
    for number, value in enumerate(filter_.values):
        named[f"{prefix}{number}"] = f"{value}:"
        found.append(f"SUBSTR(endpoint_id, 1, LENGTH(:{prefix}{number})) = :{prefix}{number}")
    return f"({' OR '.join(found)})"


def _is_in(column: str, prefix: str, values: Sequence[Any], named: dict[str, Any]) -> str:
    names: Mapping[str, Any] = {f"{prefix}{number}": value for number, value in enumerate(values)}
    named.update(names)
    return f"{column} IN ({', '.join(f':{name}' for name in names)})"
