"""Receipts: what was bought, from whom, by whom, with fee and tax; and what became of it."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from msgspec import Meta, Struct

from tollway.billing.settings import Payments
from tollway.domain.errors import NotFound
from tollway.domain.payments import LotMove, Order, OrderStatus, Receipt
from tollway.domain.people import Actor, Right
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.payments.topup import Till
from tollway.storage.database import Database
from tollway.storage.receipts import find_buyer, find_receipt, moves_of_lot, receipt_numbers, set_buyer

NO_RECEIPT = "There is no such receipt."


class Buyer(Struct, forbid_unknown_fields=True):
    """`PUT /account/v1/buyer`: who buys, as receipts say it; lines with \\n in between."""

    details: Annotated[str, Meta(max_length=500)]
    workspace_id: str | None = None


class Bought(Struct, frozen=True):
    """All that a receipt says."""

    order: Order
    number: str
    seller: str
    buyer: str
    tax_name: str
    tax_percent: str
    tax_cents: int
    """What of the price is tax; 0 where none is configured."""
    moves: Sequence[LotMove]


class Receipts:
    """Who may pay for a workspace sees its receipts."""

    def __init__(self, database: Database, audit: AuditLog, till: Till, settings: Payments) -> None:
        self._database = database
        self._audit = audit
        self._till = till
        self._settings = settings

    async def find(self, actor: Actor, order_id: str) -> Bought:
        """NotFound: there is none, it is not paid, or it is not the actor's to see, which is the same."""
        try:
            order = await self._till.find(actor, order_id)
        except NotFound:
            raise NotFound(NO_RECEIPT) from None
        receipt = await find_receipt(self._database, order_id)
        if receipt is None or order.status is not OrderStatus.PAID:
            raise NotFound(NO_RECEIPT)
        buyer = receipt.buyer or await find_buyer(self._database, order.workspace_id)
        moves = await moves_of_lot(self._database, order.workspace_id, order.id)
        return Bought(
            order, number_of(receipt.number), receipt.seller or self._settings.seller, buyer, receipt.tax_name,
            receipt.tax_percent, tax_within(order.price_cents, receipt.tax_percent), moves,
        )  # fmt: skip

    async def numbers(self, workspace_id: str) -> Mapping[str, str]:
        """By order, as receipts are named. Who asks has been let in before."""
        found = await receipt_numbers(self._database, workspace_id)
        return {order_id: number_of(number) for order_id, number in found.items()}

    async def number(self, order: Order) -> str | None:
        """None: it is not paid."""
        receipt: Receipt | None = await find_receipt(self._database, order.id)
        return number_of(receipt.number) if receipt else None

    async def buyer(self, actor: Actor, workspace_id: str | None) -> tuple[str, str]:
        """-> the workspace, and what its receipts say of it."""
        workspace_id = actor.workspace(workspace_id, Right.PAY)
        return workspace_id, await find_buyer(self._database, workspace_id)

    async def set_buyer(self, actor: Actor, ask: Buyer, now_ms: int) -> tuple[str, str]:
        """For receipts to come, and for those on which nobody stands yet."""
        workspace_id = await workspace_of(self._database, actor, ask.workspace_id, Right.PAY)
        details = "\n".join(line.strip() for line in ask.details.replace("\r", "").strip().split("\n"))
        await self._audit.write(
            actor, "buyer.set", workspace_id, set_buyer(workspace_id, details, now_ms), now_ms=now_ms,
            workspace_id=workspace_id,
        )  # fmt: skip
        return workspace_id, details


def number_of(number: int) -> str:
    """A receipt's number, as it is written."""
    return f"R-{number:06}"


def tax_within(cents: int, percent: str) -> int:
    """What of a price that includes it is tax, in whole cents, half to even."""
    rate = Decimal(percent)
    return int((Decimal(cents) * rate / (100 + rate)).to_integral_value(ROUND_HALF_EVEN))
