"""What we read of a provider's answers and streams: only the fields that become events; all else is skipped unread."""

from typing import Any

from msgspec import Struct

# `Any` for what may be null or of another shape somewhere: what is odd must not cost the rest of the answer.


class Reasoning(Struct, rename="camel"):
    """What a delta adds to a thought."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ToolInput(Struct):
    """What a delta adds to the arguments of a call."""

    input: Any = None


class Delta(Struct, rename="camel"):
    """What a `contentBlockDelta` adds to its block."""

    text: str | None = None
    tool_use: ToolInput | None = None
    reasoning_content: Reasoning | None = None
    citation: Any = None
    tool_result: Any = None
    image: Any = None


class StreamEvent(Struct, rename="camel"):
    """The payload of one event; which fields it has, the message's header says."""

    content_block_index: int = 0
    start: dict[str, Any] | None = None
    delta: Delta | None = None
    stop_reason: str | None = None
    additional_model_response_fields: Any = None
    usage: Any = None
    service_tier: Any = None


class Output(Struct):
    """Where a whole answer stands."""

    message: Any = None


class Reply(Struct, rename="camel"):
    """A whole answer."""

    output: Output | None = None
    stop_reason: str | None = None
    usage: Any = None
    service_tier: Any = None
    additional_model_response_fields: Any = None
