"""`/api/v1/keys` for provisioning keys, `/account/v1/keys` for users: make, list, change and delete keys."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.account import spending_json
from tollway.api.answers import actor, iso, iso_or_none, json_answer, read_json, whole
from tollway.api.house import House
from tollway.api.table import OFFSET, WORKSPACE, Parameter, tells
from tollway.domain.errors import InvalidRequest
from tollway.domain.identity import Key
from tollway.gateway.key_desk import ChangedKey, NewKey
from tollway.storage.keys import spent_by_day

FLAGS = {"true": True, "false": False, "1": True, "0": False, "": False}


@tells(WORKSPACE, OFFSET, *(Parameter(f"include_{name}", {"enum": [*FLAGS]}) for name in ("disabled", "expired")))
async def list_keys(house: House, request: Request) -> Response:
    """100 keys from `offset` on, the newest first, of `workspace_id`, or the actor's own place; with
    `include_disabled` and `include_expired` those that do not work any more."""
    found = await house.keys.list(
        actor(request),
        request.query_params.get("workspace_id"),
        disabled=_includes(request, "disabled"),
        offset=whole(request, "offset", 0, 0, 10**9),
        unexpired_at_ms=None if _includes(request, "expired") else house.gateway.now_ms(),
    )
    return json_answer({"data": [await key_json(house, each) for each in found]})


def _includes(request: Request, name: str) -> bool:
    name = f"include_{name}"
    if (wanted := FLAGS.get(request.query_params.get(name, "false").lower())) is None:
        raise InvalidRequest(f"{name}: `true` or `false`", param=name)
    return wanted


@tells(status=201)
async def create_key(house: House, request: Request) -> Response:
    """201 and, this once, the secret in `key`."""
    ask = await read_json(request, NewKey)
    key, secret = await house.keys.create(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": await key_json(house, key), "key": secret}, 201)


async def get_key(house: House, request: Request) -> Response:
    key = await house.keys.find(actor(request), request.path_params["hash"])
    return json_answer({"data": await key_json(house, key)})


async def change_key(house: House, request: Request) -> Response:
    ask = await read_json(request, ChangedKey)
    key = await house.keys.change(actor(request), request.path_params["hash"], ask, house.gateway.now_ms())
    return json_answer({"data": await key_json(house, key)})


async def delete_key(house: House, request: Request) -> Response:
    await house.keys.delete(actor(request), request.path_params["hash"], house.gateway.now_ms())
    return json_answer({"deleted": True})


async def key_json(house: House, key: Key) -> dict[str, Any]:
    """A key as the official SDK 1.3.84 requires it. `hash` is its public id: no digest of the secret."""
    days = await spent_by_day(house.database, key.id)
    last_ms = max((day.last_ms for day in days), default=0)
    return {
        "hash": key.id,
        "name": key.name,
        **spending_json(key, days, house.gateway.now_ms()),
        "disabled": key.disabled,
        "created_at": iso(key.created_ms),
        "updated_at": iso_or_none(key.updated_ms),
        "creator_user_id": key.creator_user_id,
        "workspace_id": key.workspace_id,
        "external_user": None,
        "last_used_at": iso(last_ms) if last_ms else None,
        "expires_at": iso_or_none(key.expires_ms),
        "kind": key.kind.value,
        "rpm": key.rpm,
        "allowed_models": key.allowed_models,
        "allowed_providers": key.allowed_providers,
    }
