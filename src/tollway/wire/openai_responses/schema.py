"""What we read of a caller's request: the fields that this format has, and the names of those that are also chat's."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from tollway.domain.chat import Tokens


class Body(Struct):
    """Fields of `POST /responses` that chat has not, or not so."""

    input: str | Annotated[list[Any], Meta(max_length=10_000)] | None = None
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    tools: Annotated[list[Any], Meta(max_length=512)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    include: Annotated[list[str], Meta(max_length=64)] | None = None
    prompt: dict[str, Any] | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None


SHARED = frozenset(
    {
        "model",
        "models",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "top_a",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "top_logprobs",
        "parallel_tool_calls",
        "modalities",
        "image_config",
        "plugins",
        "provider",
        "route",
        "routing",
        "transforms",
        "preset",
        "cache_control",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "session_id",
        "user",
        "metadata",
        "trace",
        "max_tool_calls",
        "stop_server_tools_when",
        "deferred_tools",
        "debug",
        "usage",
    }
)
"""Fields that mean the same in a ChatRequest, whose types and bounds hold."""
