"""The ledger's SQL: transfers and cached balances move together, and a generation is written with its capture."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, structs

from tollway.domain.generation import Generation
from tollway.domain.ledger import ABSORBED, PLATFORM_ACCOUNTS, PROVIDERS, REVENUE, Transfer, TransferKind
from tollway.domain.money import Nanodollars
from tollway.storage.database import ConflictError, Database, NewRows, Row, Statement

DAY_MS = 86_400_000

TRANSFER_COLUMNS = ("kind", "ref", "debit", "credit", "amount", "created_ms", "reason")
MOVE_BALANCE = "UPDATE accounts SET credited = credited + :credited, debited = debited + :debited WHERE id = :id"
GENERATION_COLUMNS = (
    "id",
    "workspace_id",
    "key_id",
    "created_ms",
    "model",
    "endpoint_id",
    "finish_reason",
    "cost",
    "absorbed",
    "record",
)
ADD_KEY_USAGE = """
INSERT INTO key_usage (key_id, day, spent) VALUES (:key_id, :day, :spent)
ON CONFLICT (key_id, day) DO UPDATE SET spent = key_usage.spent + excluded.spent
"""
VOID_GENERATION = "UPDATE generations SET cost = 0, finish_reason = :finish_reason, record = :record WHERE id = :id"
TAKE_KEY_USAGE = "UPDATE key_usage SET spent = spent - :spent WHERE key_id = :key_id AND day = :day"

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
            (
                generation.id,
                generation.workspace_id,
                generation.key_id,
                generation.created_ms,
                generation.model,
                generation.endpoint_id,
                generation.finish_reason,
                generation.cost,
                generation.absorbed,
                _encoder.encode(generation).decode(),
            )
        )
        if generation.cost:
            spent[generation.key_id, generation.created_ms // DAY_MS] += generation.cost
        transfers += transfers_of(generation)
    usage = tuple({"key_id": key, "day": day, "spent": amount} for (key, day), amount in spent.items())
    new = NewRows("generations", GENERATION_COLUMNS, rows)
    await database.write(new, *_posting(transfers), Statement(ADD_KEY_USAGE, usage))


async def void_generation(database: Database, generation: Generation, reason: str) -> None:
    """Makes sure that a generation costs nothing, whether its own commit happened or not. StorageError: call it again.

    Its record is written without a cost: once the id is taken, the charge can't be made any more. Where the id was
    taken before, the charge had been made, and is reversed together with the key's metered spending.
    """
    void = structs.replace(generation, cost=0, cache_discount=0, finish_reason="error", error=reason)
    try:
        await commit_generations(database, [structs.replace(void, absorbed=generation.absorbed + generation.cost)])
    except ConflictError:
        rows = await database.read("SELECT cost FROM generations WHERE id = :id", id=generation.id)
    else:
        return
    if not rows or not rows[0][0]:
        return
    reversal = Transfer(
        TransferKind.REVERSAL,
        generation.id,
        REVENUE,
        generation.workspace_id,
        generation.cost,
        generation.created_ms,
        reason,
    )
    record = {"id": void.id, "finish_reason": void.finish_reason, "record": _encoder.encode(void).decode()}
    unspent = {"key_id": void.key_id, "day": void.created_ms // DAY_MS, "spent": generation.cost}
    await database.write(
        *_posting([reversal]), Statement(VOID_GENERATION, (record,)), Statement(TAKE_KEY_USAGE, (unspent,))
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


def _posting(transfers: Sequence[Transfer]) -> tuple[NewRows, Statement]:
    credited: defaultdict[str, Nanodollars] = defaultdict(int)
    debited: defaultdict[str, Nanodollars] = defaultdict(int)
    rows = []
    for transfer in transfers:
        credited[transfer.credit] += transfer.amount
        debited[transfer.debit] += transfer.amount
        rows.append(
            (
                transfer.kind.value,
                transfer.ref,
                transfer.debit,
                transfer.credit,
                transfer.amount,
                transfer.created_ms,
                transfer.reason,
            )
        )
    moves = [
        {"id": account, "credited": credited[account], "debited": debited[account]}
        for account in sorted(credited.keys() | debited.keys())
    ]
    return NewRows("transfers", TRANSFER_COLUMNS, rows), Statement(MOVE_BALANCE, tuple(moves))
