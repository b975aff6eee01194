"""The audit: an honest ledger has no finding, and each kind of corruption is found by its check."""

from pathlib import Path

import pytest

from tests.storage.ledgers import AWAY, HOME, NOW_MS, behind_its_back, generation, grant, run, settle_in
from tollway.domain.ledger import PROMOTIONS, PURCHASES, REFUNDS, REVENUE, Transfer, TransferKind, debt_of
from tollway.domain.payments import Code, Order, OrderStatus
from tollway.storage.audit import audit_ledger, count_rows
from tollway.storage.codes import new_codes, redeem_code
from tollway.storage.database import ConflictError
from tollway.storage.keys import spent_by_day
from tollway.storage.ledger import (
    balance,
    commit_generations,
    committed_ids,
    find_transfer,
    open_accounts,
    post_transfers,
    purchased,
    void_generation,
)
from tollway.storage.orders import new_order, set_paid
from tollway.storage.receipts import new_receipt
from tollway.storage.sqlite import SqliteDatabase

CHECKS = (
    "balances", "zero-sum", "overdraft", "captures", "absorbed", "orphans", "purchases", "returned", "codes",
    "receipts", "marks", "debts", "meters", "days",
)  # fmt: skip


async def business(database: SqliteDatabase) -> str:
    """Some requests: paid, free, failed at our cost, voided before and after its commit. The key's id."""
    key = await settle_in(database)
    await commit_generations(
        database,
        [
            generation("paid", key, cost=300),
            generation("free", key),
            generation("failed", key, absorbed=70, finish_reason="error"),
        ],
    )
    await void_generation(database, generation("never", key, cost=40), "could not be recorded")
    late = generation("late", key, cost=50)
    await commit_generations(database, [late])
    await void_generation(database, late, "could not be recorded")
    await void_generation(database, late, "could not be recorded")
    return key.id


async def sold(database: SqliteDatabase) -> None:
    """A purchase of 100, of which 40 were refunded and 20 charged back, 5 of them owed; a code of 9 is redeemed."""
    order = Order("o1", HOME, "stripe", OrderStatus.PENDING, 100, 0, 1, "usd", NOW_MS)
    await database.write(new_order(order))
    topup = Transfer(TransferKind.TOPUP, "o1", PURCHASES, HOME, 100, NOW_MS)
    await post_transfers(database, [topup], set_paid("o1", "p1", NOW_MS), new_receipt(order, "", "", "0", NOW_MS))
    await database.write(new_codes([Code("c1", "digest", "", 9, 2, 0, "", NOW_MS)]))
    gift = grant("code c1 u1", 9, AWAY)
    await post_transfers(database, [gift], *redeem_code("c1", "u1", AWAY, NOW_MS))
    moves = [
        Transfer(TransferKind.REFUND, "r1", HOME, REFUNDS, 40, NOW_MS, "", "o1"),
        Transfer(TransferKind.CHARGEBACK, "d1", HOME, REFUNDS, 15, NOW_MS, "", "o1"),
        Transfer(TransferKind.DEBT, "d1", debt_of(HOME), REFUNDS, 5, NOW_MS),
    ]
    await post_transfers(database, moves)


async def broken(database: SqliteDatabase) -> dict[str, tuple[str, ...]]:
    """The checks that found something, and what."""
    findings = await audit_ledger(database)
    assert tuple(each.name for each in findings) == CHECKS
    assert all(each.promise for each in findings)
    return {each.name: each.broken for each in findings if each.broken}


def test_an_empty_ledger_is_in_order(tmp_path: Path) -> None:
    """No account at all, and then accounts without a transfer."""

    async def test(database: SqliteDatabase) -> None:
        assert await broken(database) == {}
        await open_accounts(database)
        await open_accounts(database)
        assert await broken(database) == {}

    run(tmp_path, test)


def test_honest_business_is_in_order(tmp_path: Path) -> None:
    """Captures, absorbed cost and reversals keep every promise, and the figures are what was done."""

    async def test(database: SqliteDatabase) -> None:
        key_id = await business(database)
        assert await broken(database) == {}
        found = await balance(database, HOME)
        assert found is not None
        assert found.posted == 1_000 - 300
        assert [(each.day, each.spent) for each in await spent_by_day(database, key_id)] == [(20_000, 300)]
        figures = await count_rows(database)
        assert figures == {"generations": 5, "captures": 2, "absorbed": 2, "keys": 1, "captured": 350}
        assert await committed_ids(database, ["paid", "nobody", "late"]) == {"paid", "late"}
        assert await find_transfer(database, TransferKind.CAPTURE, "paid") == (HOME, REVENUE, 300)
        assert await find_transfer(database, TransferKind.CAPTURE, "never") is None
        assert await purchased(database, HOME) == 0

    run(tmp_path, test)


FORGED = "INSERT INTO transfers VALUES ('{}', '{}', '{}', '{}', {}, 0, '')"
PLANTED: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    # What is done to the database -> the checks that must find it, each with words of its finding.
    "a balance that grew by itself": (
        (f"UPDATE accounts SET credited = credited + 5 WHERE id = '{HOME}'",),
        {"balances": "home: cached 750, transfers say 745", "zero-sum": "the balances sum to 5"},
    ),
    "both sides of a balance grew": (
        (f"UPDATE accounts SET credited = credited + 5, debited = debited + 5 WHERE id = '{HOME}'",),
        {"balances": "home: cached 745, transfers say 745"},
    ),
    "a transfer that moved nothing": (
        (FORGED.format("grant", "forged", PROMOTIONS, HOME, 9),),
        {"balances": "home: cached 745, transfers say 754"},
    ),
    "a transfer that is gone": (
        ("DELETE FROM transfers WHERE kind = 'grant' AND ref = 'first'",),
        {"balances": "home: cached 745, transfers say -255", "marks": "grant first: marked 1000, moved 0"},
    ),
    "more spent than there was": (
        (
            FORGED.format("grant", "back", HOME, PROMOTIONS, 746),
            f"UPDATE accounts SET debited = debited + 746 WHERE id = '{HOME}'",
            f"UPDATE accounts SET credited = credited + 746 WHERE id = '{PROMOTIONS}'",
        ),
        {"overdraft": "home: -1"},
    ),
    "a cost that nobody paid": (
        ("UPDATE generations SET cost = 4 WHERE id = 'free'",),
        {
            "captures": "free: cost 4, captured 0 from -",
            "meters": "metered 300, captured 304",
            "days": "off by 0 requests, 0 errors, 0 tokens, -4",
        },
    ),
    "a cost that is not what was paid": (
        ("UPDATE generations SET cost = 299 WHERE id = 'paid'",),
        {
            "captures": "paid: cost 299, captured 300 from home",
            "meters": "metered 300, captured 299",
            "days": "off by 0 requests, 0 errors, 0 tokens, 1",
        },
    ),
    "a capture from another's workspace": (
        (f"UPDATE generations SET workspace_id = '{AWAY}' WHERE id = 'paid'",),
        {"captures": "paid: cost 300, captured 300 from home", "days": "20000 away test/model a:m: off by -1 requests"},
    ),
    "a reversal too many": (
        (
            FORGED.format("reversal", "paid", REVENUE, HOME, 300),
            f"UPDATE accounts SET credited = credited + 300 WHERE id = '{HOME}'",
            f"UPDATE accounts SET debited = debited + 300 WHERE id = '{REVENUE}'",
        ),
        {"captures": "paid: cost 300, captured 300 from home"},
    ),
    "an absorbed cost that is not booked": (
        ("UPDATE generations SET absorbed = 71 WHERE id = 'failed'",),
        {"absorbed": "failed: absorbed 71, booked 70"},
    ),
    "a capture without its generation": (
        ("DELETE FROM generations WHERE id = 'paid'",),
        {
            "orphans": "capture paid",
            "meters": "metered 300, captured 0",
            "days": "off by 1 requests, 0 errors, 7 tokens, 300",
        },
    ),
    "an absorbed amount without its generation": (
        ("DELETE FROM generations WHERE id = 'failed'",),
        {"orphans": "absorb failed", "days": "off by 1 requests, 1 errors, 7 tokens, 0"},
    ),
    "a top-up without its order": (
        ("UPDATE orders SET status = 'pending'",),
        {"purchases": "o1: pending, ordered 100, credited 100"},
    ),
    "an order that was paid and not credited": (
        (
            "INSERT INTO orders (id, workspace_id, provider, status, credits, fee, price_cents, currency, created_ms) "
            f"VALUES ('o2', '{HOME}', 'stripe', 'paid', 7, 0, 1, 'usd', 0)",
        ),
        {"purchases": "o2: paid, ordered 7, credited 0", "receipts": "o2: paid, without a receipt"},
    ),
    "a code that was redeemed more often than it says": (
        ("UPDATE codes SET uses = 0",),
        {"codes": "c1: used 0, redeemed 1, credited 1"},
    ),
    "a redemption without its credits": (
        (
            f"INSERT INTO redemptions VALUES ('c1', 'u2', '{HOME}', 0)",
            "UPDATE codes SET uses = 2",
        ),
        {"codes": "c1: used 2, redeemed 2, credited 1"},
    ),
    "a receipt that was taken out": (
        ("UPDATE receipts SET number = 2",),
        {"receipts": "1 receipts, the last is number 2"},
    ),
    "a refund of more than was bought": (
        ("UPDATE marks SET amount = -90 WHERE ref = 'r1'",),
        {"returned": "o1: brought 100, returned 105", "marks": "refund r1: marked -90, moved 40"},
    ),
    "a debt that was paid twice": (
        (f"UPDATE accounts SET credited = 6 WHERE id = '{debt_of(HOME)}'",),
        {"debts": f"{debt_of(HOME)}: 1", "balances": debt_of(HOME), "zero-sum": "the balances sum to 6"},
    ),
    "a meter that runs ahead": (
        ("UPDATE key_usage SET spent = spent + 1",),
        {"meters": "metered 301, captured 300"},
    ),
    "a day that counts too much": (
        ("UPDATE usage_days SET cached_tokens = cached_tokens + 1",),
        {"days": "20000 home test/model a:m: off by 0 requests, 0 errors, 0 tokens, 0"},
    ),
    "a day that was lost": (
        ("DELETE FROM usage_days",),
        {"days": "off by -5 requests, -3 errors, -35 tokens, -300"},
    ),
    "a meter that was lost": (
        ("DELETE FROM key_usage",),
        {"meters": "metered 0, captured 300"},
    ),
}


@pytest.mark.parametrize("corruption", PLANTED)
def test_corruption_is_found(corruption: str, tmp_path: Path) -> None:
    """What a broken program or a hand in the file does is found by exactly the checks that promise it."""
    sql, expected = PLANTED[corruption]

    async def test(database: SqliteDatabase) -> None:
        await business(database)
        await sold(database)
        behind_its_back(database, *sql)
        found = await broken(database)
        assert set(found) == set(expected)
        for check, words in expected.items():
            assert any(words in row for row in found[check]), found[check]

    run(tmp_path, test)


def test_every_check_can_fail() -> None:
    """No check is there that nothing above makes fail."""
    assert {check for _, expected in PLANTED.values() for check in expected} == set(CHECKS)


def test_the_schema_refuses_an_overdraft(tmp_path: Path) -> None:
    """A transfer that would take a workspace below zero is refused whole; the platform's accounts may go there."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        with pytest.raises(ConflictError):
            await commit_generations(database, [generation("cheap", key, cost=1), generation("dear", key, cost=1_000)])
        assert await committed_ids(database, ["cheap", "dear"]) == set()
        await commit_generations(database, [generation("all", key, cost=1_000)])
        home, promotions = await balance(database, HOME), await balance(database, PROMOTIONS)
        assert home is not None
        assert promotions is not None
        assert (home.posted, promotions.posted) == (0, -1_000)
        assert await balance(database, "nobody") is None
        assert await broken(database) == {}

    run(tmp_path, test)


@pytest.mark.parametrize(
    "transfers",
    [
        [grant("first", 5)],
        [grant("twice", 5), grant("twice", 5)],
        [grant("fine", 5), grant("nothing", 0)],
        [grant("fine", 5), grant("less", -5)],
        [grant("fine", 5), grant("nowhere", 5, workspace="nobody")],
        [Transfer(TransferKind.GRANT, "self", HOME, HOME, 5, NOW_MS)],
    ],
)
def test_transfers_that_are_refused(transfers: list[Transfer], tmp_path: Path) -> None:
    """A reference used before, nothing, less than nothing, nowhere, to oneself: none of the batch is posted."""

    async def test(database: SqliteDatabase) -> None:
        await settle_in(database)
        with pytest.raises(ConflictError):
            await post_transfers(database, transfers)
        found = await balance(database, HOME)
        assert found is not None
        assert found.posted == 1_000
        assert await broken(database) == {}

    run(tmp_path, test)


def test_a_generation_is_charged_once(tmp_path: Path) -> None:
    """The same generation again is refused, with all that is in its batch (FAULTS.md, I19)."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        await commit_generations(database, [generation("one", key, cost=10)])
        with pytest.raises(ConflictError):
            await commit_generations(database, [generation("two", key, cost=10), generation("one", key, cost=10)])
        assert await committed_ids(database, ["one", "two"]) == {"one"}
        assert await broken(database) == {}

    run(tmp_path, test)
