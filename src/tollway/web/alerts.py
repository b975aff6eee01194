"""`/alerts`: which lines of its money a workspace hears of, by mail and by webhook, and what it was told last."""

from collections.abc import Mapping

from msgspec import Struct
from starlette.responses import Response

from tollway.domain.alerts import PERCENTS, AlertHook, AlertKind, AlertPeriod, AlertRule, Delivery
from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.people import Right
from tollway.gateway.alert_desk import AlertDesk, NewAlert
from tollway.storage.keys import keys_of_workspace
from tollway.web.figures import amount
from tollway.web.forms import converted_form
from tollway.web.log_columns import moment
from tollway.web.settings import Do, Frame, SettingsForm, SettingsPages, Shared, Visit

SAID = {
    "created": "You will be told.",
    "deleted": "You will not be told of that any more.",
    "unhooked": "Nothing is sent there any more.",
    "tested": "The test is on its way: look below in a moment.",
}
PERIODS: dict[AlertPeriod, str] = {"daily": "day", "weekly": "week", "monthly": "month"}
KEYS_MAX = 200


class AlertForm(SettingsForm, kw_only=True):
    """The fields of every form of this page."""

    id: str = ""
    kind: str = ""
    amount: str = ""
    period: str = ""
    percents: str = ""
    key_id: str = ""
    by_mail: str = ""
    by_hook: str = ""
    url: str = ""
    by: str = ""


class RuleRow(Struct, frozen=True):
    """An alert in words."""

    id: str
    what: str
    how: str


class DeliveryRow(Struct, frozen=True):
    """Something that was told, or is still to be."""

    at: str
    by: str
    subject: str
    state: str
    attempts: int
    failure: str
    again: str
    """When it is tried again; "" if it is not."""


class AlertsView(Struct, frozen=True):
    """What `alerts.html` shows."""

    frame: Frame
    form: AlertForm
    rules: tuple[RuleRow, ...]
    hook: AlertHook | None
    deliveries: tuple[DeliveryRow, ...]
    keys: tuple[tuple[str, str], ...]
    periods: dict[AlertPeriod, str]
    usual: str
    mails: bool
    """Whether mail is set up on this server."""
    secret: str
    """Of the webhook that was just set."""


class AlertPages(SettingsPages[AlertForm]):
    """For those who may pay for the workspace."""

    path = "/alerts"
    right = Right.PAY
    form = AlertForm
    said = SAID

    def __init__(
        self,
        shared: Shared,
        *,
        desk: AlertDesk,
        mails: bool,
    ) -> None:
        super().__init__(shared)
        self._desk = desk
        self._mails = mails

    def changes(self) -> Mapping[str, Do[AlertForm]]:
        """Each makes one thing, or takes one away."""
        return {
            "new": self._create,
            "delete": self._delete,
            "webhook": self._hook,
            "webhook-off": self._unhook,
            "test": self._test,
        }

    async def page(
        self, visit: Visit, form: AlertForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """`secret`: of a webhook that was just set, shown this once."""
        place = visit.workspace.id
        found = await self._desk.all(visit.actor, place)
        keys = await keys_of_workspace(self.database, place, creator=None, disabled=True, offset=0, limit=KEYS_MAX)
        names = {key.id: key.name for key in keys}
        view = AlertsView(
            frame=await self.frame(visit, error),
            form=form or AlertForm(),
            rules=tuple(_rule(each, names) for each in found.rules),
            hook=found.hook,
            deliveries=tuple(map(_delivery, found.deliveries)),
            keys=tuple((key.id, key.name) for key in keys if key.limit is not None),
            periods=PERIODS,
            usual=", ".join(map(str, PERCENTS)),
            mails=self._mails,
            secret=more.get("secret", ""),
        )
        return self.answer(visit, "alerts.html", view, error)

    async def _create(self, visit: Visit, form: AlertForm) -> str:
        if form.by_mail and not self._mails:
            raise InvalidRequest("Mail is not set up on this server: choose the webhook, or ask its operator.")
        ask = converted_form(
            {
                "kind": form.kind, "amount": form.amount, "period": form.period, "percents": form.percents,
                "key_id": form.key_id, "by_mail": bool(form.by_mail), "by_hook": bool(form.by_hook),
            },
            NewAlert,
        )  # fmt: skip
        await self._desk.create(visit.actor, visit.workspace.id, ask, visit.now_ms)
        return "created"

    async def _delete(self, visit: Visit, form: AlertForm) -> str:
        await self._desk.delete(visit.actor, form.id, visit.now_ms)
        return "deleted"

    async def _hook(self, visit: Visit, form: AlertForm) -> Response:
        secret = await self._desk.set_hook(visit.actor, visit.workspace.id, form.url, visit.now_ms)
        return await self.page(visit, secret=secret)

    async def _unhook(self, visit: Visit, form: AlertForm) -> str:
        await self._desk.drop_hook(visit.actor, visit.workspace.id, visit.now_ms)
        return "unhooked"

    async def _test(self, visit: Visit, form: AlertForm) -> str:
        if form.by == "mail" and not self._mails:
            raise InvalidRequest("Mail is not set up on this server.")
        await self._desk.test(visit.actor, visit.workspace.id, form.by, visit.now_ms)
        return "tested"


def _rule(rule: AlertRule, names: Mapping[str, str]) -> RuleRow:
    ways = [word for word, chosen in (("mail to who made it", rule.by_mail), ("webhook", rule.by_hook)) if chosen]
    percents = " and ".join(f"{each}%" for each in rule.percents)
    if rule.kind is AlertKind.BALANCE:
        what = f"The balance falls below {amount(rule.amount)}"
    elif rule.kind is AlertKind.SPEND:
        what = f"A {PERIODS[rule.period]}'s spend passes {percents} of {amount(rule.amount)}"
    else:
        key = f"The key “{names.get(rule.key_id, 'deleted')}”" if rule.key_id else "Any key"
        what = f"{key} reaches {percents} of its limit"
    return RuleRow(rule.id, what, " and ".join(ways))


def _delivery(delivery: Delivery) -> DeliveryRow:
    return DeliveryRow(
        at=moment(delivery.created_ms),
        by="mail" if delivery.channel == "mail" else "webhook",
        subject=delivery.subject,
        state=delivery.state,
        attempts=delivery.attempts,
        failure=delivery.failure,
        again=moment(delivery.due_ms) if delivery.state == "pending" and delivery.attempts else "",
    )
