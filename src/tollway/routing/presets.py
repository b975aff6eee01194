"""Presets and requests: what of a request is worth keeping, and what a preset makes of a request that names it."""

from typing import Any

import msgspec
from msgspec import Struct, structs

from tollway.domain.chat import (
    ChatRequest,
    Content,
    DeveloperMessage,
    Message,
    SystemMessage,
    TextPart,
    Tool,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest
from tollway.domain.presets import PresetVersion
from tollway.routing.names import PRESET

CONFIG = (
    "model", "models", "provider", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "min_p",
    "top_a", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "stop", "logit_bias", "logprobs",
    "top_logprobs", "response_format", "structured_outputs", "tools", "tool_choice", "parallel_tool_calls",
    "reasoning", "reasoning_effort", "include_reasoning", "verbosity", "modalities", "image_config", "plugins",
    "web_search_options", "service_tier", "cache_control", "max_tool_calls", "stop_server_tools_when", "transforms",
)  # fmt: skip
"""What a preset keeps of a request: how to answer, not what, nor for whom."""

ONE_CHOICE = (
    frozenset({"max_tokens", "max_completion_tokens"}),
    frozenset({"reasoning", "reasoning_effort", "include_reasoning"}),
    frozenset({"logprobs", "top_logprobs"}),
    frozenset({"response_format", "structured_outputs"}),
)
"""Fields that say one thing: where a request has any of them, the preset's do not join it."""
CONFIG_BYTES_MAX = 256 * 1024
NAMED_TOOLS = frozenset({"openrouter:advisor", "openrouter:subagent"})
"""Server tools of which a request may have several, each with a name of its own."""


class Applied(Struct, frozen=True):
    """A preset, ready to be applied."""

    id: str
    fields: dict[str, Any]
    """Of a ChatRequest, decoded; without `tools`."""
    tools: tuple[Tool, ...]
    system: SystemMessage | None
    bytes: int
    """No fewer than the bytes that it adds to a prompt."""


def preset_named(request: ChatRequest) -> str | None:
    """The slug of the preset that is named, in `preset` or in `model`. InvalidRequest: two of them, or none."""
    named = None
    if request.model is not None and PRESET in request.model:
        named = request.model.partition(PRESET)[2]
        if not named:
            raise InvalidRequest("model: say which preset, as in @preset/slug", param="model")
        if request.preset not in (None, named):
            raise InvalidRequest(
                f'preset: "{request.preset}" and "{named[:80]}" in model; a request takes one', param="preset"
            )
    return named or request.preset


def config_of(request: ChatRequest) -> tuple[dict[str, Any], str | None]:
    """What a preset keeps of a request, as JSON: the configuration and the system prompt, if there is one.

    InvalidRequest: it names a preset itself, or it is too long.
    """
    if preset_named(request) is not None:
        raise InvalidRequest("A preset can't be made of another; name a model", param="model")
    tools = None if request.tools is None else tuple(structs.replace(tool, native=None) for tool in request.tools)
    kept = structs.replace(request, tools=tools)
    config = {name: msgspec.to_builtins(value) for name in CONFIG if (value := getattr(kept, name)) is not None}
    told: list[str] = []
    for message in request.messages:
        if not isinstance(message, SystemMessage | DeveloperMessage):
            break
        told.append(_text_of(message.content))
    prompt = "\n\n".join(text for text in told if text) or None
    if size_of(config, prompt) > CONFIG_BYTES_MAX:
        raise InvalidRequest(f"A preset holds at most {CONFIG_BYTES_MAX // 1024} KiB")
    return config, prompt


def size_of(config: dict[str, Any], system_prompt: str | None) -> int:
    """Bytes of the whole as JSON."""
    return len(msgspec.json.encode([config, system_prompt]))


def applied(version: PresetVersion) -> Applied:
    """InvalidRequest: it was kept by another Tollway, and does not fit this one."""
    try:
        request = msgspec.convert(version.config, ChatRequest)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The preset can't be used any more ({error}); save it anew", param="preset") from None
    fields = {name: value for name in CONFIG if (value := getattr(request, name)) is not None}
    return Applied(
        id=version.preset_id,
        tools=fields.pop("tools", ()),
        fields=fields,
        system=None if version.system_prompt is None else SystemMessage(version.system_prompt),
        bytes=size_of(version.config, version.system_prompt),
    )


def with_preset(request: ChatRequest, preset: Applied) -> ChatRequest:
    """The request's own fields win, whole; tools are united; the preset's system prompt comes first."""
    model = (request.model or "").partition(PRESET)[0] or None
    changes: dict[str, Any] = {"preset": preset.id, "model": model}
    own = {name for name in CONFIG if name != "model" and getattr(request, name) is not None}
    if model is not None:
        own.add("model")
    for group in ONE_CHOICE:
        if not own.isdisjoint(group):
            own |= group
    changes |= {name: value for name, value in preset.fields.items() if name not in own}
    if preset.tools:
        changes["tools"] = united(preset.tools, request.tools or ())
    if preset.system is not None:
        messages: tuple[Message, ...] = request.messages
        if not messages and request.prompt is not None:
            messages = (UserMessage(request.prompt),)
        changes["messages"] = (preset.system, *messages)
    return structs.replace(request, **changes)


def united(preset: tuple[Tool, ...], own: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """Tools of both, the preset's first, so that prompts begin alike; of two that are the same the request's own."""
    mine = {_identity(tool): tool for tool in own}
    first = tuple(mine.get(_identity(tool), tool) for tool in preset)
    known = {_identity(tool) for tool in preset}
    return (*first, *(tool for tool in own if _identity(tool) not in known))


def _identity(tool: Tool) -> tuple[str, str]:
    """A function is known by its name, a server tool by its type, and some of these by a name besides."""
    if tool.function is not None:
        return "function", tool.function.name
    if tool.custom is not None:
        return "custom", str(tool.custom.get("name", ""))
    named = tool.type in NAMED_TOOLS and tool.parameters
    return tool.type, str(tool.parameters.get("name", "")) if named and tool.parameters else ""


def _text_of(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(part.text for part in content if isinstance(part, TextPart))
