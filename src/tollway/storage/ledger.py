"""The ledger's SQL: transfers and cached balances move together, and a generation is written with its capture."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from tollway.domain.generation import Generation
from tollway.domain.ledger import (
    ABSORBED,
    BYOK_FEES,
    PLATFORM_ACCOUNTS,
    PROVIDERS,
    REVENUE,
    USAGE,
    Transfer,
    TransferKind,
    debt_of,
)
from tollway.domain.money import Nanodollars
from tollway.storage.byok_months import add_requests, month_of, take_request
from tollway.storage.database import ConflictError, Database, NewRows, Row, Statement
from tollway.storage.marks import new_marks
from tollway.storage.usage_days import DAY_MS, Place, add_usage, by_place, void_usage

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
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "app_id",
    "record",
)
ADD_KEY_USAGE = """
INSERT INTO key_usage (key_id, day, spent, last_ms, byok) VALUES (:key_id, :day, :spent, :last_ms, :byok)
ON CONFLICT (key_id, day) DO UPDATE SET spent = key_usage.spent + excluded.spent, byok = key_usage.byok + excluded.byok,
last_ms = CASE WHEN excluded.last_ms > key_usage.last_ms THEN excluded.last_ms ELSE key_usage.last_ms END
"""
VOID_GENERATION = "UPDATE generations SET cost = 0, finish_reason = :finish_reason, record = :record WHERE id = :id"
TAKE_KEY_USAGE = (
    "UPDATE key_usage SET spent = spent - :spent, byok = byok - :byok WHERE key_id = :key_id AND day = :day"
)
# 'topup' is written out: only so is it known that the index of top-ups fits.
PURCHASED = "SELECT COALESCE(SUM(amount), 0) FROM transfers WHERE kind = 'topup' AND credit = :account"

CAPTURE, ABSORB = TransferKind.CAPTURE.value, TransferKind.ABSORB.value

_encoder = msgspec.json.Encoder()


class Balance(Struct, frozen=True):
    """An account as the database has it."""

    credited: Nanodollars
    debited: Nanodollars

    @property
    def posted(self) -> Nanodollars:
        return self.credited - self.debited


def _earned_by(generation: Generation) -> str:
    """Where what a generation cost goes: revenue, or the fees for callers' own keys."""
    return BYOK_FEES if generation.credential_id else REVENUE


async def open_accounts(database: Database) -> None:
    """Makes the platform's own accounts where they are missing."""
    sql = "INSERT INTO accounts (id, platform) VALUES (:id, 1) ON CONFLICT (id) DO NOTHING"
    await database.write(Statement(sql, tuple({"id": account} for account in PLATFORM_ACCOUNTS)))


async def post_transfers(
    database: Database, transfers: Sequence[Transfer], *beside: Statement | NewRows
) -> list[list[Row]]:
    """Moves money, all or nothing, with what is written beside it. -> the rows of `beside`.

    ConflictError: a (kind, ref) that is there already, or an overdraft.
    """
    posting: list[NewRows | Statement] = []
    for transfer in transfers:
        posting += _posting([_row_of(transfer)])
        if transfer.kind not in USAGE:
            posting.append(new_marks(transfer))
    debts = {each.debit for each in transfers if each.kind is TransferKind.DEBT}
    rows = await database.write(*(_open_account(debt) for debt in sorted(debts)), *posting, *beside)
    return rows[len(rows) - len(beside) :]


async def commit_generations(database: Database, generations: Sequence[Generation]) -> None:
    """Writes finished requests with their captures and meters in one durable transaction."""
    rows: list[Row] = []
    moved: list[Row] = []
    groups = by_place(generations)
    for (*_, app_id), group in groups.items():
        for generation in group:
            usage, cost, absorbed = generation.usage, generation.cost, generation.absorbed
            id_, workspace_id, created_ms = generation.id, generation.workspace_id, generation.created_ms
            rows.append(
                (
                    id_,
                    workspace_id,
                    generation.key_id,
                    created_ms,
                    generation.model,
                    generation.endpoint_id,
                    generation.finish_reason,
                    cost,
                    absorbed,
                    usage.prompt,
                    usage.completion,
                    usage.reasoning,
                    usage.cache_read,
                    app_id,
                    _encoder.encode(generation).decode(),
                )
            )
            # What it moves (MONEY.md, Capture): its capture, and what it cost us and nobody pays.
            if cost:
                moved.append((CAPTURE, id_, workspace_id, _earned_by(generation), cost, created_ms, ""))
            if absorbed:
                moved.append((ABSORB, id_, ABSORBED, PROVIDERS, absorbed, created_ms, ""))
    new = NewRows("generations", GENERATION_COLUMNS, rows)
    await database.write(new, *_posting(moved), *_meters(groups), *add_usage(groups))


def _meters(groups: Mapping[Place, Sequence[Generation]]) -> list[Statement | NewRows]:
    """What keys spent on each day, and how often requests went over workspaces' own keys."""
    spent: dict[tuple[str, int], dict[str, Any]] = {}
    over_own: defaultdict[tuple[str, int], int] = defaultdict(int)
    for (day, workspace_id, _, _, key_id, _), group in groups.items():
        row = spent.setdefault((key_id, day), {"key_id": key_id, "day": day, "spent": 0, "last_ms": 0, "byok": 0})
        row["spent"] += sum([each.cost for each in group])
        row["last_ms"] = max(row["last_ms"], *[each.created_ms for each in group])
        for own in [each for each in group if each.own_cost]:
            row["byok"] += own.own_cost
            over_own[workspace_id, month_of(own.created_ms)] += 1
    meters: list[Statement | NewRows] = [Statement(ADD_KEY_USAGE, tuple(spent.values()))]
    if over_own:
        meters.append(add_requests(over_own))
    return meters


async def void_generation(database: Database, generation: Generation, reason: str) -> None:
    """Makes sure that a generation costs nothing, whether its own commit happened or not. StorageError: call it again.

    Its record is written without a cost: once the id is taken, the charge can't be made any more. Where the id was
    taken before, the charge had been made, and is reversed together with the key's metered spending.
    """
    void = structs.replace(generation, cost=0, cache_discount=0, own_cost=0, finish_reason="error", error=reason)
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
        _earned_by(generation),
        generation.workspace_id,
        generation.cost,
        generation.created_ms,
        reason,
    )
    record = {"id": void.id, "finish_reason": void.finish_reason, "record": _encoder.encode(void).decode()}
    unspent = {
        "key_id": void.key_id,
        "day": void.created_ms // DAY_MS,
        "spent": generation.cost,
        "byok": generation.own_cost,
    }
    changes = [Statement(VOID_GENERATION, (record,)), Statement(TAKE_KEY_USAGE, (unspent,)), void_usage(generation)]
    if generation.own_cost:
        changes.append(take_request(generation.workspace_id, month_of(generation.created_ms)))
    await database.write(*_posting([_row_of(reversal)]), *changes)


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


async def balance_and_debt(database: Database, workspace_id: str) -> tuple[Nanodollars, Nanodollars]:
    """What a workspace has, and what it owes for payments that were taken back."""
    sql = "SELECT id, credited - debited FROM accounts WHERE id = :id OR id = :debt"
    found: dict[str, Nanodollars] = dict(await database.read(sql, id=workspace_id, debt=debt_of(workspace_id)))
    return found.get(workspace_id, 0), -found.get(debt_of(workspace_id), 0)


async def find_transfer(database: Database, kind: TransferKind, ref: str) -> Row | None:
    """(debit, credit, amount) of a transfer, or None."""
    sql = "SELECT debit, credit, amount FROM transfers WHERE kind = :kind AND ref = :ref"
    rows = await database.read(sql, kind=kind.value, ref=ref)
    return rows[0] if rows else None


async def purchased(database: Database, account: str) -> Nanodollars:
    """What the account ever paid for credits; what it was given is not in it."""
    [[amount]] = await database.read(PURCHASED, account=account)
    return int(amount)


def _open_account(account: str) -> Statement:
    sql = "INSERT INTO accounts (id, platform) VALUES (:id, 1) ON CONFLICT (id) DO NOTHING"
    return Statement(sql, ({"id": account},))


def _posting(moved: Sequence[Row]) -> list[NewRows | Statement]:
    """Rows of `TRANSFER_COLUMNS`, and the balances that move with them."""
    credited: dict[str, Nanodollars] = {}
    debited: dict[str, Nanodollars] = {}
    for _, _, debit, credit, amount, _, _ in moved:
        debited[debit] = debited.get(debit, 0) + amount
        credited[credit] = credited.get(credit, 0) + amount
    moves = [
        {"id": account, "credited": credited.get(account, 0), "debited": debited.get(account, 0)}
        for account in sorted(credited.keys() | debited.keys())
    ]
    return [NewRows("transfers", TRANSFER_COLUMNS, moved), Statement(MOVE_BALANCE, tuple(moves))]


def _row_of(transfer: Transfer) -> Row:
    return (
        transfer.kind.value,
        transfer.ref,
        transfer.debit,
        transfer.credit,
        transfer.amount,
        transfer.created_ms,
        transfer.reason,
    )
