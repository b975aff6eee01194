"""What we read of a provider's answer: the fields that become events. Others make the decoder go the long way."""

from typing import Any

from msgspec import Struct, field

# `Any` for what is usually null and rarely there; a `Raw` would not be checked to be UTF-8.
# Unknown fields are refused, so that the usual chunk is decoded fast and none is overlooked: see `unknown.py`.


class ContentPiece(Struct):
    """Mistral's content may be a list of pieces: `text`, and `thinking` with pieces of its own."""

    type: str = ""
    text: str | None = None
    thinking: "str | list[ContentPiece] | None" = None


class Function(Struct, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """JSON text, but some send the object itself."""


class Custom(Struct, forbid_unknown_fields=True):
    """A call of a tool with free text as input."""

    name: str | None = None
    input: str | None = None


class ToolCallPiece(Struct, forbid_unknown_fields=True):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    type: str | None = None
    custom: Custom | None = None
    extra_content: Any = None


class Message(Struct, forbid_unknown_fields=True):
    """A whole message, or a delta: the fields are the same."""

    content: str | list[Any] | None = None
    role: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallPiece] | None = None
    function_call: Function | None = None
    images: Any = None
    audio: Any = None
    annotations: Any = None


class Choice(Struct, forbid_unknown_fields=True):
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    index: int = 0
    native_finish_reason: str | None = None
    logprobs: Any = None
    error: Any = None
    rest: Any = field(default=None, name="tollway:rest")
    """Unknown fields, as a chunk has them; those of its delta or message under `message`. None: not looked for."""


class Body(Struct, forbid_unknown_fields=True):
    """An answer, or one chunk of it."""

    choices: list[Choice] | None = None
    id: str | None = None
    model: str | None = None
    object: str | None = None
    created: Any = None
    provider: Any = None
    """OpenRouter's: who answered. We say who answered us."""
    obfuscation: Any = None
    """Random letters, against who counts the bytes of an encrypted stream."""
    system_fingerprint: str | None = None
    service_tier: str | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None
    rest: Any = field(default=None, name="tollway:rest")
    """Unknown fields of the whole. None: not looked for."""
