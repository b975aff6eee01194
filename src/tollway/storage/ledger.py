"""The ledger's SQL: transfers and cached balances move together, and a generation is written with its capture."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from tollway.domain.generation import Generation
from tollway.domain.ledger import ABSORBED, PLATFORM_ACCOUNTS, PROVIDERS, REVENUE, Transfer, TransferKind
from tollway.domain.money import Nanodollars
from tollway.storage.database import Database, Row, Statement

DAY_MS = 86_400_000

INSERT_TRANSFER = """
INSERT INTO transfers (kind, ref, debit, credit, amount, created_ms, reason)
VALUES (:kind, :ref, :debit, :credit, :amount, :created_ms, :reason)
"""
MOVE_BALANCE = "UPDATE accounts SET credited = credited + :credited, debited = debited + :debited WHERE id = :id"
INSERT_GENERATION = """
INSERT INTO generations (id, workspace_id, key_id, created_ms, model, endpoint_id, finish_reason, cost, absorbed, record)
VALUES (:id, :workspace_id, :key_id, :created_ms, :model, :endpoint_id, :finish_reason, :cost, :absorbed, :record)
"""
ADD_KEY_USAGE = """
INSERT INTO key_usage (key_id, day, spent) VALUES (:key_id, :day, :spent)
ON CONFLICT (key_id, day) DO UPDATE SET spent = key_usage.spent + excluded.spent
"""

_encoder = msgspec.json.Encoder()


class Balance(Struct, frozen=True):
    """An account as the database has it."""

    credited: Nanodollars
    debited: Nanodollars

    @property
    def posted(self) -> Nanodollars:
        return self.credited - self.debited


def transfers_of(generation: Generation) -> list[Transfer]:
    """What a generation moves: its capture, and what it cost us and nobody pays. MONEY.md, Capture."""
    moves = []
    if generation.cost:
        moves.append(
            Transfer(
                TransferKind.CAPTURE,
                generation.id,
                generation.workspace_id,
                REVENUE,
                generation.cost,
                generation.created_ms,
            )
        )
    if generation.absorbed:
        moves.append(
            Transfer(
                TransferKind.ABSORB, generation.id, ABSORBED, PROVIDERS, generation.absorbed, generation.created_ms
            )
        )
    return moves


async def open_accounts(database: Database) -> None:
    """Makes the platform's own accounts where they are missing."""
    sql = "INSERT INTO accounts (id, platform) VALUES (:id, 1) ON CONFLICT (id) DO NOTHING"
    await database.write(Statement(sql, tuple({"id": account} for account in PLATFORM_ACCOUNTS)))


async def post_transfers(database: Database, transfers: Sequence[Transfer]) -> None:
    """Moves money, all or nothing. ConflictError: a (kind, ref) that is there already, or an overdraft."""
    await database.write(*_posting(transfers))


async def commit_generations(database: Database, generations: Sequence[Generation]) -> None:
    """Writes finished requests with their captures and meters in one durable transaction."""
    spent: defaultdict[tuple[str, int], Nanodollars] = defaultdict(int)
    transfers: list[Transfer] = []
    rows = []
    for generation in generations:
        rows.append(
            {
                "id": generation.id,
                "workspace_id": generation.workspace_id,
                "key_id": generation.key_id,
                "created_ms": generation.created_ms,
                "model": generation.model,
                "endpoint_id": generation.endpoint_id,
                "finish_reason": generation.finish_reason,
                "cost": generation.cost,
                "absorbed": generation.absorbed,
                "record": _encoder.encode(generation).decode(),
            }
        )
        if generation.cost:
            spent[generation.key_id, generation.created_ms // DAY_MS] += generation.cost
        transfers += transfers_of(generation)
    usage = tuple({"key_id": key, "day": day, "spent": amount} for (key, day), amount in spent.items())
    await database.write(
        Statement(INSERT_GENERATION, tuple(rows)), *_posting(transfers), Statement(ADD_KEY_USAGE, usage)
    )


async def committed_ids(database: Database, ids: Iterable[str]) -> set[str]:
    """Which of these generations are in the database: asked after a commit whose outcome is unknown."""
    found = set()
    for generation_id in ids:
        if await database.read("SELECT 1 FROM generations WHERE id = :id", id=generation_id):
            found.add(generation_id)
    return found


async def balance(database: Database, account: str) -> Balance | None:
    """The account's cached balance, or None if there is no such account."""
    rows = await database.read("SELECT credited, debited FROM accounts WHERE id = :id", id=account)
    return Balance(*rows[0]) if rows else None


async def find_transfer(database: Database, kind: TransferKind, ref: str) -> Row | None:
    """(debit, credit, amount) of a transfer, or None."""
    sql = "SELECT debit, credit, amount FROM transfers WHERE kind = :kind AND ref = :ref"
    rows = await database.read(sql, kind=kind.value, ref=ref)
    return rows[0] if rows else None


async def purchased(database: Database, account: str) -> bool:
    """Whether the account ever paid for credits, rather than being given them."""
    return bool(
        await database.read(
            "SELECT 1 FROM transfers WHERE kind = 'topup' AND credit = :account LIMIT 1", account=account
        )
    )


def _posting(transfers: Sequence[Transfer]) -> tuple[Statement, Statement]:
    credited: defaultdict[str, Nanodollars] = defaultdict(int)
    debited: defaultdict[str, Nanodollars] = defaultdict(int)
    rows = []
    for transfer in transfers:
        credited[transfer.credit] += transfer.amount
        debited[transfer.debit] += transfer.amount
        rows.append(
            {
                "kind": transfer.kind.value,
                "ref": transfer.ref,
                "debit": transfer.debit,
                "credit": transfer.credit,
                "amount": transfer.amount,
                "created_ms": transfer.created_ms,
                "reason": transfer.reason,
            }
        )
    moves = [
        {"id": account, "credited": credited[account], "debited": debited[account]}
        for account in sorted(credited.keys() | debited.keys())
    ]
    return Statement(INSERT_TRANSFER, tuple(rows)), Statement(MOVE_BALANCE, tuple(moves))
