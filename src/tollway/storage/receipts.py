"""Receipts of purchases, numbered without gaps; who buys, as they say it; and what became of a purchase's credits."""

from tollway.domain.ledger import TransferKind
from tollway.domain.payments import LotMove, Order, Receipt
from tollway.storage.database import Database, Statement


def new_receipt(order: Order, seller: str, tax_name: str, tax_percent: str, now_ms: int) -> Statement:
    """To be written with the purchase's credits: there is one writer, so that no number is left out or there twice."""
    sql = """
    INSERT INTO receipts (order_id, number, seller, buyer, tax_name, tax_percent, created_ms)
    SELECT :order_id, (SELECT COALESCE(MAX(number), 0) + 1 FROM receipts), :seller,
           COALESCE((SELECT details FROM buyers WHERE workspace_id = :workspace_id), ''),
           :tax_name, :tax_percent, :now_ms
    """
    named = {"order_id": order.id, "workspace_id": order.workspace_id, "seller": seller, "now_ms": now_ms}
    return Statement(sql, (named | {"tax_name": tax_name, "tax_percent": tax_percent},))


async def find_receipt(database: Database, order_id: str) -> Receipt | None:
    sql = "SELECT order_id, number, seller, buyer, tax_name, tax_percent, created_ms FROM receipts WHERE order_id = :id"
    rows = await database.read(sql, id=order_id)
    return Receipt(*rows[0]) if rows else None


async def receipt_numbers(database: Database, workspace_id: str) -> dict[str, int]:
    """By order."""
    sql = """
    SELECT order_id, number FROM receipts JOIN orders ON orders.id = order_id WHERE orders.workspace_id = :workspace_id
    """
    return dict(await database.read(sql, workspace_id=workspace_id))


async def moves_of_lot(database: Database, workspace_id: str, lot: str) -> list[LotMove]:
    """Refunds, chargebacks, what came back, and what expired, in order. Amounts are negative where credits left."""
    sql = "SELECT kind, amount, created_ms FROM marks WHERE account = :account AND lot = :lot ORDER BY number"
    found = await database.read(sql, account=workspace_id, lot=lot)
    return [LotMove(TransferKind(kind), amount, created_ms) for kind, amount, created_ms in found]


async def find_buyer(database: Database, workspace_id: str) -> str:
    rows = await database.read("SELECT details FROM buyers WHERE workspace_id = :id", id=workspace_id)
    return str(rows[0][0]) if rows else ""


def set_buyer(workspace_id: str, details: str, now_ms: int) -> Statement:
    sql = """
    INSERT INTO buyers (workspace_id, details, updated_ms) VALUES (:id, :details, :now_ms)
    ON CONFLICT (workspace_id) DO UPDATE SET details = excluded.details, updated_ms = excluded.updated_ms
    """
    return Statement(sql, ({"id": workspace_id, "details": details, "now_ms": now_ms},))
