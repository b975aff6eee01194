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
