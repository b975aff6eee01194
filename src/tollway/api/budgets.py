"""`/workspaces/{id}/budgets`: what a workspace may spend by day, week, month and in all."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer, read_json
from tollway.api.house import House
from tollway.domain.budgets import Budget, Interval
from tollway.domain.money import usd
from tollway.gateway.budget_desk import SetBudget


async def list_budgets(house: House, request: Request) -> Response:
    """The broadest first."""
    found = await house.budgets.list(actor(request), request.path_params["id"])
    counts_own = any(each.byok for each in found.values())
    return json_answer({"data": [_budget_json(each) for each in found.values()], "include_byok_in_budgets": counts_own})


async def get_budget(house: House, request: Request) -> Response:
    """`interval`: daily, weekly, monthly or lifetime."""
    asked = request.path_params
    return _one(await house.budgets.find(actor(request), asked["id"], asked["interval"]))


async def set_budget(house: House, request: Request) -> Response:
    """Makes it or changes it; the next request obeys."""
    ask, asked = await read_json(request, SetBudget), request.path_params
    done = await house.budgets.set(actor(request), asked["id"], asked["interval"], ask, house.gateway.now_ms())
    return _one(done)


async def delete_budget(house: House, request: Request) -> Response:
    """Also where there is none."""
    asked = request.path_params
    await house.budgets.delete(actor(request), asked["id"], asked["interval"], house.gateway.now_ms())
    return json_answer({"deleted": True})


def _one(budget: Budget) -> Response:
    return json_answer({"data": _budget_json(budget), "include_byok_in_budgets": budget.byok})


def _budget_json(budget: Budget) -> dict[str, Any]:
    return {
        "id": budget.id,
        "workspace_id": budget.workspace_id,
        "limit_usd": usd(budget.limit),
        "reset_interval": None if budget.interval is Interval.LIFETIME else budget.interval.value,
        "created_at": iso(budget.created_ms),
        "updated_at": iso(budget.updated_ms),
    }
