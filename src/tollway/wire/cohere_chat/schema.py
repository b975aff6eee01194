"""What we read of Cohere's answers and streams: only the fields that become events; all else is skipped unread."""

from typing import Any

from msgspec import Struct

# `Any` for what may be null or of another shape somewhere: what is odd must not cost the rest of the answer.


class Content(Struct):
    """A content block; in a stream, what one begins with or grows by."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class Message(Struct):
    """An answer's message; in a stream, what it grows by."""

    content: Content | list[Content] | str | None = None
    tool_plan: str | None = None
    tool_calls: Any = None
    """A list; in a stream a single object."""
    citations: Any = None


class Delta(Struct):
    message: Message | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None


class StreamEvent(Struct):
    """The data of one event."""

    type: str = ""
    index: int | None = None
    id: str | None = None
    delta: Delta | None = None
    logprobs: Any = None
    message: Any = None
    """An error's text."""


class Body(Struct):
    """A whole answer, or an error, whose `message` is a text."""

    id: str | None = None
    finish_reason: str | None = None
    message: Message | str | None = None
    usage: Any = None
    logprobs: Any = None
