"""`/api/v1/presets` (OPENROUTER.md 8.9): a workspace's presets and their versions, made of inference bodies."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import page
from tollway.api.house import House
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import NotFound
from tollway.domain.presets import Preset, PresetVersion
from tollway.gateway.presets import found_preset
from tollway.storage.presets import count_presets, count_versions, find_version, list_presets, list_versions
from tollway.wire.json_body import decode_body
from tollway.wire.openai_responses import server as openai_responses

PAGE = 50
NO_INPUT = {"input": Raw(b'"-"')}
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
Decode = Callable[[bytes], ChatRequest]


async def list_all(house: House, request: Request) -> Response:
    """The last changed first, without what they say."""
    workspace, (offset, limit) = house.caller(request).workspace_id, page(request, PAGE)
    found = await list_presets(house.database, workspace, limit=limit, offset=offset)
    return _json([preset_json(each) for each in found], total_count=await count_presets(house.database, workspace))


async def get_one(house: House, request: Request) -> Response:
    """Another workspace's preset is a 404 like an absent one."""
    preset, version = await _find(house, request)
    return _json(preset_json(preset, version))


async def list_its_versions(house: House, request: Request) -> Response:
    """The oldest first."""
    (preset, _), (offset, limit) = await _find(house, request), page(request, PAGE)
    found = await list_versions(house.database, preset.id, limit=limit, offset=offset)
    return _json(
        [version_json(each, preset) for each in found], total_count=await count_versions(house.database, preset.id)
    )


async def get_version(house: House, request: Request) -> Response:
    """By its number."""
    preset, _ = await _find(house, request)
    text = request.path_params["version"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    found = await find_version(house.database, preset.id, number)
    if found is None:
        raise NotFound(f'The preset "{preset.slug}" has no version {text[:80]}')
    return _json(version_json(found, preset))


async def keep(house: House, request: Request, *, decode: Decode) -> Response:
    """Makes a preset of a body, or a new version of the preset of this slug: what says how to answer is kept."""
    key, gateway, asked = house.caller(request).key, house.gateway, decode(await request.body())
    preset, version = await gateway.presets.keep(key, request.path_params["slug"], asked, gateway.now_ms())
    return _json(preset_json(preset, version))


def decode_response(body: bytes) -> ChatRequest:
    """A body for Responses, which OpenRouter's package may send without an `input`: for a preset it says nothing."""
    fields = decode_body(body, _FIELDS)
    return openai_responses.decode_request(body if "input" in fields else msgspec.json.encode(NO_INPUT | fields))


async def _find(house: House, request: Request) -> tuple[Preset, PresetVersion]:
    return await found_preset(house.database, house.caller(request).workspace_id, request.path_params["slug"])


def preset_json(preset: Preset, version: PresetVersion | None = None) -> dict[str, Any]:
    """`version`: the one that counts, where it is to be shown."""
    shown = {
        "id": preset.id,
        "slug": preset.slug,
        "name": preset.slug,
        "description": None,
        "status": preset.status.value,
        "status_updated_at": None if preset.status_ms is None else _iso(preset.status_ms),
        "designated_version_id": preset.designated_version_id,
        "workspace_id": preset.workspace_id,
        "creator_user_id": preset.creator_user_id,
        "created_at": _iso(preset.created_ms),
        "updated_at": _iso(preset.updated_ms),
    }
    return shown if version is None else shown | {"designated_version": version_json(version, preset)}


def version_json(version: PresetVersion, preset: Preset) -> dict[str, Any]:
    """A version never changes, so that it was updated when it was made."""
    return {
        "id": version.id,
        "preset_id": preset.id,
        "version": version.version,
        "system_prompt": version.system_prompt,
        "config": version.config,
        "creator_id": version.creator_id,
        "created_at": _iso(version.created_ms),
        "updated_at": _iso(version.created_ms),
    }


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(data: Any, **more: Any) -> Response:
    return Response(msgspec.json.encode({"data": data, **more}), media_type="application/json")
