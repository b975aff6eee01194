"""What we read of a provider's answers and streams; what else a message or its end has goes along as it came."""

from typing import Any

from msgspec import Struct, ValidationError, convert, field

from tollway.wire.native_fields import rest

# `Any` for what may be null or of another shape somewhere: what is odd must not cost the rest of the answer.


class Message(Struct):
    """An answer; in a stream its envelope, with `content` empty."""

    type: str = ""
    role: Any = None
    id: str | None = None
    model: str | None = None
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None
    stop_sequence: Any = None
    stop_details: Any = None
    container: Any = None
    context_management: Any = None
    usage: Any = None
    error: Any = None
    rest: Any = field(default=None, name="tollway:rest")
    """Unknown fields."""

    @classmethod
    def of(cls, value: Any) -> "Message":
        """A decoded body. ValidationError: it is no message."""
        if not isinstance(value, dict):
            raise ValidationError("not an object")
        return convert({**value, "tollway:rest": rest(value, _MESSAGE)}, cls)


_MESSAGE = frozenset(Message.__struct_fields__)


class Delta(Struct):
    """What a `content_block_delta` or `message_delta` adds."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    content: Any = None
    stop_reason: str | None = None
    stop_sequence: Any = None
    stop_details: Any = None
    container: Any = None


class StreamEvent(Struct):
    """The data of one event."""

    type: str = ""
    index: int = 0
    message: Any = None
    """A Message, but vLLM and others put an error's text there."""
    content_block: dict[str, Any] | None = None
    delta: Delta | None = None
    usage: Any = None
    context_management: Any = None
    error: Any = None
