"""`/api/v1/byok` and `/account/v1/byok`: a workspace's own keys for providers. A secret goes in, and never out."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer, page, read_json
from tollway.api.house import House
from tollway.api.table import PAGES, WORKSPACE, tells, text_of
from tollway.domain.byok import Credential
from tollway.gateway.byok_desk import ChangedCredential, NewCredential

PAGE = 50


@tells(WORKSPACE, text_of("provider"), *PAGES)
async def list_credentials(house: House, request: Request) -> Response:
    """Up to `limit` (50, at most 100) from `offset` on; of `workspace_id`, or the actor's own; of `provider` alone."""
    asked, (offset, limit) = request.query_params, page(request, PAGE)
    found, total = await house.byok.list(
        actor(request),
        asked.get("workspace_id"),
        asked.get("provider"),
        offset=offset,
        limit=limit,
    )
    return json_answer({"data": [credential_json(each) for each in found], "total_count": total})


@tells(status=201)
async def create_credential(house: House, request: Request) -> Response:
    """201. The key is encrypted, and in no answer."""
    ask = await read_json(request, NewCredential)
    made = await house.byok.create(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": credential_json(made)}, 201)


async def get_credential(house: House, request: Request) -> Response:
    found = await house.byok.find(actor(request), request.path_params["id"])
    return json_answer({"data": credential_json(found)})


async def change_credential(house: House, request: Request) -> Response:
    """`key` replaces the secret; what is left out stays."""
    ask = await read_json(request, ChangedCredential)
    done = await house.byok.change(actor(request), request.path_params["id"], ask, house.gateway.now_ms())
    return json_answer({"data": credential_json(done)})


async def delete_credential(house: House, request: Request) -> Response:
    await house.byok.delete(actor(request), request.path_params["id"], house.gateway.now_ms())
    return json_answer({"deleted": True})


def credential_json(credential: Credential) -> dict[str, Any]:
    """A credential as the official SDK 1.3.84 requires it."""
    wishes = credential.wishes
    return {
        "id": credential.id,
        "provider": credential.provider,
        "workspace_id": credential.workspace_id,
        "name": wishes.name,
        "label": credential.label,
        "disabled": wishes.disabled,
        "is_fallback": wishes.is_fallback,
        "is_required": wishes.is_required,
        "is_byok_only": wishes.is_byok_only,
        "declared_zdr": wishes.declared_zdr,
        "declared_region": wishes.declared_region,
        "allowed_models": wishes.allowed_models,
        "allowed_api_key_hashes": wishes.allowed_api_key_hashes,
        "allowed_user_ids": wishes.allowed_user_ids,
        "sort_order": wishes.sort_order,
        "created_at": iso(credential.created_ms),
    }
