"""`/workspaces`: places, what they want of their requests, and their members; for provisioning keys and users."""

import uuid
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, iso_or_none, json_answer, page, read_json
from tollway.api.house import House
from tollway.api.table import PAGES, tells
from tollway.domain.chat import SortBy
from tollway.domain.identity import key_number
from tollway.domain.people import Member, Role, Workspace
from tollway.domain.standing import Logging
from tollway.gateway.guardrail_desk import default_guardrail_id
from tollway.gateway.member_desk import AddMembers, RemoveMembers
from tollway.gateway.workspace_desk import ChangedWorkspace, NewWorkspace

_NAMES = uuid.UUID("6f1f2f5e-64f2-4d3c-9b9f-7d0f3c1f2a10")
"""Made up once: what we derive ids in."""


@tells(*PAGES)
async def list_workspaces(house: House, request: Request) -> Response:
    """Those that the actor is a member of, or manages, oldest first; `offset`, and `limit` up to 100."""
    offset, limit = page(request, 50)
    found, total = await house.workspaces.list(actor(request), offset=offset, limit=limit)
    return json_answer({"data": [await workspace_json(house, each) for each in found], "total_count": total})


@tells(status=201)
async def create_workspace(house: House, request: Request) -> Response:
    """201: a workspace that the actor owns."""
    ask = await read_json(request, NewWorkspace)
    made = await house.workspaces.create(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": await workspace_json(house, made)}, 201)


async def get_workspace(house: House, request: Request) -> Response:
    """By id or slug."""
    found = await house.workspaces.find(actor(request), request.path_params["id"])
    return json_answer({"data": await workspace_json(house, found)})


async def change_workspace(house: House, request: Request) -> Response:
    ask = await read_json(request, ChangedWorkspace)
    done = await house.workspaces.change(actor(request), request.path_params["id"], ask, house.gateway.now_ms())
    return json_answer({"data": await workspace_json(house, done)})


async def delete_workspace(house: House, request: Request) -> Response:
    """For an owner: without working keys and credits."""
    await house.workspaces.delete(actor(request), request.path_params["id"], house.gateway.now_ms())
    return json_answer({"deleted": True})


@tells(*PAGES)
async def list_members(house: House, request: Request) -> Response:
    """Oldest first; `offset`, and `limit` up to 100."""
    offset, limit = page(request, 50)
    found, total, people = await house.members.list(
        actor(request), request.path_params["id"], offset=offset, limit=limit
    )
    return json_answer({"data": [_member_json(each, people) for each in found], "total_count": total})


async def list_colleagues(house: House, request: Request) -> Response:
    """Members of all workspaces that the actor manages, each once, in order of their ids."""
    offset, limit = page(request, 50)
    found = await house.members.colleagues(actor(request))
    data = [
        {
            "id": each.user_id,
            "email": each.email,
            "first_name": each.name.partition(" ")[0] or None,
            "last_name": each.name.partition(" ")[2] or None,
            "role": "org:admin" if each.manages else "org:member",
        }
        for each in found[offset : offset + limit]
    ]
    return json_answer({"data": data, "total_count": len(found)})


async def add_members(house: House, request: Request) -> Response:
    """Users whom the actor meets in some workspace; with another `role`, also those who are members already."""
    ask = await read_json(request, AddMembers)
    found, added, people = await house.members.add(
        actor(request), request.path_params["id"], ask, house.gateway.now_ms()
    )
    return json_answer({"added_count": added, "data": [_member_json(each, people) for each in found]})


async def remove_members(house: House, request: Request) -> Response:
    """Members without working keys; the last owner stays."""
    ask = await read_json(request, RemoveMembers)
    removed = await house.members.remove(actor(request), request.path_params["id"], ask, house.gateway.now_ms())
    return json_answer({"removed_count": removed})


async def workspace_json(house: House, workspace: Workspace) -> dict[str, Any]:
    """A workspace as the official SDK 1.3.84 requires it; `provider`, `personal` and the keys' hashes are ours."""
    settings = await house.workspaces.settings(workspace)
    sort = settings.provider.sort if settings.provider else None
    logging = settings.logging or Logging()
    return {
        "id": workspace.id,
        "name": workspace.name,
        "slug": workspace.slug,
        "description": workspace.description,
        "created_at": iso(workspace.created_ms),
        "updated_at": iso_or_none(workspace.updated_ms),
        "created_by": workspace.created_by,
        "personal": workspace.personal,
        "default_guardrail_id": default_guardrail_id(workspace.id),
        "default_text_model": settings.default_model,
        "default_image_model": None,
        "default_provider_sort": sort.by if isinstance(sort, SortBy) else sort,
        "provider": msgspec.to_builtins(settings.provider) if settings.provider else None,
        "is_data_discount_logging_enabled": logging.shared,
        "is_observability_broadcast_enabled": False,
        "is_observability_io_logging_enabled": logging.private,
        "io_logging_sampling_rate": logging.sampling,
        "io_logging_api_key_ids": None if logging.key_ids is None else [key_number(each) for each in logging.key_ids],
        "io_logging_api_key_hashes": logging.key_ids,
        "include_byok_in_budgets": False,
    }


def _member_json(member: Member, people: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """`role` has OpenRouter's two words; `workspace_role` ours."""
    email, name = people.get(member.user_id, ("", ""))
    return {
        "id": str(uuid.uuid5(_NAMES, f"member {member.workspace_id} {member.user_id}")),
        "workspace_id": member.workspace_id,
        "user_id": member.user_id,
        "role": "admin" if member.role in (Role.OWNER, Role.ADMIN) else "member",
        "workspace_role": member.role.value,
        "email": email,
        "name": name,
        "created_at": iso(member.created_ms),
    }
