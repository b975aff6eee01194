"""A shop inside the running loop: a database, the books, a till and a stand-in for Stripe that needs no socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.payments.fake_stripe import SECRET, FakeStripe, signed
from tollway.app import open_database
from tollway.billing.settings import CreditPack, Payments
from tollway.config import Config, Storage
from tollway.domain.ledger import Transfer
from tollway.domain.money import NANO
from tollway.domain.payments import AutoTopUp, Event, Order, Paid, ProviderName
from tollway.domain.people import Actor, Role
from tollway.gateway.books import Books
from tollway.identity.audit_log import AuditLog
from tollway.payments.auto_topups import AutoTopUps
from tollway.payments.base import Checkout, Confirmed, ProviderFailed
from tollway.payments.events import Events
from tollway.payments.signatures import Header, check_stripe
from tollway.payments.stripe import _EVENT, _event
from tollway.payments.topup import Till
from tollway.storage.audit import audit_ledger
from tollway.storage.database import Database
from tollway.storage.keys import create_workspace
from tollway.storage.ledger import balance_and_debt

USD = NANO
OWNER = Actor("owner", {"home": Role.OWNER, "away": Role.OWNER}, "home")
OPERATOR = Actor("operator", {}, operator=True)


class Nearby:
    """Stripe without a network: the same events and amounts, from the same stand-in."""

    name: ProviderName = "stripe"

    def __init__(self, stripe: FakeStripe) -> None:
        self.stripe = stripe
        self.fails: list[ProviderFailed] = []
        self.confirms = True
        self.refunded: dict[str, int] = {}
        """Our refund -> cents."""

    async def checkout(self, order: Order, *, back_url: str) -> Checkout:
        self._fail()
        form = {
            "line_items[0][price_data][unit_amount]": str(order.price_cents),
            "line_items[0][price_data][currency]": order.currency,
            "metadata[tollway_order]": order.id,
            "client_reference_id": order.id,
        }
        _, made = self.stripe._answer("POST", "/v1/checkout/sessions", form)
        return Checkout(made["id"], made["url"])

    async def charge(self, order: Order, method: AutoTopUp) -> Paid | None:
        self._fail()
        named = {"tollway_order": order.id, "tollway_automatic": "yes"}
        found = [each for each in self.stripe.intents.values() if each["metadata"] == named]
        made = found[0] if found else self.stripe._new_intent(order.price_cents, order.currency, named, "succeeded")
        return Paid(f"answer {order.id}", order.id, made["id"], made["amount_received"], made["currency"])

    async def confirm(self, paid: Paid) -> Confirmed:
        self._fail()
        intent = self.stripe.intents[paid.payment_id]
        amount = intent["amount_received"] if self.confirms else 0
        return Confirmed(amount, intent["currency"], "cus_1", "pm_1")

    async def refund(self, order: Order, cents: int, refund_id: str) -> str:
        self._fail()
        assert self.refunded.setdefault(refund_id, cents) == cents
        return f"re_{refund_id}"

    def read_event(self, body: bytes, header: Header, now_s: float) -> Event:
        check_stripe(body, header, (SECRET,), now_s)
        told = _EVENT.decode(body)
        return _event(told.id, told.type, told.data.object)

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


class Shop:
    """Everything that moves money, and what tells it to."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.database = database
        self.books = Books(database)
        self.stripe = FakeStripe()
        self.provider = Nearby(self.stripe)
        self.settings = Payments(**settings)
        self.audit = AuditLog(database)
        packs = (CreditPack("starter", "Starter", "10", "12"),)
        self.till = Till(
            database, self.books, self.audit, {"stripe": self.provider}, self.settings, packs, "https://x/credits"
        )
        self.events = Events(database, self.books, self.settings)
        self.auto = AutoTopUps(database, self.audit, self.till, self.events)
        self.now_ms = int(time.time() * 1000)

    async def tell(self, event: dict[str, Any], *, headers: dict[str, str] | None = None) -> str:
        """An event as it comes in: signed, read, booked."""
        body = msgspec.json.encode(event)
        told = signed(body, at_s=self.now_ms / 1000) if headers is None else headers
        return await self.tell_raw(body, told)

    async def tell_raw(self, body: bytes, headers: dict[str, str]) -> str:
        read = self.provider.read_event(
            body, lambda name: [headers[name]] if name in headers else [], self.now_ms / 1000
        )
        return await self.events.take(self.provider, read, self.now_ms)

    async def money(self, workspace: str = "home") -> tuple[int, int]:
        """What it has, and what it owes."""
        return await balance_and_debt(self.database, workspace)

    async def moved(self) -> list[Transfer]:
        rows = await self.database.read("SELECT kind, ref, debit, credit, amount, created_ms FROM transfers")
        return [Transfer(*row) for row in rows]

    async def broken(self) -> list[str]:
        """Promises of the ledger that do not hold."""
        return [f"{each.name}: {row}" for each in await audit_ledger(self.database) for row in each.broken]


@asynccontextmanager
async def shop(folder: Path, **settings: Any) -> AsyncIterator[Shop]:
    database = await open_database(Config(storage=Storage(data_dir=str(folder))))
    try:
        for workspace in ("home", "away"):
            await create_workspace(database, workspace, workspace, 0)
        yield Shop(database, **settings)
    finally:
        await database.close()


def inside(test: Callable[[Shop], Awaitable[None]], folder: Path, **settings: Any) -> None:
    """Runs a test in a shop of its own."""

    async def run() -> None:
        async with shop(folder, **settings) as place:
            await test(place)

    asyncio.run(run())
