"""What everybody used, summed by one thing or by day and that thing, and why attempts failed: for the operator."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollway.storage.database import Database, Row

COLUMNS = {
    "provider": "endpoint_id",
    "model": "model",
    "workspace": "usage_days.workspace_id",
    "user": "COALESCE(creator_user_id, '')",
}
"""What may be summed by -> the column; an endpoint's id begins with its provider."""
SUMS = ("requests", "errors", "prompt_tokens", "completion_tokens", "cost", "byok", "upstream")
NAMES = {
    "workspace": "SELECT id, name FROM workspaces WHERE id IN",
    "user": "SELECT id, email FROM users WHERE id IN",
}
ROWS_MAX = 200_000
NAMED_AT_ONCE = 500
"""Databases take a few thousand parameters at most."""


async def house_usage(
    database: Database, first: int, last: int, by: str, *, only: Sequence[str] | None = None, by_day: bool = False
) -> list[Row]:
    """(day, or 0; the value; each of SUMS), of all workspaces, from one day (since 1970) to another.

    At most ROWS_MAX, the last day first.

    `only`: of these values alone, where `by` is no provider.
    """
    named: dict[str, Any] = {"first": first, "last": last}
    among = ""
    if only is not None:
        named |= {f"v{at}": value for at, value in enumerate(only)}
        among = f"AND {COLUMNS[by]} IN ({', '.join(f':v{at}' for at in range(len(only)))})"
    sql = f"""
    SELECT {"day" if by_day else "0"}, {COLUMNS[by]}, {", ".join(f"SUM({name})" for name in SUMS)}
    FROM usage_days {"LEFT JOIN keys ON keys.id = key_id" if by == "user" else ""}
    WHERE day BETWEEN :first AND :last {among} GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT {ROWS_MAX}
    """  # noqa: S608 (constants)
    return await database.read(sql, **named)


async def names_of(database: Database, by: str, values: Sequence[str]) -> Mapping[str, str]:
    """What people call workspaces and users, deleted ones too; others are called by their ids."""
    found: dict[str, str] = {}
    if by in NAMES:
        for begin in range(0, len(values), NAMED_AT_ONCE):
            named: dict[str, Any] = {f"v{at}": each for at, each in enumerate(values[begin : begin + NAMED_AT_ONCE])}
            sql = f"{NAMES[by]} ({', '.join(f':{name}' for name in named)})"
            found |= {id_: name for id_, name in await database.read(sql, **named) if name}
    return found
