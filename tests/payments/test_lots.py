"""Purchases, grants, use, holds, refunds, chargebacks and expiry in any order: the ledger keeps every promise."""

import asyncio
import os
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.payments.shop import OWNER, USD, Shop, shop
from tests.storage.ledgers import generation
from tollway.billing.ledger import Hold
from tollway.billing.lots import Lot, lots_of
from tollway.domain.errors import Forbidden, InvalidRequest
from tollway.identity.keys import issue_key
from tollway.payments.jobs import expire_credits
from tollway.payments.topup import NewPurchase
from tollway.storage.keys import insert_key
from tollway.storage.ledger import balance, commit_generations
from tollway.storage.marks import list_marks

RULES = ("buy", "grant", "hold", "capture", "void", "refund", "dispute", "win", "age", "restart")
OFTEN = (*RULES, "hold", "hold", "capture", "capture", "void", "age")
LIVES = int(os.environ.get("LIVES", "40"))
"""LIVES=2000 for the run in which each rule succeeds more than 200 times."""
done: Counter[str] = Counter()


class Life:
    """One workspace's money, and a model of it that counts by hand."""

    def __init__(self, place: Shop) -> None:
        self.place = place
        self.key, _ = issue_key(workspace_id="home", name="k", pepper=b"p", now_ms=0)
        self.holds: list[Hold] = []
        self.orders: list[tuple[str, str]] = []
        self.disputes: list[tuple[str, str]] = []
        self.number = 0

    async def play(self, rule: str, size: int) -> bool:
        """Whether the rule did something."""
        self.number += 1
        self.place.now_ms += 60_000
        book = await self.place.books.open(self.key)
        match rule:
            case "buy":
                order = await self.place.till.buy(OWNER, NewPurchase(Decimal(5 + size)), self.place.now_ms)
                event = self.place.stripe.pay(order.checkout_id or "")
                self.orders.append((order.id, event["data"]["object"]["payment_intent"]))
                return await self.place.tell(event) == "done"
            case "grant":
                await self.place.books.grant("home", size * USD, f"g{self.number}", "", self.place.now_ms)
            case "hold":
                amount = max(0, book.lease.available) * size // 9
                if amount == 0:
                    return False
                self.holds.append(Hold(book.lease, book.meter, amount))
            case "capture" | "void":
                if not self.holds:
                    return False
                hold = self.holds.pop(size % len(self.holds))
                cost = hold.amount * size // 9 if rule == "capture" else 0
                hold.resolve(cost)
                made = generation(f"gen{self.number}", self.key, cost=cost, created_ms=self.place.now_ms)
                await commit_generations(self.place.database, [made])
            case "refund":
                return await self.refund(size)
            case "dispute" | "win":
                return await self.dispute(rule, size)
            case "age":
                self.place.now_ms += 200 * 86_400_000
                settings_ = self.place.settings
                return bool(await expire_credits(self.place.database, self.place.books, settings_, self.place.now_ms))
            case "restart":
                if self.holds:
                    return False
                self.place.books._leases.clear()
                self.place.books._books.clear()
        return True

    async def refund(self, size: int) -> bool:
        if not self.orders:
            return False
        order_id, _ = self.orders[size % len(self.orders)]
        before = {lot.ref: lot.left for lot in await self.lots()}
        try:
            refund = await self.place.till.refund(OWNER, order_id, self.place.now_ms)
        except (InvalidRequest, Forbidden):
            return False
        assert 0 < refund.credits <= before[order_id]
        return True

    async def dispute(self, rule: str, size: int) -> bool:
        if rule == "dispute":
            if not self.orders:
                return False
            _, payment = self.orders[size % len(self.orders)]
            told = self.place.stripe.dispute(payment, name=f"du_{self.number}")
            outcome = await self.place.tell(self.place.stripe.event("charge.dispute.funds_withdrawn", told))
            if outcome == "done":
                self.disputes.append((f"du_{self.number}", payment))
            return outcome == "done"
        if not self.disputes:
            return False
        name, payment = self.disputes.pop(size % len(self.disputes))
        told = self.place.stripe.dispute(payment, name=name)
        return await self.place.tell(self.place.stripe.event("charge.dispute.funds_reinstated", told)) == "done"

    async def lots(self) -> list[Lot]:
        found = await balance(self.place.database, "home")
        assert found is not None
        marks = await list_marks(self.place.database, "home")
        return lots_of(marks, found.credited, found.debited)

    async def check(self) -> None:
        """The lots sum to the balance, the lease is what the database has, what is held is there, nothing is broken."""
        posted, owed = await self.place.money()
        lots = await self.lots()
        assert sum(lot.left for lot in lots) == posted
        assert all(lot.left >= 0 for lot in lots)
        lease = (await self.place.books.open(self.key)).lease
        assert (lease.amount, lease.owed) == (posted, owed)
        assert 0 <= lease.held <= lease.amount
        assert owed >= 0


@settings(max_examples=LIVES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(OFTEN), st.integers(1, 9)), min_size=20, max_size=40))
def lives(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with shop(Path(folder)) as place:
                life = Life(place)
                await insert_key(place.database, life.key)
                await life.play("buy", 5)
                for rule, size in steps:
                    done[rule] += await life.play(rule, size)
                    await life.check()
                assert await place.broken() == []

    asyncio.run(run())


def test_any_life() -> None:
    """Each rule has done something, and none has broken a promise."""
    done.clear()
    lives()
    assert all(done[rule] >= LIVES // 10 for rule in RULES), done
