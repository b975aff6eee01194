"""Saved methods of payment, when credits are bought with them by themselves, and how that failed."""

from msgspec import structs

from tollway.domain.money import Nanodollars
from tollway.domain.payments import AutoTopUp, Order
from tollway.storage.database import Database, Row, Statement
from tollway.storage.orders import COLUMNS as ORDER_COLUMNS
from tollway.storage.orders import order_of, row_of

COLUMNS = ", ".join(AutoTopUp.__struct_fields__)
PENDING = "SELECT 1 FROM orders WHERE workspace_id = auto_topups.workspace_id AND automatic = 1 AND status = 'pending'"
OPEN = """
EXISTS (SELECT 1 FROM workspaces WHERE id = auto_topups.workspace_id AND deleted_ms IS NULL AND disabled_ms IS NULL)
"""
"""Nothing is bought for a workspace that is deleted or stopped."""
BOUGHT = """
SELECT COALESCE(SUM(credits), 0) FROM orders
WHERE workspace_id = :workspace_id AND automatic = 1 AND status <> 'failed' AND created_ms >= :since_ms
"""


def keep_method(method: AutoTopUp) -> Statement:
    """A method that was just used; what was set for an older one stays."""
    sql = """
    INSERT INTO auto_topups (workspace_id, provider, customer_id, method_id)
    VALUES (:workspace_id, :provider, :customer_id, :method_id)
    ON CONFLICT (workspace_id) DO UPDATE SET provider = excluded.provider, customer_id = excluded.customer_id,
    method_id = excluded.method_id, failed_ms = NULL, failure = NULL, failures = 0
    """
    return Statement(sql, (structs.asdict(method),))


async def find_auto_topup(database: Database, workspace_id: str) -> AutoTopUp | None:
    sql = f"SELECT {COLUMNS} FROM auto_topups WHERE workspace_id = :id"  # noqa: S608 (constants)
    rows = await database.read(sql, id=workspace_id)
    return _auto(rows[0]) if rows else None


def set_auto_topup(auto: AutoTopUp) -> Statement:
    """When, and how much; the method stays, and what failed is forgotten."""
    sql = """
    UPDATE auto_topups SET enabled = :enabled, threshold = :threshold, amount = :amount, monthly_max = :monthly_max,
    failed_ms = NULL, failure = NULL, failures = 0 WHERE workspace_id = :workspace_id
    """
    return Statement(sql, (structs.asdict(auto) | {"enabled": int(auto.enabled)},))


def forget_method(workspace_id: str) -> Statement:
    return Statement("DELETE FROM auto_topups WHERE workspace_id = :id", ({"id": workspace_id},))


async def short_of_credits(database: Database) -> list[AutoTopUp]:
    """Those that are on, whose workspace has less than they want, and for which none is under way."""
    listed = ", ".join(f"auto_topups.{name}" for name in AutoTopUp.__struct_fields__)
    sql = f"""
    SELECT {listed} FROM auto_topups JOIN accounts ON accounts.id = auto_topups.workspace_id
    WHERE enabled = 1 AND credited - debited < threshold AND NOT EXISTS ({PENDING}) AND {OPEN} ORDER BY workspace_id
    """  # noqa: S608 (constants)
    return [_auto(row) for row in await database.read(sql)]


def new_automatic_order(order: Order, since_ms: int) -> Statement:
    """The order, if it is still wanted: RETURNING says so. All that speaks against it is asked in the same statement.

    `since_ms`: since when what was bought counts against the month's limit. ConflictError: one is under way.
    """
    values = ", ".join(f":{name}" for name in Order.__struct_fields__)
    sql = f"""
    INSERT INTO orders ({ORDER_COLUMNS})
    SELECT {values} FROM auto_topups JOIN accounts ON accounts.id = auto_topups.workspace_id
    WHERE auto_topups.workspace_id = :workspace_id AND enabled = 1 AND amount = :credits
          AND credited - debited < threshold AND ({BOUGHT}) + amount <= monthly_max AND {OPEN}
    RETURNING id
    """  # noqa: S608 (constants)
    return Statement(sql, (row_of(order) | {"since_ms": since_ms},))


async def pending_automatic_orders(database: Database) -> list[Order]:
    """Those whose outcome is not known: under way, or left by a crash."""
    sql = f"SELECT {ORDER_COLUMNS} FROM orders WHERE automatic = 1 AND status = 'pending' ORDER BY created_ms"  # noqa: S608 (constants)
    return [order_of(row) for row in await database.read(sql)]


async def bought_automatically(database: Database, workspace_id: str, since_ms: int) -> Nanodollars:
    """Credits, with those that are under way."""
    [[amount]] = await database.read(BOUGHT, workspace_id=workspace_id, since_ms=since_ms)
    return int(amount)


async def last_automatic_order(database: Database, workspace_id: str) -> Order | None:
    """The last that was paid."""
    sql = f"""
    SELECT {ORDER_COLUMNS} FROM orders WHERE workspace_id = :workspace_id AND automatic = 1 AND status = 'paid'
    ORDER BY paid_ms DESC LIMIT 1
    """  # noqa: S608 (constants)
    rows = await database.read(sql, workspace_id=workspace_id)
    return order_of(rows[0]) if rows else None


def note_failure(order: Order, failure: str, now_ms: int, failures_max: int) -> Statement:
    """Once for an order, however often it is told: to be executed before the order is set to failed.

    With the last failure that is allowed, nothing is bought any more until somebody switches it on again.
    """
    sql = """
    UPDATE auto_topups SET failures = failures + 1, failed_ms = :now_ms, failure = :failure,
    enabled = CASE WHEN failures + 1 >= :failures_max THEN 0 ELSE enabled END
    WHERE workspace_id = :workspace_id AND EXISTS (SELECT 1 FROM orders WHERE id = :id AND status = 'pending')
    """
    named = {"id": order.id, "workspace_id": order.workspace_id, "failure": failure[:500], "now_ms": now_ms}
    return Statement(sql, (named | {"failures_max": failures_max},))


def forget_failures(workspace_id: str) -> Statement:
    """A payment went through."""
    sql = "UPDATE auto_topups SET failures = 0, failed_ms = NULL, failure = NULL WHERE workspace_id = :id"
    return Statement(sql, ({"id": workspace_id},))


def stop_auto_topup(workspace_id: str, why: str, now_ms: int) -> Statement:
    """Nothing is bought any more until somebody switches it on again."""
    sql = "UPDATE auto_topups SET enabled = 0, failed_ms = :now_ms, failure = :why WHERE workspace_id = :id"
    return Statement(sql, ({"id": workspace_id, "why": why, "now_ms": now_ms},))


def _auto(row: Row) -> AutoTopUp:
    auto = AutoTopUp(*row)
    return structs.replace(auto, enabled=bool(auto.enabled))
