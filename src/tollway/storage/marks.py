"""Marks: how a workspace's account stood after each transfer that is no usage; lots are derived from them."""

from tollway.domain.ledger import Mark, Transfer, TransferKind
from tollway.domain.money import Nanodollars
from tollway.storage.database import Database, Statement

NEW_MARK = """
INSERT INTO marks (account, number, kind, ref, lot, amount, credited, debited, created_ms)
SELECT id, (SELECT COALESCE(MAX(number), 0) + 1 FROM marks WHERE account = :id), :kind, :ref, :lot, :amount,
       credited, debited, :created_ms
FROM accounts WHERE id = :id AND platform = 0
"""


def new_marks(transfer: Transfer) -> Statement:
    """To be executed right after the transfer has moved its balances; platform accounts get none."""
    mark = {"kind": transfer.kind.value, "ref": transfer.ref, "lot": transfer.lot, "created_ms": transfer.created_ms}
    sides = ((transfer.credit, transfer.amount), (transfer.debit, -transfer.amount))
    return Statement(NEW_MARK, tuple({"id": account, "amount": amount, **mark} for account, amount in sides))


async def list_marks(database: Database, workspace_id: str) -> list[Mark]:
    """In the order in which they came."""
    sql = """
    SELECT kind, ref, lot, amount, credited, debited, created_ms FROM marks WHERE account = :id ORDER BY number
    """
    return [Mark(TransferKind(row[0]), *row[1:]) for row in await database.read(sql, id=workspace_id)]


async def marks_before(database: Database, workspace_id: str, number: int, limit: int) -> list[tuple[int, Mark]]:
    """With their numbers, those below `number`, the latest first."""
    sql = """
    SELECT number, kind, ref, lot, amount, credited, debited, created_ms FROM marks
    WHERE account = :id AND number < :number ORDER BY number DESC LIMIT :limit
    """
    rows = await database.read(sql, id=workspace_id, number=number, limit=limit)
    return [(row[0], Mark(TransferKind(row[1]), *row[2:])) for row in rows]


async def taken_back(database: Database, workspace_id: str) -> Nanodollars:
    """What left the workspace without being used: refunds, chargebacks, debts that were paid, what expired."""
    sql = "SELECT COALESCE(-SUM(amount), 0) FROM marks WHERE account = :id AND amount < 0"
    [[amount]] = await database.read(sql, id=workspace_id)
    return int(amount)


async def workspaces_with_old_credits(database: Database, before_ms: int) -> list[str]:
    """Workspaces with a balance that got credits before this time: there may be something to expire."""
    sql = """
    SELECT id FROM accounts WHERE platform = 0 AND credited > debited AND EXISTS (
        SELECT 1 FROM marks WHERE account = accounts.id AND amount > 0 AND marks.created_ms <= :before_ms)
    ORDER BY id
    """
    return [row[0] for row in await database.read(sql, before_ms=before_ms)]
