"""Workspaces' budgets, and what a workspace spent on each day."""

from tollway.domain.budgets import Budget, Interval
from tollway.domain.money import Nanodollars
from tollway.storage.database import Database, Statement

COLUMNS = "id, workspace_id, period, amount, created_ms, updated_ms, byok"


def set_budget(budget: Budget) -> Statement:
    """A new budget, or another limit for one that is there: its id and its first day stay."""
    sql = f"""
    INSERT INTO workspace_budgets ({COLUMNS})
    VALUES (:id, :workspace_id, :period, :amount, :created_ms, :updated_ms, :byok)
    ON CONFLICT (workspace_id, period) DO UPDATE SET amount = excluded.amount, updated_ms = excluded.updated_ms
    """  # noqa: S608 (constants)
    row = {
        "id": budget.id,
        "workspace_id": budget.workspace_id,
        "period": budget.interval.value,
        "amount": budget.limit,
        "created_ms": budget.created_ms,
        "updated_ms": budget.updated_ms,
        "byok": int(budget.byok),
    }
    return Statement(sql, (row,))


def count_own(workspace_id: str, byok: bool) -> Statement:
    """Whether all of a workspace's budgets count what its own providers bill."""
    sql = "UPDATE workspace_budgets SET byok = :byok WHERE workspace_id = :id"
    return Statement(sql, ({"id": workspace_id, "byok": int(byok)},))


def delete_budget(workspace_id: str, interval: Interval) -> Statement:
    sql = "DELETE FROM workspace_budgets WHERE workspace_id = :id AND period = :period"
    return Statement(sql, ({"id": workspace_id, "period": interval.value},))


async def budgets_of(database: Database, workspace_id: str) -> dict[Interval, Budget]:
    """A workspace's budgets, the broadest first."""
    sql = f"SELECT {COLUMNS} FROM workspace_budgets WHERE workspace_id = :id"  # noqa: S608 (constants)
    found = {}
    for id_, workspace, period, amount, created_ms, updated_ms, byok in await database.read(sql, id=workspace_id):
        interval = Interval(period)
        found[interval] = Budget(id_, workspace, interval, amount, created_ms, updated_ms, bool(byok))
    return {interval: found[interval] for interval in Interval if interval in found}


async def spent_in_workspace(database: Database, workspace_id: str) -> tuple[Nanodollars, dict[int, Nanodollars]]:
    """The workspace's balance, and what all its keys spent on each day: both at one instant.

    One statement sees one state of the database: what is missing here is missing in both.
    """
    sql = """
    SELECT -1 AS day, credited - debited AS amount FROM accounts WHERE id = :id
    UNION ALL
    SELECT day, SUM(spent) AS amount FROM key_usage JOIN keys ON keys.id = key_id
    WHERE workspace_id = :id GROUP BY day
    """
    days = {day: int(amount) for day, amount in await database.read(sql, id=workspace_id)}
    return days.pop(-1, 0), days
