"""What comes out of a model, piece by piece: one union that every wire format can write and read."""

from msgspec import Raw, Struct

from tollway.domain.generation import Usage


class Started(Struct, frozen=True, tag=True):
    """The provider accepted the request. No content yet: nothing is committed by it."""

    upstream_id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


class TextDelta(Struct, frozen=True, tag=True):
    """A piece of the answer's text."""

    text: str
    choice: int = 0
    logprobs: Raw | None = None
    """OpenAI's logprobs object for this piece, as it came."""


class ReasoningDelta(Struct, frozen=True, tag=True):
    """A piece of the model's reasoning: readable `text`, and OpenRouter's `reasoning_details` items as they came."""

    text: str | None = None
    choice: int = 0
    details: tuple[Raw, ...] = ()


class RefusalDelta(Struct, frozen=True, tag=True):
    """A piece of a refusal."""

    text: str
    choice: int = 0


class ToolCallDelta(Struct, frozen=True, tag=True):
    """A piece of a tool call. `id` and `name` come with its first piece, `arguments` (JSON text) in pieces."""

    index: int
    choice: int = 0
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    extra_content: Raw | None = None
    """What the provider hung on the call (Google: its thought signature), as it came."""
    custom: bool = False
    """A call of a tool with free text as input (OpenAI's `custom`): `arguments` is that text."""


class ExtraDelta(Struct, frozen=True, tag=True):
    """Parts of an answer that we carry without reading: `images`, `audio`, `annotations`, as they came."""

    choice: int = 0
    images: Raw | None = None
    audio: Raw | None = None
    annotations: Raw | None = None


class NativeDelta(Struct, frozen=True, tag=True):
    """A piece that only its own wire format can say, such as a server tool's call or result; others skip it."""

    format: str
    """The `WireFormat` that it came in, and that alone may write it."""
    value: Raw | None = None
    """As it came. None: nothing but a border, a new block of the answer begins here."""
    choice: int = 0
    passing: bool = False
    """It tells how a piece gets on that comes later: a stream has it, a whole answer does not."""


class NativeFields(Struct, frozen=True, tag=True):
    """Fields of the whole answer that only its own wire format has, such as how long it waited. No content."""

    format: str
    """The `WireFormat` that they came in, and that alone may write them."""
    fields: Raw
    """An object, as it came. What comes later adds to it; what we say ourselves stands."""


class UpstreamBody(Struct, frozen=True, tag=True):
    """What was sent to a provider, for a caller who wants to see it (`debug.echo_upstream_body`). No content."""

    body: Raw


class Finished(Struct, frozen=True, tag=True):
    """A choice ended. `reason` is normalised: stop, length, tool_calls, content_filter, error; `native` as it came."""

    reason: str
    native: str | None = None
    choice: int = 0
    details: Raw | None = None
    """What else the provider said about the end (Anthropic: `stop_sequence`, `container`), as it came: an object with
    one field, the name of the `WireFormat` that it came in."""


class UsageReported(Struct, frozen=True, tag=True):
    """The provider's count of tokens; the last one wins (FAULTS.md U-19)."""

    usage: Usage


class Failed(Struct, frozen=True, tag=True):
    """The provider sent an error inside an answer of status 200."""

    status: int
    message: str
    code: str | None = None
    retry_after_s: float | None = None
    """When it may be asked again, from 0 to 3600, if it said so."""


Event = (
    Started
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | ExtraDelta
    | NativeDelta
    | NativeFields
    | UpstreamBody
    | Finished
    | UsageReported
    | Failed
)
CONTENT = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta, ExtraDelta, NativeDelta)
"""Events that commit an answer to its provider: after one of these has gone out, nothing falls back."""


class ToolCall(Struct, frozen=True):
    """A whole tool call."""

    id: str
    name: str
    arguments: str
    extra_content: Raw | None = None
    custom: bool = False


class NativePiece(Struct, frozen=True):
    """A NativeDelta in a whole answer, and where it stood: how much of the rest came before it."""

    format: str
    value: Raw | None
    text_at: int
    """Characters of text."""
    details_at: int
    """Items of `reasoning_details`."""
    calls_at: int
    """Tool calls."""


class Choice(Struct, frozen=True):
    """One whole answer among `n`."""

    index: int = 0
    text: str | None = None
    reasoning: str | None = None
    reasoning_details: tuple[Raw, ...] = ()
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: Raw | None = None
    images: Raw | None = None
    audio: Raw | None = None
    annotations: Raw | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    finish_details: Raw | None = None
    natives: tuple[NativePiece, ...] = ()


class Answer(Struct, frozen=True):
    """A whole answer: the fold of its events, and what a body that is not streamed decodes to."""

    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    upstream_id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    native: NativeFields | None = None
