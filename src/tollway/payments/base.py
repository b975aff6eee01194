"""What a payment provider is to us: checkouts, refunds and events, all in terms of our own orders."""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from tollway.billing.lots import Lot
from tollway.domain.ledger import Transfer
from tollway.domain.money import Nanodollars
from tollway.domain.payments import AutoTopUp, Event, Order, Paid, ProviderName
from tollway.payments.signatures import Header
from tollway.storage.database import NewRows, Statement


class ProviderFailed(Exception):
    """The provider could not be asked, or refused. `sure`: it is known that nothing was done."""

    def __init__(self, message: str, *, sure: bool) -> None:
        super().__init__(message)
        self.sure = sure


class Checkout(Struct, frozen=True):
    """Where an order is paid."""

    id: str
    url: str
    expires_ms: int | None = None
    address: str | None = None
    """Crypto: where the amount may be sent directly."""


class Confirmed(Struct, frozen=True):
    """What the provider's own API says of a payment."""

    amount_cents: int
    currency: str
    customer_id: str | None = None
    method_id: str | None = None


class PaymentProvider(Protocol):
    """Errors: ProviderFailed. Everything that changes something carries our order's or refund's id, so that to repeat
    it is harmless."""

    name: ProviderName

    async def checkout(self, order: Order, *, back_url: str) -> Checkout:
        """A page on which the order can be paid."""
        ...

    async def charge(self, order: Order, method: AutoTopUp) -> Paid | None:
        """Charges a saved method. None: it is under way, and an event will tell its outcome."""
        ...

    async def confirm(self, paid: Paid) -> Confirmed:
        """What an event claims, asked back."""
        ...

    async def refund(self, order: Order, cents: int, refund_id: str) -> str:
        """Gives a part of a payment back. -> the provider's name for it."""
        ...

    def read_event(self, body: bytes, header: Header, now_s: float) -> Event:
        """Forged: not the provider's. InvalidRequest: signed, and not to be understood."""
        ...


class Purse(Protocol):
    """Who moves a workspace's money: `gateway/books.py`."""

    async def balance(self, workspace_id: str) -> Nanodollars: ...

    async def credit(self, transfer: Transfer, *beside: Statement | NewRows) -> bool: ...

    async def take(
        self,
        workspace_id: str,
        decide: Callable[[Sequence[Lot]], Sequence[Transfer]],
        beside: Callable[[Sequence[Transfer]], Sequence[Statement | NewRows]] = ...,
    ) -> Sequence[Transfer]: ...
