"""Purchases: what may be bought at which price, the order for it, its checkout, and refunds."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Annotated

from msgspec import Meta, Struct, structs

from tollway.billing.settings import CreditPack, Payments
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from tollway.domain.ledger import Transfer
from tollway.domain.money import Nanodollars, nanodollars_from_text, nanodollars_to_text
from tollway.domain.payments import CENT, CURRENCY, Order, OrderStatus, Refund
from tollway.domain.people import Actor, Right
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.payments.base import Checkout, PaymentProvider, ProviderFailed, Purse
from tollway.payments.events import give_back
from tollway.payments.taking import refund_part
from tollway.storage.database import Database, Statement
from tollway.storage.orders import (
    find_order,
    list_orders,
    list_refunds,
    new_order,
    new_refund,
    pending_refunds,
    set_checkout,
    set_failed,
    set_refund,
)

HOUR_MS = 3_600_000
PAGE = 100
NOT_SOLD = "This server sells no credits; its operator grants them, or gives codes."
NOT_SO = "Credits can't be paid like that here: crypto alone is taken, or no crypto."


class NewPurchase(Struct, forbid_unknown_fields=True):
    """`POST /account/v1/purchases`: an amount of credits in USD, or a pack."""

    amount: Decimal | None = None
    pack: Annotated[str, Meta(max_length=64)] | None = None
    workspace_id: str | None = None
    save_method: bool = False
    """Keeps the method of payment, for automatic top-ups."""
    crypto: bool = False
    """Paid in USDC, which can neither be kept as a method nor be refunded."""


class Till:
    """Sells credits. `providers`: those that are configured, by name."""

    def __init__(
        self,
        database: Database,
        purse: Purse,
        audit: AuditLog,
        providers: Mapping[str, PaymentProvider],
        settings: Payments,
        packs: Sequence[CreditPack],
        back_url: str,
    ) -> None:
        self._database = database
        self._purse = purse
        self._audit = audit
        self.providers = providers
        self.settings = settings
        self.packs = packs
        self._packs = {pack.id: pack for pack in packs}
        self._back_url = back_url

    async def buy(self, actor: Actor, ask: NewPurchase, now_ms: int) -> Order:
        """An order with the page on which it is paid. NotFound: nothing is sold here. InvalidRequest, Forbidden."""
        workspace_id = await workspace_of(self._database, actor, ask.workspace_id, Right.PAY)
        provider = self.providers.get("coinbase" if ask.crypto else "stripe")
        if provider is None:
            raise NotFound(NOT_SO if self.providers else NOT_SOLD)
        if ask.crypto and ask.save_method:
            raise InvalidRequest("save_method: crypto is paid each time by hand", param="save_method")
        if (ask.amount is None) is (ask.pack is None):
            raise InvalidRequest("amount: say how much, or name a pack", param="amount")
        if ask.pack is not None:
            credits_, price = self._of_pack(ask.pack)
            fee = 0
        else:
            credits_ = self.checked_amount(ask.amount or Decimal(0))
            fee = self.fee(credits_, provider)
            price = credits_ + fee
        order = self.new_order(
            workspace_id, provider, credits_, fee, price, now_ms,
            user_id=actor.user.id if actor.user else None, save_method=ask.save_method,
        )  # fmt: skip
        await self._audit.write(
            actor, "purchase.started", order.id, new_order(order), now_ms=now_ms, workspace_id=workspace_id,
            credits=nanodollars_to_text(credits_), cents=order.price_cents,
        )  # fmt: skip
        await self.open_checkout(provider, order)
        return await find_order(self._database, order.id) or order

    async def buy_in_crypto(
        self, workspace_id: str, user_id: str | None, amount: Decimal, now_ms: int
    ) -> tuple[Order, Checkout]:
        """An order that is paid in USDC. InvalidRequest, Unavailable: as `buy`."""
        provider = self.providers["coinbase"]
        credits_ = self.checked_amount(amount)
        fee = self.fee(credits_, provider)
        order = self.new_order(workspace_id, provider, credits_, fee, credits_ + fee, now_ms, user_id=user_id)
        await self._database.write(new_order(order))
        return order, await self.open_checkout(provider, order)

    def fee(self, credits_: Nanodollars, provider: PaymentProvider) -> Nanodollars:
        """What is charged beside an amount of credits."""
        if provider.name == "coinbase":
            return fee_of(credits_, self.settings.crypto_fee_percent, "0")
        return fee_of(credits_, self.settings.fee_percent, self.settings.fee_min_usd)

    def new_order(
        self,
        workspace_id: str,
        provider: PaymentProvider,
        credits_: Nanodollars,
        fee: Nanodollars,
        price: Nanodollars,
        now_ms: int,
        *,
        user_id: str | None = None,
        save_method: bool = False,
        automatic: bool = False,
    ) -> Order:
        """An order that nobody has heard of yet."""
        return Order(
            new_id(now_ms), workspace_id, provider.name, OrderStatus.PENDING, credits_, fee, price // CENT, CURRENCY,
            now_ms, user_id, automatic=automatic, save_method=save_method,
        )  # fmt: skip

    async def open_checkout(self, provider: PaymentProvider, order: Order) -> Checkout:
        """The page where the order is paid. Unavailable: the provider can't be reached, or refused."""
        try:
            checkout = await provider.checkout(order, back_url=self._back_url)
        except ProviderFailed as error:
            if error.sure:
                await self._database.write(set_failed(order.id))
            raise Unavailable(f"The checkout could not be opened: {error}", retry_after_s=10) from None
        await self._database.write(set_checkout(order.id, checkout.id, checkout.url))
        return checkout

    def checked_amount(self, amount: Decimal) -> Nanodollars:
        """InvalidRequest: no amount, not in whole cents, or outside of what may be bought at once."""
        least = nanodollars_from_text(self.settings.purchase_min_usd)
        most = nanodollars_from_text(self.settings.purchase_max_usd)
        credits_ = amount_of(amount)
        if credits_ % CENT:
            raise InvalidRequest("amount: in whole cents, please", param="amount")
        if not max(least, CENT) <= credits_ <= most:
            raise InvalidRequest(
                f"amount: from {self.settings.purchase_min_usd} to {self.settings.purchase_max_usd} USD at once",
                param="amount",
            )
        return credits_

    def _of_pack(self, pack_id: str) -> tuple[Nanodollars, Nanodollars]:
        pack = self._packs.get(pack_id)
        if pack is None:
            raise InvalidRequest(f"pack: there is none of the name {pack_id!r}", param="pack")
        price = nanodollars_from_text(pack.price_usd)
        return nanodollars_from_text(pack.credits_usd or pack.price_usd), price

    async def orders(self, actor: Actor, workspace_id: str | None, before_ms: int | None) -> list[Order]:
        """The newest first, also those that were not paid."""
        workspace_id = actor.workspace(workspace_id, Right.PAY)
        return await list_orders(self._database, workspace_id, before_ms=before_ms, limit=PAGE)

    async def find(self, actor: Actor, order_id: str) -> Order:
        """NotFound: there is none, or it is not the actor's to see, which is the same."""
        order = await find_order(self._database, order_id)
        if order is None or not actor.may(Right.PAY, order.workspace_id):
            raise NotFound("There is no such purchase.")
        return order

    async def refunds(self, order: Order) -> list[Refund]:
        return await list_refunds(self._database, order.id)

    async def refund(self, actor: Actor, order_id: str, now_ms: int) -> Refund:
        """Gives back what is unused of a purchase; the fee stays. The operator may do so after the time is over, too.

        Forbidden: too late, or paid in crypto. InvalidRequest: not paid, or nothing is left of it.
        Unavailable: the provider can't be reached; it is tried again by itself.
        """
        order = await self.find(actor, order_id)
        provider = self.providers.get(order.provider)
        if order.status is not OrderStatus.PAID or order.paid_ms is None or provider is None:
            raise InvalidRequest("Only a purchase that was paid can be refunded.")
        if order.provider == "coinbase":
            raise Forbidden("Payments in crypto can't be refunded.")
        if not actor.operator and now_ms - order.paid_ms > self.settings.refund_h * HOUR_MS:
            raise Forbidden(f"A purchase can be refunded within {self.settings.refund_h:g} hours, and they are over.")
        # Shielded, as in `codes.py`: the entry and the money are one transaction.
        refund = await asyncio.shield(asyncio.ensure_future(self._take_back(actor, order, now_ms)))
        await self._ask_refund(provider, order, refund, now_ms)
        return structs.replace(refund, status="done")

    async def _take_back(self, actor: Actor, order: Order, now_ms: int) -> Refund:
        """The credits leave the balance. InvalidRequest: nothing is left of the purchase."""
        refund_id = new_id(now_ms)
        async with self._audit.entry(
            actor, "purchase.refunded", order.id, now_ms=now_ms, workspace_id=order.workspace_id
        ) as entry:

            def beside(moves: Sequence[Transfer]) -> Sequence[Statement]:
                refund = refund_of(order, moves[0].amount, refund_id, now_ms)
                return [new_refund(refund), entry(credits=nanodollars_to_text(refund.credits), cents=refund.cents)]

            moves = await self._purse.take(order.workspace_id, refund_part(order, None, refund_id, now_ms), beside)
        if not moves:
            raise InvalidRequest("Nothing of this purchase is left: it was used, refunded, or is held just now.")
        return refund_of(order, moves[0].amount, refund_id, now_ms)

    async def settle_refunds(self, now_ms: int) -> None:
        """Asks again for refunds of which it is not known whether the provider has them; to repeat it is harmless."""
        for refund in await pending_refunds(self._database):
            order = await find_order(self._database, refund.order_id)
            provider = self.providers.get(order.provider) if order else None
            if order is None or provider is None:
                continue
            try:
                await self._ask_refund(provider, order, refund, now_ms)
            except (Unavailable, Forbidden):
                continue

    async def _ask_refund(self, provider: PaymentProvider, order: Order, refund: Refund, now_ms: int) -> None:
        try:
            made = await provider.refund(order, refund.cents, refund.id) if refund.cents else None
        except ProviderFailed as error:
            if error.sure:
                await give_back(self._purse, order, refund.id, refund.credits, now_ms)
                raise Forbidden(f"The refund was refused, and the credits are back: {error}") from None
            raise Unavailable("The refund is on its way, but has not been confirmed yet.", retry_after_s=60) from None
        await self._database.write(set_refund(refund.id, "done", made))


def amount_of(amount: Decimal, param: str = "amount") -> Nanodollars:
    """InvalidRequest: no number, or of no sensible size."""
    # Its size first: written out, 1e999999999 would fill the memory.
    if not amount.is_finite() or (amount and not -10 < amount.adjusted() < 12):
        raise InvalidRequest(f"{param}: an amount in USD, please", param=param)
    try:
        return nanodollars_from_text(format(amount, "f"))
    except ValueError as error:
        raise InvalidRequest(f"{param}: {error}", param=param) from None


def fee_of(credits_: Nanodollars, percent: str, least_usd: str) -> Nanodollars:
    """What is charged beside the credits: a part of them, at least so much, in whole cents, rounded up."""
    part = Decimal(credits_) * Decimal(percent) / 100
    fee = max(part, Decimal(nanodollars_from_text(least_usd)))
    return int((fee / CENT).to_integral_value(ROUND_CEILING)) * CENT


def refund_of(order: Order, credits_: Nanodollars, refund_id: str, now_ms: int) -> Refund:
    """The money for so many credits of an order: its price without the fee, in proportion, in whole cents."""
    paid = order.price_cents * CENT - order.fee
    cents = paid * credits_ // (order.credits * CENT)
    return Refund(refund_id, order.id, "pending", credits_, cents, now_ms)
