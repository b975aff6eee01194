"""`/account/v1/me`, `/export`, `/sessions`: one's own account changed, taken along as JSON, and deleted."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tollway.api.alerts import alert_json
from tollway.api.answers import actor, iso, json_answer, read_json
from tollway.api.feedback import feedback_json
from tollway.api.generations import content_of, generation_json
from tollway.api.house import House
from tollway.api.keys import key_json
from tollway.api.passkeys import passkey_json
from tollway.api.people import signed_in_self, user_json
from tollway.api.purchases import order_json
from tollway.domain.errors import InvalidRequest
from tollway.domain.generation import Generation
from tollway.domain.identity import KeyKind
from tollway.domain.people import User
from tollway.identity.sessions import check_fresh
from tollway.storage.alerts import rules_by_user
from tollway.storage.feedback import feedback_by
from tollway.storage.generations import Place, Wanted
from tollway.storage.keys import keys_of_user
from tollway.storage.members import find_workspace, memberships_of
from tollway.storage.orders import list_orders

PAGE = 1000


class ChangeMe(Struct, forbid_unknown_fields=True):
    """`PATCH /account/v1/me`: what is left out stays."""

    name: str | None = None
    email: str | None = None


class DeleteMe(Struct, forbid_unknown_fields=True):
    """`DELETE /account/v1/me`: one's own e-mail address, so that it is no mistake."""

    email: str


async def change_me(house: House, request: Request) -> Response:
    """Another name, or e-mail address: for that one must have signed in lately."""
    user, session = signed_in_self(request)
    ask, now_ms = await read_json(request, ChangeMe), house.gateway.now_ms()
    if ask.email is not None and ask.email.strip().lower() != user.email:
        check_fresh(session, now_ms)
    name, email = user.name if ask.name is None else ask.name, user.email if ask.email is None else ask.email
    return json_answer({"data": user_json(await house.people.change_profile(user, name, email, now_ms))})


async def delete_me(house: House, request: Request) -> Response:
    """The account, for ever: keys stop, one's own workspace goes with its credits; the ledger's rows stay.

    Forbidden: one has not signed in lately. InvalidRequest: a team would have no owner.
    """
    user, session = signed_in_self(request)
    ask, now_ms = await read_json(request, DeleteMe), house.gateway.now_ms()
    check_fresh(session, now_ms)
    if ask.email.strip().lower() != user.email:
        raise InvalidRequest("email: your own address, so that nothing is deleted by mistake", param="email")
    await house.departures.delete(actor(request), user, now_ms)
    return json_answer({"data": {"deleted": True}})


async def delete_user(house: House, request: Request) -> Response:
    """The same by an admin, for whoever it is."""
    user = await house.users.find(actor(request), request.path_params["id"])
    await house.departures.delete(actor(request), user, house.gateway.now_ms())
    return json_answer({"data": {"deleted": True}})


async def end_sessions(house: House, request: Request) -> Response:
    """Signs the user out everywhere else."""
    user, session = signed_in_self(request)
    await house.people.sessions.end_all(user.id, but=session.id)
    return json_answer({"data": {"deleted": True}})


async def export(house: House, request: Request) -> Response:
    """Everything that is kept about the user, as one JSON object, while it is read."""
    user, _ = signed_in_self(request)
    headers = {"content-disposition": 'attachment; filename="tollway-export.json"', "cache-control": "no-store"}
    return StreamingResponse(_export(house, user), media_type="application/json", headers=headers)


async def _export(house: House, user: User) -> AsyncIterator[bytes]:
    """Requests of keys that the user made, and all of their own workspace; the newest first, workspace by workspace.

    Each with what is kept of its prompt and answer, one in memory at a time.
    """
    ways = await house.people.ways_in(user)
    held = await memberships_of(house.database, user.id)
    places: list[dict[str, Any]] = []
    wanted: list[Wanted] = []
    orders: list[dict[str, Any]] = []
    for each in held:
        workspace = await find_workspace(house.database, each.workspace_id)
        if workspace is None:
            continue
        own = workspace.personal and workspace.created_by == user.id
        places.append({"id": workspace.id, "name": workspace.name, "personal": own, "role": each.role.value})
        wanted.append(Wanted(workspace.id, creator=None if own else user.id))
        if own:
            orders += [order_json(order) for order in await list_orders(house.database, workspace.id, limit=10_000)]
    keys = await keys_of_user(house.database, user.id)
    voices = [user.id, *(f"key {key.label}" for key in keys if key.kind is KeyKind.PROVISIONING)]
    said = [each for voice in voices for each in await feedback_by(house.database, voice)]
    parts: dict[str, Any] = {
        "user": user_json(user),
        "password": ways.password,
        "identities": [{"issuer": issuer, "since": iso(since_ms)} for issuer, since_ms in ways.issuers],
        "passkeys": [passkey_json(house, each) for each in await house.passkeys.list(user)],
        "sessions": [
            {"created_at": iso(each.created_ms), "address": each.address, "user_agent": each.user_agent}
            for each in await house.people.sessions.list(user.id)
        ],
        "workspaces": places,
        "keys": [await key_json(house, key) for key in keys],
        "purchases": orders,
        "alerts": [alert_json(each) for each in await rules_by_user(house.database, user.id)],
        "feedback": [feedback_json(each) for each in said],
    }
    yield msgspec.json.encode(parts)[:-1] + b',"generations":['
    first = True
    for one in wanted:
        place: Place | None = None
        while True:
            found, place = await house.records.generations(one, place, PAGE)
            for generation in found:
                yield (b"" if first else b",") + await _with_content(house, generation)
                first = False
            if place is None:
                break
    yield b"]}"


async def _with_content(house: House, generation: Generation) -> bytes:
    """A request as JSON, with its prompt and answer as `content` where they are kept."""
    line = generation_json(generation, house)
    content = await content_of(house, generation)
    return msgspec.json.encode(line if content is None else {**line, "content": content})
