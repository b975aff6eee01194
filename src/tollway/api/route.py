"""`POST /api/v1/route`: the plan for a chat request of any format, and why; nothing is sent and nothing charged."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct, structs
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.api.models import measured_json, pricing
from tollway.domain.chat import ChatRequest, MaxPrice, Slug
from tollway.domain.errors import InvalidRequest
from tollway.domain.identity import Caller
from tollway.domain.money import Nanodollars, usd
from tollway.gateway.explain import Workspace, dry_run
from tollway.routing.explain import Explanation, LeftOut, Listed, Ranked, Refusal, UnderCap
from tollway.wire.anthropic_messages import server as anthropic_messages
from tollway.wire.gemini import server as gemini
from tollway.wire.json_body import decode_body
from tollway.wire.openai_chat import server as openai_chat
from tollway.wire.openai_responses import server as openai_responses

CAPS_MAX = 20
OPERATOR = "operator"
"""In whose turn prompts are counted where the command line asks."""


class Caps(Struct, frozen=True):
    """What a dry run takes besides the request itself: prices to try as `provider.max_price`, and its format."""

    caps: tuple[MaxPrice, ...] = ()
    format: Literal["chat", "messages", "responses", "gemini"] = "chat"


class _Model(Struct):
    """The one field that Gemini's requests have in their URL."""

    model: Slug | None = None


_CAPS = msgspec.json.Decoder(Caps)
_MODEL = msgspec.json.Decoder(_Model)
_RAW = msgspec.json.Decoder(dict[str, Raw])


READERS: dict[str, Callable[[bytes], ChatRequest]] = {
    "chat": openai_chat.decode_request,
    "messages": anthropic_messages.decode_request,
    "responses": openai_responses.decode_request,
    "gemini": gemini.decode_request,
}


async def post_route(house: House, request: Request) -> Response:
    """Made with the caller's own money and limits; a key without credits learns what it would be told."""
    caller = house.caller(request)
    workspace = Workspace(caller.workspace_id, caller.key.standing)
    explanation = await explain_body(house, await request.body(), caller, workspace)
    return Response(msgspec.json.encode({"data": route_json(explanation)}), media_type="application/json")


async def explain_body(house: House, body: bytes, caller: Caller | None, workspace: Workspace) -> Explanation:
    """The errors are those of a chat request: InvalidRequest, ModelNotFound, NotBuiltYet."""
    request, caps, body_bytes = read_dry_run(body)
    counter = caller.key.id if caller else OPERATOR

    async def count(asked: ChatRequest) -> int:
        if caller:
            await house.counts.admit(caller.key, body_bytes)
        return await house.counts.count(counter, asked, body_bytes)

    return await dry_run(house.gateway, request, body_bytes, caps, count, caller, workspace)


def read_dry_run(body: bytes) -> tuple[ChatRequest, tuple[MaxPrice, ...], int]:
    """A body -> the chat request in it, the caps to try, and the request's own bytes. InvalidRequest."""
    asked = decode_body(body, _CAPS)
    if len(asked.caps) > CAPS_MAX:
        raise InvalidRequest(f"caps: at most {CAPS_MAX}", param="caps")
    fields = _RAW.decode(body)
    model = fields.pop("model", None) if asked.format == "gemini" else None
    if model is not None or "caps" in fields or "format" in fields:
        for name in ("caps", "format"):
            fields.pop(name, None)
        body = msgspec.json.encode(fields)
    request = READERS[asked.format](body)
    if asked.format == "gemini":
        request = structs.replace(request, model=decode_body(b'{"model":%b}' % (model or b"null"), _MODEL).model)
    return request, asked.caps, len(body)


def route_json(found: Explanation) -> dict[str, Any]:
    """The explanation as clients get it: amounts in USD."""
    return {
        "models": found.models,
        "auto": None if found.routed is None else asdict(found.routed),
        "policy": found.policy,
        "prompt_tokens": found.prompt.counted,
        "answer_tokens": found.answer_tokens,
        "expected_cost": _usd(found.expected),
        "endpoints": [_ranked(rank, each) for rank, each in enumerate(found.ranked, 1)],
        "left_out": [_left_out(each) for each in found.left_out],
        "error": _refusal(found.refusal),
        "caps": [_under(each) for each in found.caps],
    }


def _ranked(rank: int, each: Ranked) -> dict[str, Any]:
    return {
        "rank": rank,
        **_listed(each.listed),
        "share": round(each.share, 4),
        "reason": each.reason,
        "most_cost": _usd(each.most),
        "max_tokens": each.max_tokens,
    }


def _left_out(each: LeftOut) -> dict[str, Any]:
    return {**_listed(each.listed), "rule": each.rule, "reason": each.reason}


def _listed(each: Listed) -> dict[str, Any]:
    return {
        "endpoint_id": each.id,
        "is_byok": each.is_byok,
        "model": each.model,
        "provider": each.provider,
        "provider_name": each.provider_name,
        "pricing": pricing(each.price) if each.price else None,
        "estimated_cost": _usd(each.estimated),
        "policy_cost": None if each.policy_cost is None else round(each.policy_cost, 6),
        "health": {"status": "down" if each.why_down else "up", "why": each.why_down},
        "measured": measured_json(each.measured),
    }


def _under(each: UnderCap) -> dict[str, Any]:
    return {
        "max_price": each.max_price,
        "endpoints": each.endpoints,
        "first": each.first,
        "share": round(each.share, 4),
        "expected_cost": _usd(each.expected),
        "error": _refusal(each.refusal),
    }


def _refusal(found: Refusal | None) -> dict[str, Any] | None:
    return None if found is None else {"code": found.status, "message": found.message}


def _usd(amount: Nanodollars | None) -> Raw | None:
    return None if amount is None else usd(amount)
