"""Google's objects as types: what we read of requests, and of answers."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from tollway.domain.caps import PriceRouting
from tollway.domain.chat import PlusMinusTwo, Tokens, ToTwo, Unit


class Blob(Struct, rename="camel"):
    data: str
    mime_type: str = "application/octet-stream"
    display_name: str | None = None


class FileData(Struct, rename="camel"):
    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Struct):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class ResponsePart(Struct, rename="camel"):
    """A file in a function's answer."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Struct):
    name: str
    response: dict[str, Any] | None = None
    id: str | None = None
    parts: list[ResponsePart] | None = None


class Part(Struct, rename="camel"):
    """One of these; `thought` and `thoughtSignature` are said of it. Code, server tools and the like stay unread."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Content(Struct):
    parts: list[Part] | None = None
    role: str | None = None


class FunctionDeclaration(Struct, rename="camel"):
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A Schema: OpenAPI's subset with Google's type names."""
    parameters_json_schema: dict[str, Any] | None = None


class Tool(Struct, rename="camel"):
    """Other tools, which Google runs, stay unread."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: dict[str, Any] | None = None


class FunctionCallingConfig(Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Struct, rename="camel"):
    function_calling_config: FunctionCallingConfig | None = None


class ThinkingConfig(Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1, le=100_000_000)] | None = None
    thinking_level: str | None = None


class GenerationConfig(Struct, rename="camel"):
    temperature: ToTwo | None = None
    top_p: Unit | None = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    max_output_tokens: Tokens | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=16)] | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    seed: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None = None
    presence_penalty: PlusMinusTwo | None = None
    frequency_penalty: PlusMinusTwo | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_modalities: list[str] | None = None
    thinking_config: ThinkingConfig | None = None
    image_config: dict[str, Any] | None = None
    speech_config: dict[str, Any] | None = None


class Body(Struct, rename="camel"):
    """A request. What is not here is kept as it came."""

    contents: Annotated[list[Content], Meta(max_length=10_000)] = []
    system_instruction: Content | str | None = None
    tools: Annotated[list[Tool], Meta(max_length=512)] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    service_tier: str | None = None
    model: str | None = None
    routing: PriceRouting | None = None
    """CPEN's caps; not Google's, and not sent there."""


class Candidate(Struct, rename="camel", forbid_unknown_fields=True):
    """One answer, or a piece of it. Parts are read one by one, since a kind of part that we do not know is kept."""

    content: Any = None
    finish_reason: str | None = None
    index: int = 0
    grounding_metadata: Any = None
    citation_metadata: Any = None
    logprobs_result: Any = None
    finish_message: Any = None
    safety_ratings: Any = None
    avg_logprobs: Any = None
    url_context_metadata: Any = None
    rest: Any = field(default=None, name="tollway:rest")
    """Unknown fields. None: not looked for."""


class Reply(Struct, rename="camel", forbid_unknown_fields=True):
    """An answer, or one chunk of it."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Any = None
    usage_metadata: Any = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: Any = None
    """Vertex's. Not written again: an answer of ours has the time of its generation's record."""
    error: Any = None
    rest: Any = field(default=None, name="tollway:rest")
    """Unknown fields. None: not looked for."""
