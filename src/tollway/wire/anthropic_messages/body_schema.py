"""What a caller may send, field by field; content blocks are read one by one in `body_blocks`."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tollway.domain.caps import PriceRouting
from tollway.domain.chat import CacheControl, Effort, Preferences, Slug, Tokens, Unit

Block = dict[str, Any]
Turns = Annotated[list["Turn"], Meta(max_length=10_000)]


class Turn(Struct):
    """A message. `system` stands between turns, for models that take instructions there."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Metadata(Struct):
    user_id: Annotated[str, Meta(max_length=512)] | None = None


class Thinking(Struct):
    type: str
    budget_tokens: Tokens | None = None
    display: str | None = None


class Format(Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Struct):
    effort: Effort | None = None
    format: Format | None = None


class ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Tool(Struct):
    """What we read of a tool; the rest stays with it as `native`."""

    name: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None


class Fallback(Struct, forbid_unknown_fields=True):
    model: Slug


class Body(Struct):
    """The body of `POST /messages` with OpenRouter's additions (OPENROUTER.md 6.3)."""

    messages: Turns
    model: Slug | None = None
    max_tokens: Tokens | None = None
    system: str | list[Block] | None = None
    temperature: Unit | None = None
    top_p: Unit | None = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    stop_sequences: Annotated[tuple[str, ...], Meta(max_length=64)] | None = None
    stream: bool | None = None
    tools: Annotated[list[Block], Meta(max_length=512)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    cache_control: CacheControl | None = None
    fallbacks: Annotated[tuple[Fallback, ...], Meta(max_length=3)] | None = None
    models: Annotated[tuple[Slug, ...], Meta(max_length=32)] | None = None
    provider: Preferences | None = None
    plugins: Annotated[tuple[dict[str, Any], ...], Meta(max_length=64)] | None = None
    preset: Slug | None = None
    session_id: Annotated[str, Meta(max_length=256)] | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    trace: dict[str, Any] | None = None
    routing: PriceRouting | None = None
    stop_server_tools_when: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1, max_length=64)] | None = None
    deferred_tools: dict[str, Any] | None = None


OWN = frozenset({"thinking", "output_config", "output_format"})
"""Objects that go along as they came, beside what we read of them: a provider of this format gets them whole."""
