"""`/admin/v1/groups`: groups with prices of their own, and who is in them; in force with the next request."""

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, json_answer, read_json
from tollway.api.house import House
from tollway.gateway.group_desk import Move, SetGroup


async def list_groups(house: House, request: Request) -> Response:
    """Every group, those of tollway.toml (`from_file`) too, and who is in it."""
    return json_answer({"data": await house.groups.shown()})


async def set_group(house: House, request: Request) -> Response:
    """A new group, or another multiplier; a request under way keeps the price that it was admitted with."""
    ask = await read_json(request, SetGroup)
    done = await house.groups.set(actor(request), request.path_params["name"], ask, house.gateway.now_ms())
    return json_answer({"data": done})


async def delete_group(house: House, request: Request) -> Response:
    """Who was in it pays the list's price."""
    await house.groups.remove(actor(request), request.path_params["name"], house.gateway.now_ms())
    return json_answer({"data": {"deleted": True}})


async def move(house: House, request: Request) -> Response:
    """A workspace, a key, or each workspace that a user owns, into a group; with `group: null` into none."""
    ask = await read_json(request, Move)
    moved = await house.groups.move(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": {"group": ask.group, "moved": moved}})
