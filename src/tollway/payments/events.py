"""What payment providers tell us, booked: each event once, each payment once, amounts from our own orders."""

import structlog

from tollway.billing.settings import Payments
from tollway.domain.errors import Unavailable
from tollway.domain.ledger import PURCHASES, REFUNDS, Transfer, TransferKind
from tollway.domain.payments import (
    AutoTopUp,
    Disputed,
    DisputeWon,
    Event,
    NotPaid,
    Order,
    OrderStatus,
    Other,
    Paid,
    Refunded,
    RefundFailed,
    share_of,
)
from tollway.payments.base import Confirmed, PaymentProvider, ProviderFailed, Purse
from tollway.payments.taking import charge_back, refund_part
from tollway.storage.auto_topups import forget_failures, keep_method, note_failure, stop_auto_topup
from tollway.storage.database import ConflictError, Database, Statement
from tollway.storage.orders import (
    event_is_known,
    find_order,
    find_order_of_payment,
    find_refund,
    new_event,
    set_failed,
    set_paid,
    set_refund,
)
from tollway.storage.receipts import new_receipt

log = structlog.get_logger(__name__)

FAILURES_MAX = 3
"""Automatic top-ups that fail in a row, before they are switched off."""


class Events:
    """Books events. Told again, an event changes nothing: its id is in the database with all that it changed."""

    def __init__(self, database: Database, purse: Purse, settings: Payments) -> None:
        self._database = database
        self._purse = purse
        self._settings = settings

    async def take(self, provider: PaymentProvider, event: Event, now_ms: int) -> str:
        """What became of it, in a word. Unavailable: it can't be confirmed now; the provider will tell it again."""
        if await event_is_known(self._database, provider.name, event.event_id):
            return "known"
        if isinstance(event, Other):
            return "ignored"
        try:
            outcome = await self._book(provider, event, now_ms)
        except ConflictError:
            # Another delivery was faster, or another order has this payment.
            if await event_is_known(self._database, provider.name, event.event_id):
                return "known"
            outcome = "conflict"
        if outcome not in ("done", "known"):
            log.warning("payment event", provider=provider.name, event_id=event.event_id, outcome=outcome)
            await self._note(provider, event, None, outcome, now_ms)
        return outcome

    async def _book(self, provider: PaymentProvider, event: Event, now_ms: int) -> str:
        match event:
            case Paid():
                return await self._paid(provider, event, now_ms)
            case NotPaid():
                return await self._not_paid(provider, event, now_ms)
            case Refunded():
                return await self._refunded(provider, event, now_ms)
            case RefundFailed():
                return await self._refund_failed(provider, event, now_ms)
            case Disputed() | DisputeWon():
                return await self._dispute(provider, event, now_ms)
            case Other():
                return "ignored"

    async def _paid(self, provider: PaymentProvider, event: Paid, now_ms: int) -> str:
        order = await find_order(self._database, event.order_id)
        if order is None or order.provider != provider.name:
            return "no such order"
        if order.status is OrderStatus.PAID:
            return "paid before"
        if (event.amount_cents, event.currency) != (order.price_cents, order.currency):
            return "another amount than was ordered"
        try:
            confirmed = await provider.confirm(event)
        except ProviderFailed as error:
            raise Unavailable(f"The payment could not be confirmed: {error}", retry_after_s=60) from None
        if (confirmed.amount_cents, confirmed.currency) != (order.price_cents, order.currency):
            return "not confirmed"
        topup = Transfer(
            TransferKind.TOPUP, order.id, PURCHASES, order.workspace_id, order.credits, now_ms,
            f"{provider.name} {event.payment_id}",
        )  # fmt: skip
        done = await self._purse.credit(
            topup,
            set_paid(order.id, event.payment_id, now_ms),
            self._receipt(order, now_ms),
            _event_row(provider, event, order.id, "done", now_ms),
            *_method(order, confirmed),
        )
        return "done" if done else "paid before"

    def _receipt(self, order: Order, now_ms: int) -> Statement:
        said = self._settings
        return new_receipt(order, said.seller, said.tax_name, said.tax_percent, now_ms)

    async def _not_paid(self, provider: PaymentProvider, event: NotPaid, now_ms: int) -> str:
        order = await find_order(self._database, event.order_id)
        if order is None or order.provider != provider.name:
            return "no such order"
        changes = [set_failed(order.id), _event_row(provider, event, order.id, "done", now_ms)]
        if order.automatic:
            why = event.reason or "The payment was refused."
            changes.insert(0, note_failure(order, why, now_ms, FAILURES_MAX))
        await self._database.write(*changes)
        return "done"

    async def _refunded(self, provider: PaymentProvider, event: Refunded, now_ms: int) -> str:
        refund = await find_refund(self._database, event.refund_id or event.ref)
        if refund is not None:
            noted = _event_row(provider, event, refund.order_id, "done", now_ms)
            await self._database.write(set_refund(refund.id, "done", event.ref), noted)
            return "done"
        order = await self._order_of(provider, event.payment_id, event.currency)
        if order is None:
            return "no such order"
        # Made at the provider's own site: the credits that are left go, and no debt is made of the others.
        decide = refund_part(order, share_of(order, event.amount_cents), event.ref, now_ms)
        noted = _event_row(provider, event, order.id, "done", now_ms)
        moved = await self._purse.take(order.workspace_id, decide, lambda _: [noted])
        return "done" if moved else "nothing was left to refund"

    async def _refund_failed(self, provider: PaymentProvider, event: RefundFailed, now_ms: int) -> str:
        refund = await find_refund(self._database, event.refund_id or event.ref)
        order = await find_order(self._database, refund.order_id) if refund else None
        if refund is None or order is None:
            return "no such refund"
        noted = _event_row(provider, event, order.id, "done", now_ms)
        return "done" if await give_back(self._purse, order, refund.id, refund.credits, now_ms, noted) else "known"

    async def _dispute(self, provider: PaymentProvider, event: Disputed | DisputeWon, now_ms: int) -> str:
        order = await self._order_of(provider, event.payment_id, event.currency)
        if order is None:
            return "no such order"
        noted = _event_row(provider, event, order.id, "done", now_ms)
        credits_ = share_of(order, event.amount_cents)
        if isinstance(event, Disputed):
            # A dispute is one, however many events tell of it: its own row refuses the second.
            once = new_event(provider.name, f"dispute {event.ref}", "dispute", order.id, "done", now_ms)
            decide = charge_back(order, credits_, event.ref, now_ms)
            # Whose payment is disputed is not charged again by itself.
            stop = stop_auto_topup(order.workspace_id, "A payment was disputed.", now_ms)
            moved = await self._purse.take(order.workspace_id, decide, lambda _: [noted, once, stop])
            return "done" if moved else "nothing was left to take back"
        taken = await charged_back(self._database, event.ref)
        if not taken:
            return "no such dispute"
        won = Transfer(
            TransferKind.RETURN, event.ref, REFUNDS, order.workspace_id, taken, now_ms, "dispute won", order.id
        )
        return "done" if await self._purse.credit(won, noted) else "known"

    async def _order_of(self, provider: PaymentProvider, payment_id: str, currency: str) -> Order | None:
        order = await find_order_of_payment(self._database, provider.name, payment_id)
        return order if order is not None and order.currency == currency else None

    async def _note(
        self, provider: PaymentProvider, event: Event, order_id: str | None, outcome: str, now_ms: int
    ) -> None:
        try:
            await self._database.write(_event_row(provider, event, order_id, outcome, now_ms))
        except ConflictError:
            return  # noted by another delivery


async def give_back(purse: Purse, order: Order, refund_id: str, credits_: int, now_ms: int, *beside: Statement) -> bool:
    """The credits of a refund that failed. False: they are back already."""
    back = Transfer(
        TransferKind.RETURN, refund_id, REFUNDS, order.workspace_id, credits_, now_ms, "refund failed", order.id
    )
    return await purse.credit(back, set_refund(refund_id, "failed", None), *beside)


async def charged_back(database: Database, dispute: str) -> int:
    """What a dispute took, debt and all."""
    sql = "SELECT COALESCE(SUM(amount), 0) FROM transfers WHERE ref = :ref AND kind IN ('chargeback', 'debt')"
    [[amount]] = await database.read(sql, ref=dispute)
    return int(amount)


def _event_row(provider: PaymentProvider, event: Event, order_id: str | None, outcome: str, now_ms: int) -> Statement:
    return new_event(provider.name, event.event_id, type(event).__name__, order_id, outcome, now_ms)


def _method(order: Order, confirmed: Confirmed) -> list[Statement]:
    if order.automatic:
        return [forget_failures(order.workspace_id)]
    if not (order.save_method and confirmed.customer_id and confirmed.method_id):
        return []
    method = AutoTopUp(order.workspace_id, order.provider, confirmed.customer_id, confirmed.method_id)
    return [keep_method(method)]
