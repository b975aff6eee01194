"""What may be asked of Amazon Bedrock's Converse: every field that it knows, and which messages must follow which."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from tollway.simulator import signatures, text
from tollway.simulator.answer import Question, Tool
from tollway.simulator.formats.base import Asked, Refused
from tollway.simulator.formats.strictly import Closed, Wrong, decoded

THINKING_TOKENS = 24
"""How long it thinks when it is asked to, and its behaviour does not say."""
_Json = dict[str, Any]
_Id = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.:-]{1,256}$")]
_Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class _Camel(Closed, rename="camel"):
    pass


class _S3(_Camel):
    uri: str
    bucket_owner: str | None = None


class _Source(_Camel):
    """Exactly one of these."""

    bytes: str | None = None
    s3_location: _S3 | None = None
    text: str | None = None
    content: list[_Json] | None = None


class _Image(_Camel):
    format: Literal["png", "jpeg", "gif", "webp"]
    source: _Source


class _Document(_Camel):
    name: Annotated[str, Meta(pattern=r"^(?!.*\s{2})[a-zA-Z0-9\s()\[\]-]{1,200}$")]
    source: _Source
    format: Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"] | None = None
    context: str | None = None
    citations: _Json | None = None


class _Video(_Camel):
    format: Literal["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"]
    source: _Source


class _Audio(_Camel):
    format: str
    source: _Source


class _ToolUse(_Camel):
    tool_use_id: _Id
    name: _Name
    input: _Json
    type: str | None = None


class _ToolResult(_Camel):
    tool_use_id: _Id
    content: list["_ResultContent"]
    status: Literal["success", "error"] | None = None
    type: str | None = None


class _ResultContent(_Camel):
    json: Any = None
    text: str | None = None
    image: _Image | None = None
    document: _Document | None = None
    video: _Video | None = None
    search_result: _Json | None = None


class _ReasoningText(_Camel):
    text: str
    signature: str | None = None


class _Reasoning(_Camel):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None


class _CachePoint(_Camel):
    type: Literal["default"]
    ttl: Literal["5m", "1h"] | None = None


class _Block(_Camel):
    """Exactly one of these."""

    text: str | None = None
    image: _Image | None = None
    document: _Document | None = None
    video: _Video | None = None
    audio: _Audio | None = None
    tool_use: _ToolUse | None = None
    tool_result: _ToolResult | None = None
    reasoning_content: _Reasoning | None = None
    cache_point: _CachePoint | None = None
    guard_content: _Json | None = None
    citations_content: _Json | None = None
    search_result: _Json | None = None


class _Message(_Camel):
    role: Literal["user", "assistant"]
    content: list[_Block]


class _System(_Camel):
    text: Annotated[str, Meta(min_length=1)] | None = None
    cache_point: _CachePoint | None = None
    guard_content: _Json | None = None


class _Inference(_Camel):
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop_sequences: list[Annotated[str, Meta(min_length=1)]] | None = None


class _InputSchema(_Camel):
    json: _Json


class _Spec(_Camel):
    name: _Name
    input_schema: _InputSchema
    description: Annotated[str, Meta(min_length=1)] | None = None
    strict: bool | None = None


class _Tool(_Camel):
    tool_spec: _Spec | None = None
    system_tool: _Json | None = None
    cache_point: _CachePoint | None = None


class _Chosen(_Camel):
    name: _Name


class _Choice(_Camel):
    auto: _Json | None = None
    any: _Json | None = None
    tool: _Chosen | None = None


class _ToolConfig(_Camel):
    tools: Annotated[list[_Tool], Meta(min_length=1)]
    tool_choice: _Choice | None = None


class _JsonSchema(_Camel):
    schema: str
    name: str | None = None
    description: str | None = None


class _Structure(_Camel):
    json_schema: _JsonSchema


class _TextFormat(_Camel):
    type: Literal["json_schema"]
    structure: _Structure


class _OutputConfig(_Camel):
    text_format: _TextFormat | None = None


class _Request(_Camel):
    messages: tuple[_Message, ...] = ()
    system: list[_System] | None = None
    inference_config: _Inference | None = None
    tool_config: _ToolConfig | None = None
    output_config: _OutputConfig | None = None
    additional_model_request_fields: _Json | None = None
    additional_model_response_field_paths: list[str] | None = None
    guardrail_config: _Json | None = None
    prompt_variables: _Json | None = None
    request_metadata: dict[str, str] | None = None
    performance_config: _Json | None = None
    service_tier: _Json | None = None


def read(asked: Asked) -> Question:
    """The body of `converse` or `converse-stream` -> what is asked."""
    try:
        request = decoded(asked.body, _Request)
    except Wrong as wrong:
        raise _refused(wrong) from None
    for at, block in enumerate(request.system or ()):
        _one_of(block, f"system.{at}")
    characters = sum(len(block.text or "") for block in request.system or ())
    characters += sum(_turn(message, at, request) for at, message in enumerate(request.messages))
    if all(message.role != "user" for message in request.messages):
        raise Refused(400, "A conversation must have a user message.")
    _check_turns(request.messages)
    inference = request.inference_config or _Inference()
    tools, demanded = _tools(request.tool_config)
    thinking = (request.additional_model_request_fields or {}).get("thinking") or {}
    thinks = _thinks(thinking, inference)
    last = request.messages[-1]
    asked_last = [message for message in request.messages if message.role == "user"][-1]
    form = request.output_config and request.output_config.text_format
    return Question(
        model=asked.model,
        prompt_tokens=text.prompt_tokens(characters, len(request.messages) + bool(request.system)),
        last_user="".join(block.text or "" for block in asked_last.content),
        stream=asked.action == "converse-stream",
        framing="event-stream" if asked.action == "converse-stream" else "",
        max_tokens=inference.max_tokens,
        stop=tuple(inference.stop_sequences or ()),
        tools=tools,
        tool_demanded=demanded,
        after_tool=any(block.tool_result for block in last.content),
        schema=_schema(form.structure.json_schema.schema) if form else None,
        reasoning=THINKING_TOKENS if thinks else 0,
    )


def _schema(written: str) -> _Json:
    """A schema, which this format wants as a text."""
    try:
        return decoded(written.encode(), _Json)
    except Wrong:
        raise Refused(400, "The schema in outputConfig.textFormat is not valid JSON.") from None


def _turn(message: _Message, at: int, request: _Request) -> int:
    """A message's characters. Refused: a block that is empty, signed by others, or of tools that are not there."""
    if not message.content:
        raise Refused(400, f"The content field in the Message object at messages.{at} is empty.")
    characters = 0
    for index, block in enumerate(message.content):
        place = f"messages.{at}.content.{index}"
        name = _one_of(block, place)
        if name in ("tool_use", "tool_result") and request.tool_config is None:
            raise Refused(400, "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        if block.text is not None:
            if not block.text:
                words = f"The text field in the ContentBlock object at {place} is blank. Add text to the text field, "
                raise Refused(400, words + "and try again.")
            characters += len(block.text)
        elif block.tool_use is not None:
            characters += len(str(block.tool_use.input))
        elif block.tool_result is not None:
            for each in block.tool_result.content:
                _one_of(each, f"{place}.toolResult.content")
                characters += len(each.text if each.text is not None else str(each.json or ""))
        elif block.reasoning_content is not None:
            thought = block.reasoning_content.reasoning_text
            if thought and thought.signature and not signatures.is_signed("bedrock", thought.signature, thought.text):
                words = "The model returned the following errors: "
                raise Refused(400, f"{words}{place}: Invalid `signature` in `thinking` block")
        elif name != "cache_point":
            characters += text.PART_CHARACTERS
    return characters


def _one_of(union: Closed, place: str) -> str:
    """The one member of a union that is set."""
    found = [name for name in union.__struct_fields__ if getattr(union, name) is not None]
    if len(found) != 1:
        raise Refused(400, f"Exactly one member of the union at {place} must be set, found {len(found)}.")
    return found[0]


def _check_turns(messages: tuple[_Message, ...]) -> None:
    """User and assistant in turn, and each turn's calls answered in the next."""
    waiting: set[str] = set()
    for at, message in enumerate(messages):
        if at and message.role == messages[at - 1].role:
            raise Refused(400, "A conversation must alternate between user and assistant roles.")
        # An assistant's message may hold both, of a tool that runs at the provider.
        results = [block.tool_result for block in message.content if block.tool_result and message.role == "user"]
        answered = {result.tool_use_id for result in results}
        if missing := sorted(waiting - answered):
            words = f"Expected toolResult blocks at messages.{at}.content for the following Ids: {', '.join(missing)}"
            raise Refused(400, words)
        if over := sorted(answered - waiting):
            words = f"The number of toolResult blocks at messages.{at}.content exceeds the number of toolUse blocks of "
            raise Refused(400, f"{words}previous turn: {', '.join(over)}.")
        calls = [block.tool_use.tool_use_id for block in message.content if block.tool_use]
        if len(set(calls)) < len(calls):
            raise Refused(400, f"The toolUse blocks at messages.{at}.content contain duplicate Ids.")
        waiting = set(calls) - {block.tool_result.tool_use_id for block in message.content if block.tool_result}


def _thinks(thinking: _Json, inference: _Inference) -> bool:
    """Whether Claude's own field asks for thoughts. Refused: with what does not go together with them."""
    if thinking.get("type") not in ("enabled", "adaptive"):
        return False
    budget = thinking.get("budget_tokens")
    prefix = "The model returned the following errors: "
    if thinking["type"] == "enabled" and (not isinstance(budget, int) or budget < 1024):
        raise Refused(400, f"{prefix}thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if isinstance(budget, int) and inference.max_tokens is not None and budget >= inference.max_tokens:
        raise Refused(400, f"{prefix}`max_tokens` must be greater than `thinking.budget_tokens`.")
    if inference.temperature not in (None, 1):
        raise Refused(400, f"{prefix}`temperature` may only be set to 1 when thinking is enabled.")
    return True


def _tools(config: _ToolConfig | None) -> tuple[tuple[Tool, ...], bool]:
    """The tools that may be called, the chosen one alone, and whether one must be."""
    if config is None:
        return (), False
    for at, each in enumerate(config.tools):
        _one_of(each, f"toolConfig.tools.{at}")
    specs = [each.tool_spec for each in config.tools if each.tool_spec]
    for spec in specs:
        if spec.input_schema.json.get("type") != "object":
            words = f"The value at toolConfig.tools.{spec.name}.toolSpec.inputSchema.json.type must be one of the "
            raise Refused(400, words + "following: object.")
    offered = tuple(Tool(spec.name, spec.input_schema.json) for spec in specs)
    choice = config.tool_choice
    if choice is None:
        return offered, False
    if _one_of(choice, "toolConfig.toolChoice") == "tool" and choice.tool is not None:
        name = choice.tool.name
        chosen = tuple(tool for tool in offered if tool.name == name)
        if not chosen:
            raise Refused(400, f"Tool choice names {name}, which is not among the tools of toolConfig.")
        return chosen, True
    return offered, choice.any is not None


def _refused(wrong: Wrong) -> Refused:
    """In AWS's words: what cannot be read is a SerializationException, the rest a ValidationException."""
    match wrong.what:
        case "json":
            return Refused(400, "The request body is not valid JSON.", kind="SerializationException")
        case "unknown":
            key = wrong.path.rpartition(".")[2]
            return Refused(400, f"Malformed input request: extraneous key [{key}] is not permitted at {wrong.path}.")
        case "type":
            return Refused(400, f"{wrong.words} at {wrong.path}.", kind="SerializationException")
        case _:
            words = (
                f"1 validation error detected: Value at '{wrong.dotted}' failed to satisfy constraint: {wrong.words}"
            )
            return Refused(400, words)
