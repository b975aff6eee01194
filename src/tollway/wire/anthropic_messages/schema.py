"""What we read of a provider's answers and streams: only the fields that become events; all else is skipped unread."""

from typing import Any

from msgspec import Struct

# `Any` for what may be null or of another shape somewhere: what is odd must not cost the rest of the answer.


class Message(Struct):
    """An answer; in a stream its envelope, with `content` empty."""

    type: str = ""
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
