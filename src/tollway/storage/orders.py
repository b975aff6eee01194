"""Orders, what payment providers told of them, and refunds: the SQL of purchases."""

from msgspec import structs

from tollway.domain.payments import Order, OrderStatus, Refund
from tollway.storage.database import Database, Row, Statement

COLUMNS = ", ".join(Order.__struct_fields__)
REFUND_COLUMNS = ", ".join(Refund.__struct_fields__)


def row_of(order: Order) -> dict[str, object]:
    """An order as the database has it."""
    row = structs.asdict(order) | {"status": order.status.value}
    return row | {"automatic": int(order.automatic), "save_method": int(order.save_method)}


def new_order(order: Order) -> Statement:
    row = row_of(order)
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO orders ({COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


def set_checkout(order_id: str, checkout_id: str, url: str) -> Statement:
    sql = "UPDATE orders SET checkout_id = :checkout_id, checkout_url = :url WHERE id = :id"
    return Statement(sql, ({"id": order_id, "checkout_id": checkout_id, "url": url},))


def set_paid(order_id: str, payment_id: str, now_ms: int) -> Statement:
    """ConflictError, of the whole transaction: another order has this payment."""
    sql = "UPDATE orders SET status = 'paid', payment_id = :payment_id, paid_ms = :now_ms WHERE id = :id"
    return Statement(sql, ({"id": order_id, "payment_id": payment_id, "now_ms": now_ms},))


def set_failed(order_id: str) -> Statement:
    """Nothing happens to one that is paid."""
    return Statement("UPDATE orders SET status = 'failed' WHERE id = :id AND status = 'pending'", ({"id": order_id},))


async def find_order(database: Database, order_id: str) -> Order | None:
    rows = await database.read(f"SELECT {COLUMNS} FROM orders WHERE id = :id", id=order_id)  # noqa: S608 (constants)
    return order_of(rows[0]) if rows else None


async def find_order_of_payment(database: Database, provider: str, payment_id: str) -> Order | None:
    sql = f"SELECT {COLUMNS} FROM orders WHERE provider = :provider AND payment_id = :payment_id"  # noqa: S608 (constants)
    rows = await database.read(sql, provider=provider, payment_id=payment_id)
    return order_of(rows[0]) if rows else None


async def list_orders(
    database: Database, workspace_id: str, *, before_ms: int | None = None, limit: int = 100
) -> list[Order]:
    """The newest first; `before_ms`: older than that."""
    sql = f"""
    SELECT {COLUMNS} FROM orders WHERE workspace_id = :workspace_id AND created_ms < :before_ms
    ORDER BY created_ms DESC, id DESC LIMIT :limit
    """  # noqa: S608 (constants)
    named = {"workspace_id": workspace_id, "before_ms": 2**62 if before_ms is None else before_ms, "limit": limit}
    return [order_of(row) for row in await database.read(sql, **named)]


async def list_all_orders(
    database: Database, *, workspace_id: str | None = None, offset: int = 0, limit: int = 100
) -> list[Order]:
    """Everybody's, or one workspace's, the newest first."""
    where = "" if workspace_id is None else "WHERE workspace_id = :workspace_id"
    sql = f"SELECT {COLUMNS} FROM orders {where} ORDER BY created_ms DESC, id DESC LIMIT :limit OFFSET :offset"  # noqa: S608 (constants)
    named = {} if workspace_id is None else {"workspace_id": workspace_id}
    return [order_of(row) for row in await database.read(sql, limit=limit, offset=offset, **named)]


def new_event(provider: str, event_id: str, kind: str, order_id: str | None, outcome: str, now_ms: int) -> Statement:
    """ConflictError, of the whole transaction: this event has been dealt with."""
    sql = """
    INSERT INTO payment_events (provider, id, kind, order_id, outcome, received_ms)
    VALUES (:provider, :id, :kind, :order_id, :outcome, :now_ms)
    """
    row = {"provider": provider, "id": event_id, "kind": kind, "order_id": order_id, "outcome": outcome}
    return Statement(sql, ({**row, "now_ms": now_ms},))


async def event_is_known(database: Database, provider: str, event_id: str) -> bool:
    sql = "SELECT 1 FROM payment_events WHERE provider = :provider AND id = :id"
    return bool(await database.read(sql, provider=provider, id=event_id))


def new_refund(refund: Refund) -> Statement:
    row = structs.asdict(refund)
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO refunds ({REFUND_COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


def set_refund(refund_id: str, status: str, provider_ref: str | None) -> Statement:
    sql = "UPDATE refunds SET status = :status, provider_ref = COALESCE(:ref, provider_ref) WHERE id = :id"
    return Statement(sql, ({"id": refund_id, "status": status, "ref": provider_ref},))


async def find_refund(database: Database, refund_id: str) -> Refund | None:
    """By our id, or by the provider's."""
    sql = f"SELECT {REFUND_COLUMNS} FROM refunds WHERE id = :id OR provider_ref = :id"  # noqa: S608 (constants)
    rows = await database.read(sql, id=refund_id)
    return Refund(*rows[0]) if rows else None


async def list_refunds(database: Database, order_id: str) -> list[Refund]:
    sql = f"SELECT {REFUND_COLUMNS} FROM refunds WHERE order_id = :id ORDER BY created_ms, id"  # noqa: S608 (constants)
    return [Refund(*row) for row in await database.read(sql, id=order_id)]


async def pending_refunds(database: Database) -> list[Refund]:
    """Those whose outcome at the provider is not known."""
    sql = f"SELECT {REFUND_COLUMNS} FROM refunds WHERE status = 'pending' ORDER BY created_ms"  # noqa: S608 (constants)
    return [Refund(*row) for row in await database.read(sql)]


def order_of(row: Row) -> Order:
    """A row of all columns, in their order."""
    order = Order(*row)
    return structs.replace(
        order,
        status=OrderStatus(order.status),
        automatic=bool(order.automatic),
        save_method=bool(order.save_method),
    )
