"""Purchases of credits: orders, the words of payment providers about them, and what may be bought."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from tollway.domain.ledger import TransferKind
from tollway.domain.money import NANO, Nanodollars

CENT: Nanodollars = NANO // 100
CURRENCY = "usd"
ProviderName = Literal["stripe", "coinbase"]


class OrderStatus(StrEnum):
    """Where a purchase is. A refund changes nothing here: it is transfers."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"  # not paid, and can't be any more


class Order(Struct, frozen=True):
    """What somebody wants to buy, or has bought. A payment's amount, currency and workspace are read here only."""

    id: str
    workspace_id: str
    provider: ProviderName
    status: OrderStatus
    credits: Nanodollars
    fee: Nanodollars
    price_cents: int
    """What is to be paid: credits and fee, in cents of `currency`."""
    currency: str
    created_ms: int
    user_id: str | None = None
    automatic: bool = False
    save_method: bool = False
    checkout_id: str | None = None
    checkout_url: str | None = None
    payment_id: str | None = None
    """The provider's name for the payment: at most one order has it."""
    paid_ms: int | None = None


class Refund(Struct, frozen=True):
    """A refund that we ask a provider for. Its credits are taken first, and come back if it fails."""

    id: str
    order_id: str
    status: Literal["pending", "done", "failed"]
    credits: Nanodollars
    cents: int
    created_ms: int
    provider_ref: str | None = None


class Receipt(Struct, frozen=True):
    """What a receipt says besides its order. `seller`, `buyer` "": what is said of them now."""

    order_id: str
    number: int
    seller: str
    buyer: str
    tax_name: str
    tax_percent: str
    created_ms: int


class LotMove(Struct, frozen=True):
    """What became of a purchase's credits, apart from use; negative: they left."""

    kind: TransferKind
    amount: Nanodollars
    created_ms: int


class Code(Struct, frozen=True):
    """Something to be redeemed for credits. The code itself is nowhere: `digest` is all that is kept of it."""

    id: str
    digest: str
    label: str
    """Its ends, to tell codes apart."""
    credits: Nanodollars
    uses_max: int
    uses: int
    note: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None

    def why_not(self, now_ms: int) -> str | None:
        """Why nobody can redeem it any more, or None."""
        if self.revoked_ms is not None:
            return "revoked"
        if self.expires_ms is not None and self.expires_ms <= now_ms:
            return "expired"
        return "used" if self.uses >= self.uses_max else None


class Paid(Struct, frozen=True):
    """A provider says that an order was paid."""

    event_id: str
    order_id: str
    payment_id: str
    amount_cents: int
    currency: str
    customer_id: str | None = None


class NotPaid(Struct, frozen=True):
    """An order can't be paid any more, or an automatic payment was refused."""

    event_id: str
    order_id: str
    reason: str = ""


class Refunded(Struct, frozen=True):
    """A refund was made at the provider. `refund_id`: ours, where we had asked for it."""

    event_id: str
    payment_id: str
    ref: str
    amount_cents: int
    currency: str
    refund_id: str | None = None


class RefundFailed(Struct, frozen=True):
    """A refund that we had asked for will not reach the customer."""

    event_id: str
    ref: str
    refund_id: str | None = None


class Disputed(Struct, frozen=True):
    """The customer's bank took money back."""

    event_id: str
    payment_id: str
    ref: str
    amount_cents: int
    currency: str


class DisputeWon(Struct, frozen=True):
    """The bank gave it back to us."""

    event_id: str
    payment_id: str
    ref: str
    amount_cents: int
    currency: str


class Other(Struct, frozen=True):
    """An event that means nothing for the ledger."""

    event_id: str
    kind: str


Event = Paid | NotPaid | Refunded | RefundFailed | Disputed | DisputeWon | Other


class AutoTopUp(Struct, frozen=True):
    """A saved method of a workspace, and when credits are bought with it without asking."""

    workspace_id: str
    provider: ProviderName
    customer_id: str
    method_id: str
    enabled: bool = False
    threshold: Nanodollars = 0
    amount: Nanodollars = 0
    monthly_max: Nanodollars = 0
    failed_ms: int | None = None
    failure: str | None = None
    failures: int = 0
    """In a row."""


def share_of(order: Order, cents: int) -> Nanodollars:
    """The credits that a part of an order's price stands for; all of them for all of it."""
    return order.credits * min(cents, order.price_cents) // order.price_cents
