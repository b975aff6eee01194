"""Alerts by name: made and taken away by those who may pay for a workspace, and where they go."""

import base64
import hmac
from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct

from tollway.domain.alerts import PERCENTS, AlertHook, AlertKind, AlertPeriod, AlertRule, Delivery
from tollway.domain.errors import InvalidRequest, NotFound, RateLimited
from tollway.domain.money import nanodollars_from_text
from tollway.domain.people import Actor, Right
from tollway.gateway.alert_words import trial_payload, trial_text
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.storage.alerts import (
    TEST_SUBJECT,
    drop_hook,
    drop_rule,
    find_hook,
    find_rule,
    last_deliveries,
    last_test_ms,
    new_delivery,
    new_rule,
    rules_of,
    set_hook,
)
from tollway.storage.database import Database
from tollway.storage.keys import key_is_of
from tollway.storage.members import find_workspace
from tollway.upstream.address import parse_url

RULES_MAX = 50
DELIVERIES_SHOWN = 20
URL_MAX = 1000
TEST_EVERY_MS = 30_000


class NewAlert(Struct, frozen=True):
    """What somebody wants to be told, as it was typed."""

    kind: AlertKind
    amount: str = ""
    period: AlertPeriod = ""
    percents: str = ""
    key_id: str = ""
    by_mail: bool = False
    by_hook: bool = False


class AlertsOf(Struct, frozen=True):
    """What a workspace has set, and what it was told last."""

    rules: tuple[AlertRule, ...]
    hook: AlertHook | None
    deliveries: tuple[Delivery, ...]


class AlertDesk:
    """All of it wants the right to pay for the workspace: who may not buy credits need not know of them."""

    def __init__(self, database: Database, audit: AuditLog, pepper: bytes, site: str, wake: Callable[[], None]) -> None:
        self._database = database
        self._audit = audit
        self._pepper = pepper
        self._site = site
        self._wake = wake

    async def all(self, actor: Actor, workspace_id: str) -> AlertsOf:
        """NotFound, Forbidden: as `Actor.require`."""
        place = actor.workspace(workspace_id, Right.PAY)
        return AlertsOf(
            tuple(await rules_of(self._database, place)),
            await find_hook(self._database, place),
            tuple(await last_deliveries(self._database, place, DELIVERIES_SHOWN)),
        )

    async def create(self, actor: Actor, workspace_id: str, ask: NewAlert, now_ms: int) -> AlertRule:
        """InvalidRequest: which part of it makes no sense."""
        place = await workspace_of(self._database, actor, workspace_id, Right.PAY)
        if not (ask.by_mail or ask.by_hook):
            raise InvalidRequest("Choose how you are told: by mail, by webhook, or both.")
        if ask.by_hook and await find_hook(self._database, place) is None:
            raise InvalidRequest("Say first where webhooks go.")
        if actor.user is None:
            raise InvalidRequest("Alerts are made by people.")
        if len(await rules_of(self._database, place)) >= RULES_MAX:
            raise InvalidRequest(f"A workspace has at most {RULES_MAX} alerts: take one away first.")
        if ask.kind is AlertKind.SPEND and not ask.period:
            raise InvalidRequest("Choose the time that spend is counted in.", param="period")
        if ask.kind is AlertKind.KEY and ask.key_id and not await key_is_of(self._database, ask.key_id, place):
            raise NotFound("There is no such key.")
        rule = AlertRule(
            id=new_id(now_ms),
            workspace_id=place,
            kind=ask.kind,
            user_id=actor.user.id,
            created_ms=now_ms,
            amount=0 if ask.kind is AlertKind.KEY else _amount(ask.amount),
            period=ask.period if ask.kind is AlertKind.SPEND else "",
            percents=() if ask.kind is AlertKind.BALANCE else _percents(ask.percents),
            key_id=ask.key_id if ask.kind is AlertKind.KEY else "",
            by_mail=ask.by_mail,
            by_hook=ask.by_hook,
        )
        await self._audit.write(
            actor, "alert.created", rule.id, new_rule(rule), now_ms=now_ms, workspace_id=place, kind=rule.kind.value
        )
        self._wake()
        return rule

    async def delete(self, actor: Actor, rule_id: str, now_ms: int) -> None:
        """NotFound: there is none, or it is another workspace's."""
        rule = await find_rule(self._database, rule_id)
        if rule is None or not actor.may(Right.PAY, rule.workspace_id):
            raise NotFound("There is no such alert.")
        await self._audit.write(
            actor, "alert.deleted", rule.id, drop_rule(rule.id), now_ms=now_ms, workspace_id=rule.workspace_id
        )

    async def set_hook(self, actor: Actor, workspace_id: str, url: str, now_ms: int) -> str:
        """Where webhooks go from now on -> the secret of their signatures, another one each time.

        InvalidRequest: no URL that could be asked. Whether it leads to the public internet is seen when it is asked.
        """
        place = await workspace_of(self._database, actor, workspace_id, Right.PAY)
        url = url.strip()
        try:
            if len(url) > URL_MAX:
                raise ValueError
            _, host, _, _ = parse_url(url)
        except ValueError:
            raise InvalidRequest("The URL is https://…, without a user or a password in it.", param="url") from None
        hook = AlertHook(place, new_id(now_ms), url, now_ms)
        await self._audit.write(
            actor, "alert_webhook.set", hook.id, set_hook(hook), now_ms=now_ms, workspace_id=place, host=host
        )
        return secret_of(self._pepper, hook.id)

    async def drop_hook(self, actor: Actor, workspace_id: str, now_ms: int) -> None:
        """What is still to be sent there is given up."""
        place = await workspace_of(self._database, actor, workspace_id, Right.PAY)
        await self._audit.write(
            actor, "alert_webhook.deleted", place, drop_hook(place), now_ms=now_ms, workspace_id=place
        )

    async def test(self, actor: Actor, workspace_id: str, by: str, now_ms: int) -> None:
        """Sends something without news. RateLimited: the last one was just now."""
        place = await workspace_of(self._database, actor, workspace_id, Right.PAY)
        hook = await find_hook(self._database, place)
        if by not in ("mail", "hook") or (by == "hook" and hook is None) or actor.user is None:
            raise InvalidRequest("Say first where webhooks go.")
        if now_ms - await last_test_ms(self._database, place) < TEST_EVERY_MS:
            raise RateLimited(f"A test each {TEST_EVERY_MS // 1000} seconds at most: try again in a moment.")
        workspace = await find_workspace(self._database, place)
        name, id_ = workspace.name if workspace else place, new_id(now_ms)
        if by == "mail":
            body = trial_text(name, self._site)
            delivery = Delivery(id_, place, "mail", actor.user.id, TEST_SUBJECT, body, now_ms, now_ms)
        else:
            body = trial_payload(id_, (place, name), now_ms, self._site).decode()
            delivery = Delivery(id_, place, "hook", hook.id if hook else "", TEST_SUBJECT, body, now_ms, now_ms)
        await self._database.write(new_delivery(delivery))
        self._wake()


def secret_of(pepper: bytes, hook_id: str) -> str:
    """The secret that a hook's signatures are made with: derived, so that no database or backup holds it."""
    found = hmac.new(pepper, b"alert webhook " + hook_id.encode(), sha256).digest()
    return "whsec_" + base64.urlsafe_b64encode(found).decode().rstrip("=")


def _amount(text: str) -> int:
    try:
        found = nanodollars_from_text(text.strip().removeprefix("$"))
    except ValueError as error:
        raise InvalidRequest(f"An amount in USD, please, such as 5 or 12.50: {error}.", param="amount") from None
    if found <= 0:
        raise InvalidRequest("An amount of more than $0, please.", param="amount")
    return found


def _percents(text: str) -> tuple[int, ...]:
    words = text.replace("%", " ").replace(",", " ").split()
    try:
        found = tuple(sorted({int(each) for each in words})) or PERCENTS
    except ValueError:
        found = (0,)
    if not all(0 < each <= 1000 for each in found) or len(found) > 10:
        raise InvalidRequest("Percents are whole numbers such as 50, 80, 100.", param="percents")
    return found
