"""`GET /api/v1/generation?id=`: what a finished request was, took and cost (OPENROUTER.md 8.1)."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.generation import Attempt, Generation
from tollway.domain.money import usd
from tollway.storage.generations import find_generation


async def get_generation(house: House, request: Request) -> Response:
    """Another workspace's generation is a 404 like an absent one."""
    caller = house.caller(request)
    wanted = request.query_params.get("id")
    if not wanted:
        raise InvalidRequest("id: the query parameter is missing", param="id")
    # `/v1` writes ids as chatcmpl_..., and both find the generation (STOREFRONTS.md).
    generation_id = f"gen-{wanted.removeprefix('chatcmpl_')}" if wanted.startswith("chatcmpl_") else wanted
    generation = await find_generation(house.database, caller.workspace_id, generation_id)
    if generation is None:
        raise NotFound(f"Generation {wanted[:80]} not found")
    body = msgspec.json.encode({"data": generation_json(generation, house)})
    return Response(body, media_type="application/json")


def generation_json(generation: Generation, house: House) -> dict[str, Any]:
    """All fields that the official SDKs require."""
    usage = generation.usage
    cost = usd(generation.cost)
    return {
        "id": generation.id,
        "upstream_id": generation.upstream_id,
        "request_id": None,
        "model": generation.model,
        "router": None,
        "provider_name": house.provider_name(generation.provider) if generation.provider else None,
        "preset_id": None,
        "session_id": generation.session_id,
        "external_user": generation.external_user,
        "app_id": None,
        "origin": generation.origin,
        "http_referer": generation.http_referer,
        "user_agent": generation.user_agent,
        "workspace_id": generation.workspace_id,
        "data_region": "global",
        "api_type": generation.api_type,
        "created_at": datetime.fromtimestamp(generation.created_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "streamed": generation.streamed,
        "cancelled": generation.cancelled,
        "finish_reason": generation.finish_reason,
        "native_finish_reason": generation.native_finish_reason,
        "latency": generation.latency_ms,
        "moderation_latency": None,
        "generation_time": generation.generation_ms,
        "tokens_prompt": usage.prompt,
        "tokens_completion": usage.completion,
        "native_tokens_prompt": usage.prompt,
        "native_tokens_completion": usage.completion,
        "native_tokens_completion_images": usage.image_completion or None,
        "native_tokens_reasoning": usage.reasoning,
        "native_tokens_cached": usage.cache_read,
        "num_media_prompt": None,
        "num_input_audio_prompt": None,
        "num_media_completion": None,
        "num_search_results": None,
        "num_fetches": None,
        "web_search_engine": None,
        "usage": cost,
        "total_cost": cost,
        "upstream_inference_cost": None,
        "cache_discount": usd(generation.cache_discount) if generation.cache_discount else None,
        "is_byok": False,
        "service_tier": None,
        "response_cache_source_id": None,
        "provider_responses": [_attempt(attempt, generation, house) for attempt in generation.attempts],
        "tokens_estimated": usage.estimated,
        "max_tokens_applied": generation.max_tokens_sent,
        "error": generation.error,
    }


def _attempt(attempt: Attempt, generation: Generation, house: House) -> dict[str, Any]:
    return {
        "status": attempt.status,
        "id": attempt.upstream_id,
        "endpoint_id": attempt.endpoint_id,
        "provider_name": house.provider_name(attempt.provider),
        "model_permaslug": generation.model,
        "latency": attempt.latency_ms,
        "is_byok": False,
        "outcome": attempt.outcome.value,
        "message": attempt.message,
    }
