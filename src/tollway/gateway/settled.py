"""What a request says once everybody was heard: its preset, its workspace, and the default model."""

from collections.abc import Awaitable, Callable

from tollway.domain.chat import ChatRequest
from tollway.domain.standing import Standing
from tollway.routing.defaults import with_model, with_preferences
from tollway.routing.presets import Applied, preset_named, with_preset

FindPreset = Callable[[str], Awaitable[Applied]]
"""A slug -> the workspace's preset. NotFound, InvalidRequest: as `gateway/presets.py` has it."""


async def settle(
    request: ChatRequest,
    body_bytes: int,
    *,
    standing: Standing | None,
    find_preset: FindPreset,
    default_model: str | None,
) -> tuple[ChatRequest, int]:
    """The request as it is planned and sent, and its bytes with those of its preset.

    The request's own words come before its preset's, these before its workspace's, and the operator's come last.
    """
    slug = preset_named(request)
    preset = None if slug is None else await find_preset(slug)
    if preset is not None:
        request, body_bytes = with_preset(request, preset), body_bytes + preset.bytes
    request = with_model(request, standing, default_model)
    return with_preferences(request, standing), body_bytes
