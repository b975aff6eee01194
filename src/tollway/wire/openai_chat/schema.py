"""What we read of a provider's answer: only the fields that become events; all else is skipped unread."""

from typing import Any

from msgspec import Raw, Struct

# `Any` for what is usually null and rarely there: msgspec 0.22 refuses an object for `Raw | None`.


class ContentPiece(Struct):
    """Mistral's content may be a list of pieces: `text`, and `thinking` with pieces of its own."""

    type: str = ""
    text: str | None = None
    thinking: "str | list[ContentPiece] | None" = None


class Function(Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """JSON text, but some send the object itself."""


class ToolCallPiece(Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Any = None


class Message(Struct):
    """A whole message, or a delta: the fields are the same."""

    content: str | list[ContentPiece] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Raw] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallPiece] | None = None
    function_call: Function | None = None
    images: Any = None
    audio: Any = None
    annotations: Any = None


class Choice(Struct):
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    index: int = 0
    native_finish_reason: str | None = None
    logprobs: Any = None
    error: Any = None


class Body(Struct):
    """An answer, or one chunk of it."""

    choices: list[Choice] | None = None
    id: str | None = None
    model: str | None = None
    object: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None
