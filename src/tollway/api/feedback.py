"""`POST /generation/feedback`: what somebody says of an answer; and what all said, for the operator."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer, moment, read_json, whole
from tollway.api.generations import seen_generation
from tollway.api.house import House
from tollway.storage.feedback import Feedback, list_feedback, new_feedback
from tollway.storage.users import find_user


class NewFeedback(Struct):
    """`POST /generation/feedback`, as OpenRouter has it."""

    generation_id: Annotated[str, Meta(min_length=1, max_length=200)]
    category: Literal["latency", "incoherence", "incorrect_response", "formatting", "billing", "api_error", "other"]
    comment: Annotated[str, Meta(max_length=1000)] | None = None


async def post_feedback(house: House, request: Request) -> Response:
    """Kept beside the generation; the same one's word in the same category takes the place of the one before."""
    ask, who = await read_json(request, NewFeedback), actor(request)
    generation = await seen_generation(house, who, ask.generation_id)
    now_ms = house.gateway.now_ms()
    # A user by id: addresses change, and none is to stay here when its user goes.
    name = who.user.id if who.user is not None and who.key_id is None else who.name
    said = Feedback(generation.workspace_id, generation.id, ask.category, name, ask.comment or "", now_ms)
    await house.audit.write(
        who, "generation.feedback", generation.id, new_feedback(said),
        now_ms=now_ms, workspace_id=generation.workspace_id, category=ask.category,
    )  # fmt: skip
    return json_answer({"data": {"success": True}})


async def list_all_feedback(house: House, request: Request) -> Response:
    """The newest first, `limit` (100) of them from before the time `before`, which `next` tells."""
    limit = whole(request, "limit", 100, 1, 1000)
    found = await list_feedback(house.database, before_ms=moment(request, "before", 2**53), limit=limit + 1)
    shown = found[:limit]
    users = {name: await find_user(house.database, name) for name in {each.actor for each in shown}}
    data = [
        feedback_json(each) | {"actor": user.email if (user := users[each.actor]) else each.actor} for each in shown
    ]
    return json_answer({"data": data, "next": iso(shown[-1].created_ms) if len(found) > limit else None})


def feedback_json(said: Feedback) -> dict[str, Any]:
    """What was said, without who said it."""
    return {
        "generation_id": said.generation_id,
        "workspace_id": said.workspace_id,
        "category": said.category,
        "comment": said.comment or None,
        "created_at": iso(said.created_ms),
    }
