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
