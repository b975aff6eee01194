"""`GET /api/v1/generation?id=` (OPENROUTER.md 8.1), `/generations/{id}/trace`: what a finished request was, and why."""

from typing import Any

import msgspec
from msgspec import structs
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso
from tollway.api.house import House
from tollway.api.table import tells, text_of
from tollway.domain.apps import app_of
from tollway.domain.catalog import Catalog
from tollway.domain.content import Content, Failure
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.generation import Attempt, Generation, Placed, Trace
from tollway.domain.identity import Caller, KeyKind
from tollway.domain.money import usd
from tollway.domain.people import Actor
from tollway.domain.routing import route_id
from tollway.identity.actors import actor_of_key
from tollway.routing.keyring import label
from tollway.storage.generations import find_generation

_contents = msgspec.json.Decoder(Content)


async def get_generation(house: House, request: Request) -> Response:
    """Another workspace's generation is a 404 like an absent one."""
    return _json(generation_json(await _find(house, house.caller(request), _wanted(request)), house))


async def get_content(house: House, request: Request) -> Response:
    """The prompt and the answer, where they were kept: to the key that asked for them, or to who manages it.

    404: there is no such generation, or nothing was kept of it. Forbidden: another key of the workspace made it.
    """
    wanted, caller = _wanted(request), house.caller(request)
    if caller.key.kind is KeyKind.PROVISIONING:
        return await _content(house, await actor_of_key(house.database, caller.key), wanted)
    generation = await _find(house, caller, wanted)
    found = await _content_of(house, generation)
    if generation.key_id != caller.key.id:
        raise Forbidden("Another key made this request: ask with that one, or with a provisioning key.")
    return found


@tells(text_of("id"))
async def get_own_generation(house: House, request: Request) -> Response:
    """The same as `GET /api/v1/generation`, for who is signed in."""
    return _json(generation_json(await seen_generation(house, actor(request), _wanted(request)), house))


@tells(text_of("id"))
async def get_own_content(house: House, request: Request) -> Response:
    """The same as `GET /api/v1/generation/content`, for who is signed in."""
    return await _content(house, actor(request), _wanted(request))


async def _content(house: House, who: Actor, wanted: str) -> Response:
    return await _content_of(house, await seen_generation(house, who, wanted))


async def seen_generation(house: House, who: Actor, wanted: str) -> Generation:
    """One that somebody may see. NotFound: there is none."""
    generation = await house.records.generation(who, _id(wanted))
    if generation is None:
        raise NotFound(f"Generation {wanted[:80]} not found")
    return generation


async def _content_of(house: House, generation: Generation) -> Response:
    content = await content_of(house, generation)
    if content is None:
        raise NotFound(
            f"Nothing is kept of generation {generation.id}: its workspace had not switched that on, the request "
            "forbade it, or its time is over."
        )
    return Response(msgspec.json.encode({"data": content}), media_type="application/json")


async def content_of(house: House, generation: Generation) -> Content | None:
    """What is kept of one that the caller may see; None: nothing."""
    contents = house.gateway.contents
    found = await contents.find(generation.workspace_id, generation.id) if contents is not None else None
    if found is None:
        return None
    content = _contents.decode(found)
    return content if content.error is None else structs.replace(content, error=_with_names(content.error, house))


def _with_names(error: Failure, house: House) -> Failure:
    """Providers by the names that they are shown by."""
    return structs.replace(
        error,
        provider_name=error.provider_name and house.provider_name(error.provider_name),
        previous_errors=tuple(
            structs.replace(each, provider_name=each.provider_name and house.provider_name(each.provider_name))
            for each in error.previous_errors
        ),
    )


async def get_trace(house: House, request: Request) -> Response:
    """The plan as it was made, and each attempt with its times; of the caller's own workspace, else 404."""
    generation = await _find(house, house.caller(request), request.path_params["id"])
    return _json(trace_json(generation, house))


async def get_own_trace(house: House, request: Request) -> Response:
    """The same as `GET /api/v1/generations/{id}/trace`, for who is signed in."""
    return _json(trace_json(await seen_generation(house, actor(request), request.path_params["id"]), house))


async def _find(house: House, caller: Caller, wanted: str) -> Generation:
    generation = await find_generation(house.database, caller.workspace_id, _id(wanted))
    if generation is None:
        raise NotFound(f"Generation {wanted[:80]} not found")
    return generation


def _wanted(request: Request) -> str:
    wanted = request.query_params.get("id")
    if not wanted:
        raise InvalidRequest("id: the query parameter is missing", param="id")
    return wanted


def _id(wanted: str) -> str:
    """`/v1` writes ids as chatcmpl_..., and both find the generation (STOREFRONTS.md)."""
    return f"gen-{wanted.removeprefix('chatcmpl_')}" if wanted.startswith("chatcmpl_") else wanted


def _json(data: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode({"data": data}), media_type="application/json")


def trace_json(generation: Generation, house: House) -> dict[str, Any]:
    """Where nothing was to be decided no plan is kept: who was tried was the only one that fits."""
    plan = generation.plan
    if plan is None:
        plan = Trace(tuple(Placed(each.endpoint_id, "the only one that fits", 1.0) for each in generation.attempts))
    return {
        "id": generation.id,
        "model": generation.model,
        "created_at": iso(generation.created_ms),
        "auto": None if generation.routed is None else asdict(generation.routed),
        "candidates": [{"rank": rank, **asdict(each)} for rank, each in enumerate(plan.candidates, 1)],
        "left_out": [asdict(each) for each in plan.left_out],
        "unlisted": plan.unlisted,
        "off": plan.off,
        "attempts": [
            {
                "endpoint_id": each.endpoint_id,
                "route_id": route_id(each.endpoint_id),
                "provider_name": house.provider_name(each.provider),
                "began_ms": each.began_ms,
                "latency_ms": each.latency_ms,
                "outcome": each.outcome.value,
                "status": each.status,
                "message": each.message,
                **({"key": label(each.key)} if each.key else {}),
            }
            for each in generation.attempts
        ],
        "generation_ms": generation.generation_ms,
        "finish_reason": generation.finish_reason,
        "total_cost": usd(generation.cost),
        "usage_flag": generation.usage_flag,
        "content_filters": [asdict(each) for each in generation.findings],
        "error": generation.error,
    }


def generation_json(generation: Generation, house: House) -> dict[str, Any]:
    """All fields that the official SDKs require."""
    usage, app = generation.usage, app_of(generation.http_referer, generation.app_title)
    cost = usd(generation.cost)
    models = _models_asked(generation, house.gateway.market.catalog)
    return {
        "id": generation.id,
        "upstream_id": generation.upstream_id,
        "request_id": None,
        "model": generation.model,
        "router": generation.routed.router if generation.routed else None,
        "provider_name": house.provider_name(generation.provider) if generation.provider else None,
        "route_id": route_id(generation.endpoint_id) if generation.endpoint_id else None,
        "preset_id": generation.preset_id,
        "session_id": generation.session_id,
        "external_user": generation.external_user,
        "app_id": app.id if app else None,
        "origin": generation.origin,
        "http_referer": generation.http_referer,
        "user_agent": generation.user_agent,
        "workspace_id": generation.workspace_id,
        "data_region": "global",
        "api_type": generation.api_type,
        "created_at": iso(generation.created_ms),
        "streamed": generation.streamed,
        "cancelled": generation.cancelled,
        "finish_reason": generation.finish_reason,
        "native_finish_reason": generation.native_finish_reason,
        "latency": generation.latency_ms,
        "moderation_latency": generation.moderation_ms,
        "generation_time": generation.generation_ms,
        "tokens_prompt": usage.prompt,
        "tokens_completion": usage.completion,
        "native_tokens_prompt": usage.prompt,
        "native_tokens_completion": usage.completion,
        "native_tokens_completion_images": usage.image_completion or None,
        "native_tokens_reasoning": usage.reasoning,
        "native_tokens_cached": usage.cache_read,
        "num_media_prompt": generation.media_prompt or None,
        "num_input_audio_prompt": generation.audio_prompt or None,
        "num_media_completion": None,
        "num_search_results": None,
        "num_fetches": None,
        "web_search_engine": None,
        "usage": cost,
        "total_cost": cost,
        "upstream_inference_cost": usd(generation.own_cost) if generation.credential_id else None,
        "cache_discount": usd(generation.cache_discount) if generation.cache_discount else None,
        "is_byok": generation.credential_id is not None,
        "service_tier": None,
        "response_cache_source_id": None,
        "provider_responses": [
            _attempt(each, models.get(each.endpoint_id, generation.model), house) for each in generation.attempts
        ],
        "tokens_estimated": usage.estimated,
        "max_tokens_applied": generation.max_tokens_sent,
        "error": generation.error,
    }


def _models_asked(generation: Generation, catalog: Catalog) -> dict[str, str]:
    """Endpoints of its attempts -> the models that they offer; those that the catalog has no more are not there."""
    asked = {each.endpoint_id for each in generation.attempts} - {generation.endpoint_id}
    if not asked:
        return {}
    return {each.id: each.model_id for offered in catalog.endpoints.values() for each in offered if each.id in asked}


def _attempt(attempt: Attempt, model: str, house: House) -> dict[str, Any]:
    return {
        "status": attempt.status,
        "id": attempt.upstream_id,
        "endpoint_id": attempt.endpoint_id,
        "route_id": route_id(attempt.endpoint_id),
        "provider_name": house.provider_name(attempt.provider),
        "model_permaslug": model,
        "latency": attempt.latency_ms,
        "is_byok": attempt.credential_id is not None,
        "outcome": attempt.outcome.value,
        "message": attempt.message,
    }
