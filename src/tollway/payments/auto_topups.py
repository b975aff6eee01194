"""Automatic top-ups: credits are bought with a saved method when a workspace has too few, once for each crossing."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import structlog
from msgspec import Struct

from tollway.domain.errors import InvalidRequest, Unavailable
from tollway.domain.money import Nanodollars, nanodollars_from_text, nanodollars_to_text
from tollway.domain.payments import AutoTopUp, Order
from tollway.domain.people import Actor, Right
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.payments.base import PaymentProvider, ProviderFailed
from tollway.payments.events import FAILURES_MAX, Events
from tollway.payments.topup import HOUR_MS, Till, amount_of, fee_of
from tollway.storage.auto_topups import (
    bought_automatically,
    find_auto_topup,
    forget_method,
    last_automatic_order,
    new_automatic_order,
    note_failure,
    pending_automatic_orders,
    set_auto_topup,
    short_of_credits,
)
from tollway.storage.database import ConflictError, Database, StorageError
from tollway.storage.orders import set_failed
from tollway.telemetry import pulse

log = structlog.get_logger(__name__)

EVERY_S = 10.0
REPEAT_MS = 20 * HOUR_MS
"""For how long a charge may be asked for again: Stripe forgets what it has done after 24 hours
(docs.stripe.com/api/idempotent_requests)."""
NO_METHOD = "No method of payment is saved: buy credits once, with `save_method`."


class SetAutoTopUp(Struct, forbid_unknown_fields=True):
    """`PUT /account/v1/auto-top-up`: below `threshold`, `amount` is bought; in a month at most `monthly_max`. USD."""

    enabled: bool
    threshold: Decimal
    amount: Decimal
    monthly_max: Decimal
    workspace_id: str | None = None


class AutoStatus(Struct, frozen=True):
    """What is set for a workspace; `auto` None: no method is saved."""

    workspace_id: str
    auto: AutoTopUp | None
    bought: Nanodollars
    """In this month, by itself."""
    last: Order | None = None
    """The last that was bought so."""


class AutoTopUps:
    """Settings, and the job that obeys them."""

    def __init__(self, database: Database, audit: AuditLog, till: Till, events: Events) -> None:
        self._database = database
        self._audit = audit
        self._till = till
        self._events = events
        self._later: dict[str, tuple[int, int]] = {}
        """Order -> how often its charge was asked for, and when it may be again."""

    async def status(self, actor: Actor, workspace_id: str | None, now_ms: int) -> AutoStatus:
        """NotFound, Forbidden: as `Actor.require`."""
        workspace_id = actor.workspace(workspace_id, Right.PAY)
        auto = await find_auto_topup(self._database, workspace_id)
        bought = await bought_automatically(self._database, workspace_id, month_ms(now_ms))
        return AutoStatus(workspace_id, auto, bought, await last_automatic_order(self._database, workspace_id))

    async def set(self, actor: Actor, ask: SetAutoTopUp, now_ms: int) -> AutoStatus:
        """InvalidRequest: no saved method, or amounts that make no sense."""
        workspace_id = await workspace_of(self._database, actor, ask.workspace_id, Right.PAY)
        auto = await find_auto_topup(self._database, workspace_id)
        if auto is None:
            raise InvalidRequest(NO_METHOD)
        amount = self._till.checked_amount(ask.amount)
        threshold, most = amount_of(ask.threshold, "threshold"), amount_of(ask.monthly_max, "monthly_max")
        if not 0 < threshold <= nanodollars_from_text(self._till.settings.purchase_max_usd):
            raise InvalidRequest(
                f"threshold: more than 0, at most {self._till.settings.purchase_max_usd} USD", param="threshold"
            )
        if most < amount:
            raise InvalidRequest("monthly_max: at least `amount`, or nothing would be bought", param="monthly_max")
        auto = AutoTopUp(
            workspace_id, auto.provider, auto.customer_id, auto.method_id, ask.enabled, threshold, amount, most
        )
        await self._audit.write(
            actor, "auto_top_up.set", workspace_id, set_auto_topup(auto), now_ms=now_ms, workspace_id=workspace_id,
            enabled=ask.enabled, threshold=nanodollars_to_text(threshold), amount=nanodollars_to_text(amount),
            monthly_max=nanodollars_to_text(most),
        )  # fmt: skip
        return await self.status(actor, workspace_id, now_ms)

    async def forget(self, actor: Actor, workspace_id: str | None, now_ms: int) -> None:
        """The saved method is charged no more; nothing happens if there is none."""
        workspace_id = actor.workspace(workspace_id, Right.PAY)
        await self._audit.write(
            actor, "auto_top_up.forgotten", workspace_id, forget_method(workspace_id), now_ms=now_ms,
            workspace_id=workspace_id,
        )  # fmt: skip

    async def look(self, now_ms: int) -> None:
        """Finishes what is under way, a crash's leftovers too, then buys for who has too little."""
        for order in await pending_automatic_orders(self._database):
            if now_ms >= self._later.get(order.id, (0, 0))[1]:
                await self._charge(order, now_ms)
        for auto in await short_of_credits(self._database):
            if now_ms >= _again_ms(auto) and (made := await self._order(auto, now_ms)) is not None:
                await self._charge(made, now_ms)

    async def _order(self, auto: AutoTopUp, now_ms: int) -> Order | None:
        """None: somebody else was faster, or it is wanted no more, or the month's limit is reached."""
        provider, settings = self._till.providers.get(auto.provider), self._till.settings
        if provider is None:
            return None
        fee = fee_of(auto.amount, settings.fee_percent, settings.fee_min_usd)
        order = self._till.new_order(
            auto.workspace_id, provider, auto.amount, fee, auto.amount + fee, now_ms, automatic=True
        )
        try:
            [made] = await self._database.write(new_automatic_order(order, month_ms(now_ms)))
        except ConflictError:
            return None
        return order if made else None

    async def _charge(self, order: Order, now_ms: int) -> None:
        """Asked again with the same order, the provider charges nothing more."""
        auto = await find_auto_topup(self._database, order.workspace_id)
        provider = self._till.providers.get(order.provider)
        if auto is None or provider is None or auto.provider != order.provider:
            await self._fail(order, "The saved method of payment is gone.", now_ms)
        elif now_ms - order.created_ms > REPEAT_MS:
            # If it was made all the same, the provider's event brings the credits.
            await self._fail(order, "The payment's outcome could not be found out.", now_ms)
        else:
            await self._ask(provider, order, auto, now_ms)

    async def _ask(self, provider: PaymentProvider, order: Order, auto: AutoTopUp, now_ms: int) -> None:
        tries, _ = self._later.get(order.id, (0, 0))
        self._later[order.id] = tries + 1, now_ms + min(HOUR_MS, 10_000 * 2**tries)
        try:
            paid = await provider.charge(order, auto)
        except ProviderFailed as error:
            if error.sure:
                await self._fail(order, str(error), now_ms)
            return
        if paid is None:
            return  # its event will tell
        try:
            outcome = await self._events.take(provider, paid, now_ms)
        except Unavailable:
            return  # not confirmed: asked again, or told by its event
        self._later.pop(order.id, None)
        log.info("automatic top-up", workspace=order.workspace_id, order=order.id, outcome=outcome)

    async def _fail(self, order: Order, why: str, now_ms: int) -> None:
        self._later.pop(order.id, None)
        await self._database.write(note_failure(order, why, now_ms, FAILURES_MAX), set_failed(order.id))
        log.warning("automatic top-up failed", workspace=order.workspace_id, order=order.id, reason=why)


async def keep_topped_up(auto: AutoTopUps, now_ms: Callable[[], int]) -> None:
    """Runs for ever, and begins with what a crash has left."""
    while True:
        try:
            await auto.look(now_ms())
            pulse.ran()
        except StorageError as error:
            pulse.failed(error)
            log.warning("could not look after automatic top-ups", error=str(error))
        await asyncio.sleep(EVERY_S)


def month_ms(now_ms: int) -> int:
    """When the month began, UTC."""
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    return int(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp() * 1000)


def _again_ms(auto: AutoTopUp) -> int:
    """When it is tried again: an hour after the first failure, six after the next."""
    return 0 if auto.failed_ms is None else auto.failed_ms + HOUR_MS * 6 ** max(0, auto.failures - 1)
