"""The ledger's invariants as queries: each row that one returns is a broken promise (MONEY.md, Invariants)."""

from collections.abc import AsyncIterator

from msgspec import Struct

from tollway.storage.database import Database


class Finding(Struct, frozen=True):
    """One check of the ledger: what it promises, and the rows that break it."""

    name: str
    promise: str
    broken: tuple[str, ...]


_CHECKS = (
    (
        "balances",
        "each cached balance equals the sum of its transfers",
        """
        SELECT a.id || ': cached ' || (a.credited - a.debited) || ', transfers say '
               || (COALESCE(c.total, 0) - COALESCE(d.total, 0))
        FROM accounts a
        LEFT JOIN (SELECT credit AS id, SUM(amount) AS total FROM transfers GROUP BY credit) c ON c.id = a.id
        LEFT JOIN (SELECT debit AS id, SUM(amount) AS total FROM transfers GROUP BY debit) d ON d.id = a.id
        WHERE a.credited <> COALESCE(c.total, 0) OR a.debited <> COALESCE(d.total, 0)
        """,
    ),
    (
        "zero-sum",
        "all balances sum to zero",
        "SELECT 'the balances sum to ' || SUM(credited - debited) FROM accounts HAVING SUM(credited - debited) <> 0",
    ),
    (
        "overdraft",
        "no workspace is below zero",
        "SELECT id || ': ' || (credited - debited) FROM accounts WHERE platform = 0 AND credited < debited",
    ),
    (
        "captures",
        "each generation that cost something has one capture, of its recorded cost, from its own workspace",
        """
        SELECT g.id || ': cost ' || g.cost || ', captured ' || COALESCE(t.amount, 0) || ' from '
               || COALESCE(t.debit, '-')
        FROM generations g LEFT JOIN transfers t ON t.kind = 'capture' AND t.ref = g.id
        LEFT JOIN transfers r ON r.kind = 'reversal' AND r.ref = g.id
        WHERE (g.cost <> COALESCE(t.amount, 0) - COALESCE(r.amount, 0))
              OR (t.debit IS NOT NULL AND t.debit <> g.workspace_id)
        """,
    ),
    (
        "absorbed",
        "what a generation cost us is booked as absorbed, once",
        """
        SELECT g.id || ': absorbed ' || g.absorbed || ', booked ' || COALESCE(t.amount, 0)
        FROM generations g LEFT JOIN transfers t ON t.kind = 'absorb' AND t.ref = g.id
        WHERE g.absorbed <> COALESCE(t.amount, 0)
        """,
    ),
    (
        "orphans",
        "no capture lacks its generation",
        """
        SELECT t.kind || ' ' || t.ref FROM transfers t LEFT JOIN generations g ON g.id = t.ref
        WHERE t.kind IN ('capture', 'absorb', 'reversal') AND g.id IS NULL
        """,
    ),
    (
        "purchases",
        "each top-up belongs to one order that was paid, of its credits and its workspace, and each such order has one",
        """
        SELECT o.id || ': ' || o.status || ', ordered ' || o.credits || ', credited ' || COALESCE(t.amount, 0)
        FROM orders o LEFT JOIN transfers t ON t.kind = 'topup' AND t.ref = o.id
        WHERE (o.status = 'paid' AND t.ref IS NULL)
              OR (t.ref IS NOT NULL
                  AND (o.status <> 'paid' OR o.credits <> t.amount OR o.workspace_id <> t.credit
                       OR o.payment_id IS NULL))
        """,
    ),
    (
        "returned",
        "what was refunded and taken back of a purchase is at most what it brought",
        """
        SELECT o.id || ': brought ' || o.credits || ', returned ' || -SUM(m.amount)
        FROM orders o JOIN marks m ON m.account = o.workspace_id AND m.lot = o.id
        WHERE m.kind IN ('refund', 'chargeback', 'return')
        GROUP BY o.id, o.credits HAVING -SUM(m.amount) > o.credits
        """,
    ),
    (
        "codes",
        "each code was used as often as it was redeemed, and each redemption brought its credits once",
        """
        SELECT c.id || ': used ' || c.uses || ', redeemed ' || COUNT(r.code_id) || ', credited ' || COUNT(t.ref)
        FROM codes c LEFT JOIN redemptions r ON r.code_id = c.id
        LEFT JOIN transfers t ON t.kind = 'grant' AND t.ref = 'code ' || c.id || ' ' || r.user_id
                                 AND t.credit = r.workspace_id AND t.amount = c.credits
        GROUP BY c.id, c.uses HAVING c.uses <> COUNT(r.code_id) OR c.uses <> COUNT(t.ref)
        """,
    ),
    (
        "receipts",
        "each purchase that was paid has a receipt, and their numbers have no gap",
        """
        SELECT o.id || ': paid, without a receipt'
        FROM orders o LEFT JOIN receipts r ON r.order_id = o.id WHERE o.status = 'paid' AND r.order_id IS NULL
        UNION ALL
        SELECT COUNT(*) || ' receipts, the last is number ' || MAX(number)
        FROM receipts HAVING COUNT(*) <> COALESCE(MAX(number), 0)
        """,
    ),
    (
        "marks",
        "each transfer that is no usage has its mark, with its amount",
        """
        SELECT m.kind || ' ' || m.ref || ': marked ' || m.amount || ', moved ' || COALESCE(t.amount, 0)
        FROM marks m LEFT JOIN transfers t ON t.kind = m.kind AND t.ref = m.ref
        WHERE t.ref IS NULL OR (m.amount <> t.amount AND m.amount <> -t.amount)
        """,
    ),
    (
        "debts",
        "nobody has paid more of a debt than was owed",
        "SELECT id || ': ' || (credited - debited) FROM accounts WHERE id LIKE 'platform:receivable:%' "
        "AND credited > debited",
    ),
    (
        "meters",
        "each key's metered spending equals its captures",
        """
        SELECT k.id || ': metered ' || COALESCE(u.spent, 0) || ', captured ' || COALESCE(g.cost, 0)
        FROM keys k
        LEFT JOIN (SELECT key_id, SUM(spent) AS spent FROM key_usage GROUP BY key_id) u ON u.key_id = k.id
        LEFT JOIN (SELECT key_id, SUM(cost) AS cost FROM generations GROUP BY key_id) g ON g.key_id = k.id
        WHERE COALESCE(u.spent, 0) <> COALESCE(g.cost, 0)
        """,
    ),
    (
        "days",
        "each day's sums equal its generations",
        """
        SELECT day || ' ' || workspace_id || ' ' || model || ' ' || endpoint_id || ': off by ' || SUM(requests)
               || ' requests, ' || SUM(errors) || ' errors, ' || SUM(tokens) || ' tokens, ' || SUM(cost)
        FROM (
            SELECT day, workspace_id, key_id, model, endpoint_id, app_id, requests, errors,
                   prompt_tokens AS prompt, completion_tokens AS completion, reasoning_tokens AS reasoning,
                   cached_tokens AS cached, prompt_tokens + completion_tokens AS tokens, cost
            FROM usage_days
            UNION ALL
            SELECT created_ms / 86400000, workspace_id, key_id, model, COALESCE(endpoint_id, ''), app_id, -1,
                   CASE WHEN finish_reason = 'error' THEN -1 ELSE 0 END, -prompt_tokens, -completion_tokens,
                   -reasoning_tokens, -cached_tokens, -prompt_tokens - completion_tokens, -cost
            FROM generations
        ) AS both_sides
        GROUP BY day, workspace_id, key_id, model, endpoint_id, app_id
        HAVING SUM(requests) <> 0 OR SUM(errors) <> 0 OR SUM(prompt) <> 0 OR SUM(completion) <> 0
               OR SUM(reasoning) <> 0 OR SUM(cached) <> 0 OR SUM(cost) <> 0
        """,
    ),
)


async def audit_ledger(database: Database) -> list[Finding]:
    """Runs every check over the whole ledger; a Finding with nothing in `broken` holds."""
    return [finding async for finding in audit_ledger_by_check(database)]


async def audit_ledger_by_check(database: Database) -> AsyncIterator[Finding]:
    """The same, one after the other."""
    for name, promise, sql in _CHECKS:
        rows = await database.read(sql)
        yield Finding(name, promise, tuple(str(row[0]) for row in rows))


CHECK_NAMES = tuple(name for name, _, _ in _CHECKS)


async def count_rows(database: Database) -> dict[str, int]:
    """How many generations, captures, absorbed amounts and keys there are, and what the captures sum to."""
    rows = await database.read(
        """
        SELECT (SELECT COUNT(*) FROM generations), (SELECT COUNT(*) FROM transfers WHERE kind = 'capture'),
               (SELECT COUNT(*) FROM transfers WHERE kind = 'absorb'), (SELECT COUNT(*) FROM keys),
               (SELECT COALESCE(SUM(amount), 0) FROM transfers WHERE kind = 'capture')
        """
    )
    return dict(zip(("generations", "captures", "absorbed", "keys", "captured"), rows[0], strict=True))
