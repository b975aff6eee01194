"""`/account/v1/auto-top-up`: when credits are bought with the saved method by themselves, and how that went."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso_or_none, json_answer, read_json
from tollway.api.house import House
from tollway.domain.money import usd
from tollway.domain.payments import AutoTopUp
from tollway.payments.auto_topups import AutoStatus, SetAutoTopUp


async def get_status(house: House, request: Request) -> Response:
    """What is set, what failed, and what was bought by itself in this month."""
    wanted = request.query_params.get("workspace_id")
    found = await house.auto_topups.status(actor(request), wanted, house.gateway.now_ms())
    return json_answer({"data": status_json(found)})


async def set_auto(house: House, request: Request) -> Response:
    """Switches it on or off; what failed before is forgotten."""
    ask = await read_json(request, SetAutoTopUp)
    found = await house.auto_topups.set(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": status_json(found)})


async def forget_method(house: House, request: Request) -> Response:
    """The saved method is charged no more."""
    wanted = request.query_params.get("workspace_id")
    await house.auto_topups.forget(actor(request), wanted, house.gateway.now_ms())
    return json_answer({"data": {"deleted": True}})


def status_json(status: AutoStatus) -> dict[str, Any]:
    auto = status.auto or AutoTopUp(status.workspace_id, "stripe", "", "")
    return {
        "workspace_id": status.workspace_id,
        "method_saved": status.auto is not None,
        "enabled": auto.enabled,
        "threshold": usd(auto.threshold),
        "amount": usd(auto.amount),
        "monthly_max": usd(auto.monthly_max),
        "bought_this_month": usd(status.bought),
        "failures": auto.failures,
        "failure": auto.failure,
        "failed_at": iso_or_none(auto.failed_ms),
    }
