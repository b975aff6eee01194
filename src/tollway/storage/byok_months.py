"""Requests of a month that went over a workspace's own keys: written with their charges, for what costs no fee."""

from collections.abc import Mapping
from datetime import UTC, datetime

from tollway.storage.database import Database, NewRows, Statement

COLUMNS = ("workspace_id", "month", "requests")
_ADD_UP = "ON CONFLICT (workspace_id, month) DO UPDATE SET requests = byok_months.requests + excluded.requests"


def month_of(ms: int) -> int:
    """The calendar month of a moment, UTC, as one number that grows by one each month."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.year * 12 + at.month - 1


def add_requests(counts: Mapping[tuple[str, int], int]) -> NewRows:
    """More requests, by workspace and month."""
    rows = [(workspace_id, month, count) for (workspace_id, month), count in counts.items()]
    return NewRows("byok_months", COLUMNS, rows, _ADD_UP)


def take_request(workspace_id: str, month: int) -> Statement:
    """One whose charge was reversed."""
    sql = "UPDATE byok_months SET requests = requests - 1 WHERE workspace_id = :workspace_id AND month = :month"
    return Statement(sql, ({"workspace_id": workspace_id, "month": month},))


async def requests_of(database: Database, workspace_id: str, month: int) -> int:
    """How many there were."""
    sql = "SELECT requests FROM byok_months WHERE workspace_id = :workspace_id AND month = :month"
    rows = await database.read(sql, workspace_id=workspace_id, month=month)
    return int(rows[0][0]) if rows else 0
