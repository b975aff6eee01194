"""`/admin/v1/workspaces` and `/keys`: everybody's, for admins who signed in lately, and for the command line."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, flag, iso_or_none, json_answer, read_json, whole
from tollway.api.house import House
from tollway.api.keys import key_json
from tollway.api.table import WORKSPACE, flag_of, tells, text_of, whole_of
from tollway.api.workspaces import workspace_json
from tollway.domain.errors import InvalidRequest
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import Workspace
from tollway.gateway.admin_desk import LimitWorkspace, StopWorkspace
from tollway.storage.keys import active_keys, find_key, keys_by_time
from tollway.storage.members import list_workspaces, members_of

PAGE, PAGE_MAX = 100, 1000
KEYS_MAX = 100
"""A key is shown with what it spent by day, which is read for each."""


@tells(text_of("after"), whole_of("limit", 1, PAGE_MAX), text_of("search"), flag_of("disabled"))
async def list_all_workspaces(house: House, request: Request) -> Response:
    """`limit` (100) workspaces after the id `after`, which `next` tells; `search` in id, slug and name; `disabled`."""
    asked, limit = request.query_params, whole(request, "limit", PAGE, 1, PAGE_MAX)
    found = await list_workspaces(
        house.database,
        after=asked.get("after", ""),
        limit=limit + 1,
        search=asked.get("search", ""),
        disabled=flag(request, "disabled"),
    )
    shown = [await managed_workspace_json(house, each) for each in found[:limit]]
    return json_answer({"data": shown, "next": found[limit - 1].id if len(found) > limit else None})


async def get_any_workspace(house: House, request: Request) -> Response:
    """By id or slug: a workspace, its balance, and how many members and working keys it has."""
    found = await house.admin.find_workspace(request.path_params["id"])
    shown = await managed_workspace_json(house, found) | {
        "members": len(await members_of(house.database, found.id)),
        "working_keys": await active_keys(house.database, found.id),
    }
    return json_answer({"data": shown})


async def stop_workspace(house: House, request: Request) -> Response:
    """None of its keys works from now on and their answers under way end; with `disabled: false` they work again."""
    ask = await read_json(request, StopWorkspace)
    done = await house.admin.stop_workspace(actor(request), request.path_params["id"], ask, house.gateway.now_ms())
    return json_answer({"data": await managed_workspace_json(house, done)})


async def limit_workspace(house: House, request: Request) -> Response:
    """`rpm`: its own requests per minute from the next request on; null: those of the configuration."""
    ask = await read_json(request, LimitWorkspace)
    done = await house.admin.limit_workspace(actor(request), request.path_params["id"], ask, house.gateway.now_ms())
    return json_answer({"data": await managed_workspace_json(house, done)})


async def managed_workspace_json(house: House, workspace: Workspace) -> dict[str, Any]:
    """A workspace as an admin sees it: with what it has, in USD, and whether it was stopped."""
    balance = await house.gateway.books.balance(workspace.id)
    return await workspace_json(house, workspace) | {
        "balance_usd": nanodollars_to_text(balance),
        "disabled_at": iso_or_none(workspace.disabled_ms),
        "rpm": workspace.rpm,
    }


@tells(WORKSPACE, text_of("user_id"), flag_of("disabled"), text_of("after"), whole_of("limit", 1, KEYS_MAX))
async def list_all_keys(house: House, request: Request) -> Response:
    """`limit` (100) of everybody's keys after the hash `after`, the newest first.

    `workspace_id`, `user_id`, `disabled`: of those alone.
    """
    asked, limit = request.query_params, whole(request, "limit", KEYS_MAX, 1, KEYS_MAX)
    before = None
    if (after := asked.get("after")) is not None:
        before = await find_key(house.database, after)
        if before is None:
            raise InvalidRequest("after: the hash of a key, as the page before had it", param="after")
    found = await keys_by_time(
        house.database,
        before=before,
        limit=limit + 1,
        workspace_id=asked.get("workspace_id"),
        creator=asked.get("user_id"),
        disabled=flag(request, "disabled"),
    )
    shown = [await key_json(house, each) for each in found[:limit]]
    return json_answer({"data": shown, "next": found[limit - 1].id if len(found) > limit else None})
