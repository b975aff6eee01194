"""What a caller asks of a model: messages, parts, tools and parameters, a union of what all the formats can say.

The JSON layout is OpenRouter's superset of OpenAI's chat format, so that `openai_chat` decodes straight into it;
other formats build the same values. Bounds are those of OPENROUTER.md 3.1 and FAULTS.md C-7.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Operation

Tokens = Annotated[int, Meta(ge=1, le=100_000_000)]
Text = str

Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]


Native = dict[str, Any]
"""Fields that a request's own format has beyond ours, as they came. They are written again only where the request
goes out in the format that it came in; whatever changes the value that they belong to takes them off."""


class Part(Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """A piece of a message's content. Unknown fields are refused here, so that a decoder sees that there are some."""

    native: Native | None = field(default=None, name="tollway:native")


def _ephemeral() -> Literal["ephemeral"]:
    return "ephemeral"


def _function() -> Literal["function"]:
    return "function"


class CacheControl(Struct, frozen=True, omit_defaults=True):
    type: Literal["ephemeral"] = field(default_factory=_ephemeral)
    """By a factory, so that `omit_defaults` still writes it: providers require it."""
    ttl: Literal["5m", "1h"] | None = None


class TextPart(Part, frozen=True, omit_defaults=True, tag="text"):
    text: str
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: dict[str, Any] | None = None


class ImageUrl(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class ImagePart(Part, frozen=True, omit_defaults=True, tag="image_url"):
    image_url: ImageUrl
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: dict[str, Any] | None = None


class InputAudio(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    data: str
    format: str


class AudioPart(Part, frozen=True, omit_defaults=True, tag="input_audio"):
    input_audio: InputAudio
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: dict[str, Any] | None = None


class VideoUrl(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    processing: Literal["agentic", "static"] | None = None


class VideoPart(Part, frozen=True, omit_defaults=True, tag="video_url"):
    video_url: VideoUrl
    cache_control: CacheControl | None = None


class LegacyVideoPart(Part, frozen=True, omit_defaults=True, tag="input_video"):
    """The old name of `video_url`."""

    video_url: VideoUrl


MediaKind = Literal["image", "file"]
"""What a request may name by URL, and a provider may have to be sent."""


class FileData(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(Part, frozen=True, omit_defaults=True, tag="file"):
    file: FileData
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: dict[str, Any] | None = None


class DocumentPart(Part, frozen=True, omit_defaults=True, tag="document_url"):
    """Mistral's way to send a document."""

    document_url: str
    document_name: str | None = None


class RefusalPart(Part, frozen=True, omit_defaults=True, tag="refusal"):
    """OpenAI sends an assistant's refusal back as a part."""

    refusal: str
    prompt_cache_breakpoint: dict[str, Any] | None = None


class NativePart(Part, frozen=True, omit_defaults=True, tag="tollway:native"):
    """A piece that only its own format can say, such as a server tool's call or result, where it stood."""

    native: Native = field(name="tollway:native")
    text: str = ""
    """What other formats say in its place; empty: nothing."""


AnyPart = (
    TextPart | ImagePart | AudioPart | VideoPart | LegacyVideoPart | FilePart | DocumentPart | RefusalPart | NativePart
)
Content = str | tuple[AnyPart, ...]


class FunctionCall(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: str = ""


class CustomCall(Struct, frozen=True, forbid_unknown_fields=True):
    """A call of a tool with free text as input."""

    name: str
    input: str = ""


_NO_FUNCTION = FunctionCall("")


class MessageToolCall(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A call that the assistant made, echoed back by the caller. Where it is `custom`, `function` says the same."""

    id: str
    function: FunctionCall = _NO_FUNCTION
    type: Literal["function", "custom"] = field(default_factory=_function)
    extra_content: dict[str, Any] | None = None
    """Google's thought signature travels here; its Gemini 3 models refuse a call that comes back without it."""
    native: Native | None = field(default=None, name="tollway:native")
    custom: CustomCall | None = None

    def __post_init__(self) -> None:
        if self.custom is not None:
            text = msgspec.json.encode({"input": self.custom.input}).decode()
            msgspec.structs.force_setattr(self, "function", FunctionCall(self.custom.name, text))
        elif self.type == "custom" or self.function is _NO_FUNCTION:
            raise ValueError(f"Object missing required field `{self.type}`")


class SystemMessage(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="role", tag="system"
):
    content: Content
    name: str | None = None
    cache_control: CacheControl | None = None
    native: Native | None = field(default=None, name="tollway:native")


class DeveloperMessage(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="role", tag="developer"
):
    content: Content
    name: str | None = None
    native: Native | None = field(default=None, name="tollway:native")


class UserMessage(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="role", tag="user"):
    content: Content
    name: str | None = None
    cache_control: CacheControl | None = None
    native: Native | None = field(default=None, name="tollway:native")


class AssistantMessage(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="role", tag="assistant"
):
    content: Content | None = None
    name: str | None = None
    tool_calls: tuple[MessageToolCall, ...] | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: tuple[Raw, ...] | None = None
    images: Any = None
    audio: Any = None
    annotations: Any = None
    model: str | None = None
    prefix: bool | None = None
    """Mistral's and DeepSeek's mark of a last message that the answer goes on with."""
    partial: bool | None = None
    """The same mark as Moonshot and Alibaba have it."""
    cache_control: CacheControl | None = None
    native: Native | None = field(default=None, name="tollway:native")


class ToolMessage(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="role", tag="tool"):
    content: Content
    tool_call_id: str
    name: str | None = None
    cache_control: CacheControl | None = None
    native: Native | None = field(default=None, name="tollway:native")


class FunctionMessage(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="role", tag="function"
):
    """OpenAI's first form of a tool's answer."""

    content: str | None
    name: str
    native: Native | None = field(default=None, name="tollway:native")


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class ToolFunction(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A tool. Only `function` is executed by the caller; other types name server tools, which a later issue brings."""

    type: str = field(default_factory=_function)
    """Mistral's own client leaves it out."""
    function: ToolFunction | None = None
    parameters: dict[str, Any] | None = None
    """A server tool's settings (`openrouter:web_search` ...)."""
    custom: dict[str, Any] | None = None
    """OpenAI's tools with free text as input."""
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    native: Native | None = field(default=None, name="tollway:native")
    """All of a tool that is neither a `function` nor `custom`, where it came in another format than OpenAI's."""


class ToolChoiceFunction(Struct, frozen=True):
    name: str


class ToolChoice(Struct, frozen=True, omit_defaults=True):
    type: str
    function: ToolChoiceFunction | None = None
    allowed_tools: dict[str, Any] | None = None
    custom: dict[str, Any] | None = None


class JsonSchema(Struct, frozen=True, omit_defaults=True):
    name: Annotated[str, Meta(max_length=64)]
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema", "grammar", "python"]
    json_schema: JsonSchema | None = None
    grammar: str | None = None


class Reasoning(Struct, frozen=True, omit_defaults=True):
    effort: Effort | None = None
    max_tokens: Tokens | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "all_turns", "current_turn"] | None = None
    mode: Literal["standard", "pro"] | None = None


class MaxPrice(Struct, frozen=True, omit_defaults=True):
    """USD per million tokens (per image, per request), as a string or a number."""

    prompt: str | int | float | None = None
    completion: str | int | float | None = None
    image: str | int | float | None = None
    audio: str | int | float | None = None
    request: str | int | float | None = None


SortName = Literal["price", "throughput", "latency", "exacto"]


class SortBy(Struct, frozen=True, omit_defaults=True):
    by: SortName | None = None
    """None: no sort is wished; one from elsewhere has this partition."""
    partition: Literal["model", "none"] | None = None
    """None: model."""


def sort_open(sort: SortName | SortBy | None) -> bool:
    """Whether `provider.sort` leaves open by what."""
    return sort is None or (type(sort) is SortBy and sort.by is None)


def sort_filled(sort: SortName | SortBy | None, found: SortName | SortBy) -> SortName | SortBy:
    """An open sort with what is found for it elsewhere; its own partition stays."""
    if not isinstance(sort, SortBy) or sort.partition is None:
        return found
    return SortBy(found.by if isinstance(found, SortBy) else found, sort.partition)


class Percentiles(Struct, frozen=True, omit_defaults=True):
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None


Slugs = Annotated[tuple[Annotated[str, Meta(max_length=256)], ...], Meta(max_length=512)]


class Preferences(Struct, frozen=True, omit_defaults=True):
    """The request's `provider` object (OPENROUTER.md, section 4)."""

    order: Slugs | None = None
    only: Slugs | None = None
    ignore: Slugs | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    enforce_distillable_text: bool | None = None
    quantizations: Slugs | None = None
    sort: SortName | SortBy | None = None
    max_price: MaxPrice | None = None
    preferred_min_throughput: float | Percentiles | None = None
    preferred_max_latency: float | Percentiles | None = None
    hedge: bool | None = None
    """Ours: a second endpoint may be asked as well when the first is slow to begin; false: never."""
    options: dict[str, dict[str, Any]] | None = None


class StreamOptions(Struct, frozen=True, omit_defaults=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Prediction(Struct, frozen=True):
    type: Literal["content"]
    content: Content


class DebugOptions(Struct, frozen=True, omit_defaults=True):
    echo_upstream_body: bool | None = None


Unit = Annotated[float, Meta(ge=0, le=1)]
ToTwo = Annotated[float, Meta(ge=0, le=2)]
PlusMinusTwo = Annotated[float, Meta(ge=-2, le=2)]
Slug = Annotated[str, Meta(min_length=1, max_length=256)]


class ChatRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A chat request, decoded and within bounds. `extra` holds fields that we do not know, written afresh."""

    operation: ClassVar[Operation] = Operation.CHAT

    messages: Annotated[tuple[Message, ...], Meta(max_length=10_000)] = ()
    model: Slug | None = None
    models: Annotated[tuple[Slug, ...], Meta(max_length=32)] | None = None
    prompt: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: ToTwo | None = None
    top_p: Unit | None = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    min_p: Unit | None = None
    top_a: Unit | None = None
    frequency_penalty: PlusMinusTwo | None = None
    presence_penalty: PlusMinusTwo | None = None
    repetition_penalty: ToTwo | None = None
    seed: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    stop: str | Annotated[tuple[str, ...], Meta(max_length=16)] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: bool | None = None
    tools: Annotated[tuple[Tool, ...], Meta(max_length=512)] | None = None
    tool_choice: Literal["none", "auto", "required", "any"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool | None = None
    verbosity: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    prediction: Prediction | None = None
    modalities: tuple[Literal["text", "image", "audio"], ...] | None = None
    audio: dict[str, Any] | None = None
    image_config: dict[str, Any] | None = None
    plugins: Annotated[tuple[dict[str, Any], ...], Meta(max_length=64)] | None = None
    web_search_options: dict[str, Any] | None = None
    x_search_filter: dict[str, Any] | None = None
    provider: Preferences | None = None
    route: Literal["fallback", "sort"] | None = None
    """OpenRouter's old word for what `models` does anyway."""
    transforms: tuple[str, ...] | None = None
    preset: Slug | None = None
    """As it came, its slug; once it was applied, its id (`routing/presets.py`)."""
    cache_control: CacheControl | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=1024)] | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=512)] | None = None
    service_tier: Literal["auto", "default", "flex", "priority", "fast", "scale", "ultrafast", "on_demand"] | None = (
        None
    )
    session_id: Annotated[str, Meta(max_length=256)] | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    metadata: (
        Annotated[dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)]
        | None
    ) = None
    store: bool | None = None
    trace: dict[str, Any] | None = None
    max_tool_calls: Annotated[int, Meta(ge=1, le=1000)] | None = None
    stop_server_tools_when: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1, max_length=64)] | None = None
    deferred_tools: dict[str, Any] | None = None
    debug: DebugOptions | None = None
    usage: dict[str, Any] | None = None
    routing: PriceRouting | None = None
    """CPEN's price caps (STOREFRONTS.md)."""
    functions: tuple[ToolFunction, ...] | None = None
    function_call: Literal["none", "auto"] | ToolChoiceFunction | None = None
    suffix: str | None = None
    """Only `POST /completions` has it."""
    echo: bool | None = None
    best_of: Annotated[int, Meta(ge=1, le=8)] | None = None
    extra: dict[str, Raw] = field(default_factory=dict, name="tollway:extra")
    """Filled by the decoder, never by a field of that name."""

    @property
    def output_limit(self) -> int | None:
        """The caller's own bound on output tokens: `max_completion_tokens`, or its older name."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens
