"""The ledger's nouns: accounts and immutable transfers between them (MONEY.md)."""

from enum import StrEnum

from msgspec import Struct

from tollway.domain.money import Nanodollars

PURCHASES = "platform:purchases"
REVENUE = "platform:revenue"
PROMOTIONS = "platform:promotions"
ABSORBED = "platform:absorbed"
REFUNDS = "platform:refunds"
BYOK_FEES = "platform:byok_fees"
RECEIVABLE = "platform:receivable"
PROVIDERS = "platform:providers"
"""What providers are owed for work that we absorbed: the other side of `absorbed`."""

PLATFORM_ACCOUNTS = (PURCHASES, REVENUE, PROMOTIONS, ABSORBED, REFUNDS, BYOK_FEES, RECEIVABLE, PROVIDERS)


class TransferKind(StrEnum):
    """Why money moved. With `ref`, unique for ever."""

    GRANT = "grant"  # promotions -> workspace; ref: the grant's own id
    TOPUP = "topup"  # purchases -> workspace; ref: the payment event
    CAPTURE = "capture"  # workspace -> revenue; ref: the generation
    ABSORB = "absorb"  # absorbed -> providers: what a generation cost us and nobody pays; ref: the generation
    REVERSAL = "reversal"  # revenue -> workspace; ref: the generation
    REFUND = "refund"  # workspace -> refunds, a part of `lot`; ref: our refund, or the payment provider's
    CHARGEBACK = "chargeback"  # workspace -> refunds: what its bank took back of `lot`; ref: the dispute
    DEBT = "debt"  # the workspace's debt -> refunds: what was taken back and spent before; ref: the dispute
    SETTLEMENT = "settlement"  # workspace -> its debt; ref: what brought the credits
    RETURN = "return"  # refunds -> workspace: a refund that failed, a dispute that was won; ref: which of them
    EXPIRY = "expiry"  # workspace -> revenue, or promotions for what was given: the rest of `lot`; ref: lot and time


USAGE = frozenset({TransferKind.CAPTURE, TransferKind.ABSORB, TransferKind.REVERSAL})
"""What requests move. Everything else leaves a mark (`storage/marks.py`)."""


def debt_of(workspace_id: str) -> str:
    """The account below `receivable` that says what a workspace owes us: its balance is what is owed, negative."""
    return f"{RECEIVABLE}:{workspace_id}"


class Transfer(Struct, frozen=True):
    """Money that moved from one account to another, once."""

    kind: TransferKind
    ref: str
    debit: str
    """The account that gives."""
    credit: str
    """The account that takes."""
    amount: Nanodollars
    created_ms: int
    reason: str = ""
    lot: str = ""
    """The `ref` of the grant or purchase that a refund, a chargeback, a return or an expiry is about."""


class Mark(Struct, frozen=True):
    """How an account stood right after a transfer that is no usage: `credited` and `debited` are cumulative sums.

    What was used between two marks is the difference, so that lots need not be stored.
    """

    kind: TransferKind
    ref: str
    lot: str
    amount: Nanodollars
    """Negative: it left the account."""
    credited: Nanodollars
    debited: Nanodollars
    created_ms: int
