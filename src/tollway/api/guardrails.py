"""`/guardrails`: what some keys and members of a workspace may do; for those who manage it."""

import uuid
from typing import Any

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, iso_or_none, json_answer, page, read_json
from tollway.api.house import House
from tollway.api.table import PAGES, WORKSPACE, tells
from tollway.domain.content_filters import Builtin, BuiltinFilter
from tollway.domain.guardrails import ZDR_OF, Assignment, Guardrail
from tollway.domain.money import usd
from tollway.gateway.guardrail_desk import ChangedGuardrail, Keys, NewGuardrail, Users
from tollway.storage.keys import find_key

_NAMES = uuid.UUID("2a4f3f0e-0a55-4c7e-8b0b-0f9d4f6a7c11")
"""Made up once: what ids of assignments are derived in."""


@tells(WORKSPACE, *PAGES)
async def list_guardrails(house: House, request: Request) -> Response:
    """Of `workspace_id`, or the actor's own place; `offset`, and `limit` up to 100."""
    offset, limit = page(request, 50)
    found = await house.guardrails.list(actor(request), request.query_params.get("workspace_id"))
    shown = [_guardrail_json(each) for each in found[offset : offset + limit]]
    return json_answer({"data": shown, "total_count": len(found)})


@tells(status=201)
async def create_guardrail(house: House, request: Request) -> Response:
    """201: one that counts for nobody until it is assigned."""
    ask = await read_json(request, NewGuardrail)
    made = await house.guardrails.create(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": _guardrail_json(made)}, 201)


async def get_guardrail(house: House, request: Request) -> Response:
    found = await house.guardrails.find(actor(request), request.path_params["id"])
    return json_answer({"data": _guardrail_json(found)})


async def change_guardrail(house: House, request: Request) -> Response:
    ask = await read_json(request, ChangedGuardrail)
    done = await house.guardrails.change(actor(request), request.path_params["id"], ask, house.gateway.now_ms())
    return json_answer({"data": _guardrail_json(done)})


async def delete_guardrail(house: House, request: Request) -> Response:
    """With its assignments."""
    await house.guardrails.delete(actor(request), request.path_params["id"], house.gateway.now_ms())
    return json_answer({"deleted": True})


@tells(WORKSPACE, *PAGES)
async def list_keys(house: House, request: Request) -> Response:
    """Keys with a guardrail: this one, or any of the workspace."""
    offset, limit = page(request, 50)
    asked = request.query_params.get("workspace_id")
    found = await house.guardrails.assigned(actor(request), "keys", request.path_params.get("id"), asked)
    shown = [await _key_json(house, each) for each in found[offset : offset + limit]]
    return json_answer({"data": shown, "total_count": len(found)})


@tells(WORKSPACE, *PAGES)
async def list_members(house: House, request: Request) -> Response:
    """Members with a guardrail: this one, or any of the workspace."""
    offset, limit = page(request, 50)
    asked = request.query_params.get("workspace_id")
    found = await house.guardrails.assigned(actor(request), "members", request.path_params.get("id"), asked)
    shown = [
        {**_assignment_json(each), "user_id": each.to, "organization_id": each.workspace_id}
        for each in found[offset : offset + limit]
    ]
    return json_answer({"data": shown, "total_count": len(found)})


async def assign_keys(house: House, request: Request) -> Response:
    """Each has this guardrail now, and no other."""
    to, id_ = (await read_json(request, Keys)).key_hashes, request.path_params["id"]
    count = await house.guardrails.assign(actor(request), "keys", id_, to, house.gateway.now_ms())
    return json_answer({"assigned_count": count})


async def unassign_keys(house: House, request: Request) -> Response:
    to, id_ = (await read_json(request, Keys)).key_hashes, request.path_params["id"]
    count = await house.guardrails.unassign(actor(request), "keys", id_, to, house.gateway.now_ms())
    return json_answer({"unassigned_count": count})


async def assign_members(house: House, request: Request) -> Response:
    """Each has this guardrail now, and no other, for the keys that they made in the workspace."""
    to, id_ = (await read_json(request, Users)).member_user_ids, request.path_params["id"]
    count = await house.guardrails.assign(actor(request), "members", id_, to, house.gateway.now_ms())
    return json_answer({"assigned_count": count})


async def unassign_members(house: House, request: Request) -> Response:
    to, id_ = (await read_json(request, Users)).member_user_ids, request.path_params["id"]
    count = await house.guardrails.unassign(actor(request), "members", id_, to, house.gateway.now_ms())
    return json_answer({"unassigned_count": count})


def _guardrail_json(guardrail: Guardrail) -> dict[str, Any]:
    guards = guardrail.guards
    return {
        "id": guardrail.id,
        "name": guardrail.name,
        "description": guardrail.description,
        "workspace_id": guardrail.workspace_id,
        "created_at": iso(guardrail.created_ms),
        "updated_at": iso_or_none(guardrail.updated_ms),
        "limit_usd": None if guards.limit is None else usd(guards.limit),
        "reset_interval": guards.reset.value if guards.reset else None,
        "include_byok_in_budgets": guards.byok,
        "allowed_models": guards.allowed_models,
        "ignored_models": guards.ignored_models or None,
        "allowed_providers": guards.allowed_providers,
        "ignored_providers": guards.ignored_providers or None,
        "enforce_zdr": set(guards.zdr_of) == set(ZDR_OF),
        **{f"enforce_zdr_{group}": group in guards.zdr_of for group in ZDR_OF},
        "enable_free_model_training": guards.trains_free,
        "enable_paid_model_training": guards.training,
        "content_filters": [asdict(each) for each in guards.patterns] or None,
        "content_filter_builtins": [_builtin_json(each) for each in guards.builtins] or None,
    }


def _builtin_json(found: BuiltinFilter) -> dict[str, Any]:
    shown: dict[str, Any] = {"slug": found.slug.value, "action": found.action.value, "label": found.slug.label}
    if found.slug is Builtin.PROMPT_INJECTION:
        shown["scan_scope"] = "user_only" if found.user_only else "all_messages"
    return shown


async def _key_json(house: House, assignment: Assignment) -> dict[str, Any]:
    key = await find_key(house.database, assignment.to)
    named = {"key_hash": assignment.to, "key_name": key.name if key else "", "key_label": key.label if key else ""}
    return {**_assignment_json(assignment), **named}


def _assignment_json(assignment: Assignment) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(_NAMES, f"{assignment.guardrail_id} {assignment.to}")),
        "guardrail_id": assignment.guardrail_id,
        "assigned_by": assignment.assigned_by,
        "created_at": iso(assignment.created_ms),
    }
