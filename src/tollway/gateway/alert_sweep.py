"""The sweep: now and then it looks which lines of money were crossed, tells it once, and tries what was not taken."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from msgspec import structs

from tollway.billing.ledger import DAY_MS, window_start
from tollway.domain.alerts import AlertKind, AlertRule, Crossing, Delivery, below, passed, reached
from tollway.domain.identity import LimitReset
from tollway.domain.mail import Letter, Mailer, MailFailed
from tollway.domain.money import Nanodollars
from tollway.gateway.alert_desk import secret_of
from tollway.gateway.alert_words import is_over, payload_of, retry_ms, subject_of, text_of
from tollway.identity.ids import new_id
from tollway.storage.alerts import (
    address_of,
    all_rules,
    back_above,
    balances,
    drop_old,
    due_deliveries,
    end_try,
    find_hook,
    keys_with_limits,
    known_crossings,
    spent_by_workspace,
    tell,
)
from tollway.storage.database import Database, StorageError
from tollway.storage.members import find_workspace
from tollway.telemetry import pulse
from tollway.upstream.webhooks import HookFailed, Webhooks

log = structlog.get_logger(__name__)

EVERY_S = 30.0
AT_ONCE = 20
KEEP_MS = 90 * DAY_MS
WINDOW_MS = 32 * DAY_MS
"""No time that spend is counted in is longer."""
RESETS = {"daily": LimitReset.DAILY, "weekly": LimitReset.WEEKLY, "monthly": LimitReset.MONTHLY}


class AlertSweep:
    """Reads sums that are kept anyway; nothing of it is on the way of a request."""

    def __init__(self, database: Database, hooks: Webhooks, mailer: Mailer | None, pepper: bytes, site: str) -> None:
        self._database = database
        self._hooks = hooks
        self._mailer = mailer
        self._pepper = pepper
        self._site = site
        self._woken = asyncio.Event()
        self._delivering = asyncio.Lock()

    def wake(self) -> None:
        """Something is to be looked at now."""
        self._woken.set()

    async def keep(self, now_ms: Callable[[], int]) -> None:
        """For ever."""
        while True:
            self._woken.clear()
            try:
                await self.look(now_ms())
                await self.deliver(now_ms)
                await self._database.write(*drop_old(now_ms() - KEEP_MS, now_ms() - WINDOW_MS))
                pulse.ran()
            except Exception as error:  # whatever it was, the next look may go well
                pulse.failed(error)
                log.exception("could not look after alerts")
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._woken.wait()

    async def look(self, now_ms: int) -> None:
        """Finds what was crossed since, and puts down what is to be told of it."""
        rules = await all_rules(self._database)
        if not rules:
            return
        today = now_ms // DAY_MS
        starts = {name: window_start(reset, today) for name, reset in RESETS.items()}
        have = await balances(self._database)
        spent = await spent_by_workspace(self._database, min(starts.values()))
        keys = await keys_with_limits(self._database, *(starts[each] for each in ("daily", "weekly", "monthly")))
        known = await known_crossings(self._database)
        for rule in rules:
            if rule.kind is AlertKind.BALANCE:
                await self._look_at_balance(rule, have.get(rule.workspace_id, 0), known, now_ms)
                continue
            if rule.kind is AlertKind.SPEND:
                start = starts[rule.period]
                days = spent.get(rule.workspace_id, {})
                found = passed(rule, sum(each for day, each in days.items() if day >= start), start)
            else:
                found = reached(rule, keys.get(rule.workspace_id, ()))
            await self._tell_new(rule, found, known, now_ms)

    async def _look_at_balance(
        self, rule: AlertRule, balance: Nanodollars, known: set[tuple[str, str]], now_ms: int
    ) -> None:
        crossing = below(rule, balance)
        if crossing is not None:
            await self._tell_new(rule, [crossing], known, now_ms)
        elif (rule.id, name := f"balance {rule.crossings}") in known:
            await self._database.write(back_above(rule.id, name))

    async def _tell_new(
        self, rule: AlertRule, found: Sequence[Crossing], known: set[tuple[str, str]], now_ms: int
    ) -> None:
        """Of several lines that were crossed at once, the last one is told; the others are noted."""
        last: dict[str, Crossing] = {}
        for crossing in found:
            last[crossing.name.rpartition(" ")[0]] = crossing
        for crossing in found:
            if (rule.id, crossing.name) not in known:
                told = crossing is last[crossing.name.rpartition(" ")[0]]
                deliveries = await self._deliveries(rule, crossing, now_ms) if told else []
                await self._database.write(*tell(rule, new_id(now_ms), crossing, deliveries, now_ms))

    async def _deliveries(self, rule: AlertRule, crossing: Crossing, now_ms: int) -> list[Delivery]:
        place = rule.workspace_id
        workspace = await find_workspace(self._database, place)
        name = workspace.name if workspace else place
        subject, found = subject_of(rule, crossing, name), []
        hook = await find_hook(self._database, place) if rule.by_hook else None
        if rule.by_mail and await address_of(self._database, rule.user_id, place, pays=True) is not None:
            text = text_of(rule, crossing, name, self._site)
            found.append(Delivery(new_id(now_ms), place, "mail", rule.user_id, subject, text, now_ms, now_ms))
        if hook is not None:
            id_ = new_id(now_ms)
            body = payload_of(id_, rule, crossing, (place, name), now_ms, self._site).decode()
            found.append(Delivery(id_, place, "hook", hook.id, subject, body, now_ms, now_ms))
        return found

    async def deliver(self, now_ms: Callable[[], int]) -> None:
        """Tries everything that is due, some at once; who comes meanwhile waits, so that nothing is sent twice."""
        async with self._delivering:
            while due := await due_deliveries(self._database, now_ms(), AT_ONCE):
                await asyncio.gather(*(self._try(each, now_ms) for each in due))

    async def _try(self, delivery: Delivery, now_ms: Callable[[], int]) -> None:
        failure, sure = "", False
        try:
            sure = not await (self._mail(delivery) if delivery.channel == "mail" else self._post(delivery, now_ms()))
            failure = NOBODY[delivery.channel] if sure else ""
        except (MailFailed, HookFailed) as error:
            failure = str(error)
        except StorageError:
            raise
        except Exception as error:  # one that nobody foresaw is one failed try, and not the end of everybody's
            log.exception("an alert could not be delivered", delivery=delivery.id, channel=delivery.channel)
            failure = f"It could not be sent: {type(error).__name__}."
        at_ms, attempts = now_ms(), delivery.attempts + 1
        over = sure or is_over(delivery, at_ms)
        state = "delivered" if not failure else "failed" if over else "pending"
        ended = structs.replace(
            delivery, state=state, attempts=attempts, due_ms=at_ms + retry_ms(attempts), failure=failure[:300],
            ended_ms=None if state == "pending" else at_ms,
        )  # fmt: skip
        await self._database.write(end_try(ended))

    async def _mail(self, delivery: Delivery) -> bool:
        """Whether there is somebody to write to."""
        address = await address_of(self._database, delivery.target, delivery.workspace_id)
        if address is None or self._mailer is None:
            return False
        await self._mailer.send(Letter(delivery.id, address, delivery.subject, delivery.body))
        return True

    async def _post(self, delivery: Delivery, now_ms: int) -> bool:
        """Whether the hook is still there."""
        hook = await find_hook(self._database, delivery.workspace_id)
        if hook is None or hook.id != delivery.target:
            return False
        secret = secret_of(self._pepper, hook.id)
        body = delivery.body.encode()
        await self._hooks.post(hook.url, body, id_=delivery.id, secret=secret, now_s=now_ms // 1000)
        return True


NOBODY = {
    "mail": "There is nobody to write to: mail is not set up here, or who made the alert has left.",
    "hook": "The webhook was taken away or changed meanwhile.",
}
