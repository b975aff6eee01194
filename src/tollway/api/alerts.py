"""`/alerts`, `/alert-webhook`: which lines of its money a workspace hears of, and where webhooks go."""

from decimal import Decimal
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer, read_json
from tollway.api.house import House
from tollway.api.table import WORKSPACE, tells
from tollway.domain.alerts import AlertHook, AlertKind, AlertPeriod, AlertRule
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.money import usd
from tollway.domain.people import Right
from tollway.gateway.alert_desk import NewAlert


class AskAlert(Struct, forbid_unknown_fields=True):
    """`POST /alerts`. `amount_usd` and `period` as the kind wants them; `api_key_hash`: one key, else any."""

    kind: AlertKind
    amount_usd: Decimal | None = None
    period: AlertPeriod = ""
    percents: list[int] = []
    api_key_hash: str | None = None
    by_mail: bool = False
    by_webhook: bool = False
    workspace_id: str | None = None


class SetHook(Struct, forbid_unknown_fields=True):
    """`PUT /alert-webhook`."""

    url: str
    workspace_id: str | None = None


@tells(WORKSPACE)
async def list_alerts(house: House, request: Request) -> Response:
    """Of `workspace_id`, or the actor's own place; the newest first."""
    found = await house.alerting.desk.all(actor(request), _place(request))
    return json_answer({"data": [alert_json(each) for each in found.rules]})


@tells(status=201)
async def create_alert(house: House, request: Request) -> Response:
    """201. Mail goes to the user who asks, or who made the key."""
    ask = await read_json(request, AskAlert)
    if ask.by_mail and house.alerting.mailer is None:
        raise InvalidRequest("by_mail: mail is not set up on this server", param="by_mail")
    wanted = NewAlert(
        kind=ask.kind,
        amount="" if ask.amount_usd is None else str(ask.amount_usd),
        period=ask.period,
        percents=" ".join(map(str, ask.percents)),
        key_id=ask.api_key_hash or "",
        by_mail=ask.by_mail,
        by_hook=ask.by_webhook,
    )
    place = actor(request).workspace(ask.workspace_id, Right.PAY)
    rule = await house.alerting.desk.create(actor(request), place, wanted, house.gateway.now_ms())
    return json_answer({"data": alert_json(rule)}, 201)


async def delete_alert(house: House, request: Request) -> Response:
    """Nobody is told of it any more."""
    await house.alerting.desk.delete(actor(request), request.path_params["id"], house.gateway.now_ms())
    return json_answer({"deleted": True})


@tells(WORKSPACE)
async def get_hook(house: House, request: Request) -> Response:
    """Where webhooks of `workspace_id` go. NotFound: nowhere."""
    found = await house.alerting.desk.all(actor(request), _place(request))
    if found.hook is None:
        raise NotFound("This workspace has no webhook.")
    return json_answer({"data": _hook_json(found.hook)})


async def set_hook(house: House, request: Request) -> Response:
    """Another URL, another `secret`: it is in this answer and nowhere else."""
    ask, now_ms = await read_json(request, SetHook), house.gateway.now_ms()
    place = actor(request).workspace(ask.workspace_id, Right.PAY)
    secret = await house.alerting.desk.set_hook(actor(request), place, ask.url, now_ms)
    found = await house.alerting.desk.all(actor(request), place)
    shown = _hook_json(found.hook) if found.hook else {}
    return json_answer({"data": {**shown, "secret": secret}})


@tells(WORKSPACE)
async def drop_hook(house: House, request: Request) -> Response:
    """Also where there is none; what is still to be sent is given up."""
    await house.alerting.desk.drop_hook(actor(request), _place(request), house.gateway.now_ms())
    return json_answer({"deleted": True})


def alert_json(rule: AlertRule) -> dict[str, Any]:
    """An alert, as it was asked for."""
    return {
        "id": rule.id,
        "workspace_id": rule.workspace_id,
        "kind": rule.kind.value,
        "amount_usd": usd(rule.amount) if rule.amount else None,
        "period": rule.period or None,
        "percents": rule.percents,
        "api_key_hash": rule.key_id or None,
        "by_mail": rule.by_mail,
        "by_webhook": rule.by_hook,
        "created_at": iso(rule.created_ms),
    }


def _hook_json(hook: AlertHook) -> dict[str, Any]:
    return {"workspace_id": hook.workspace_id, "url": hook.url, "created_at": iso(hook.created_ms)}


def _place(request: Request) -> str:
    return actor(request).workspace(request.query_params.get("workspace_id"), Right.PAY)
