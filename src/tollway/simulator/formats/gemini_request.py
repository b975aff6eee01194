"""What may be asked of Google's generateContent: every field that it knows, and which parts must follow which."""

import base64
import binascii
from collections.abc import Mapping
from itertools import groupby
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tollway.simulator import signatures, text
from tollway.simulator.answer import Question, Tool
from tollway.simulator.formats.base import Asked, Refused
from tollway.simulator.formats.strictly import Closed, Wrong, converted, decoded

THINKING_TOKENS = 24
"""How long it thinks when it is asked to, and its behaviour does not say."""
_UNCHECKED = frozenset({"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"})
"""What stands for the signature of a call that another model made (documentation, "Thought signatures")."""


_TYPES = "(?i)^(STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT|NULL|TYPE_UNSPECIFIED)$"


_AS_IT_IS = frozenset(
    (
        *("args", "response", "properties", "labels", "enum", "default", "example"),
        *("parametersJsonSchema", "responseJsonSchema", "_responseJsonSchema"),
    )
)
"""Fields whose value is the caller's own: names in it are no names of Google's."""


class _Camel(Closed, rename="camel"):
    """Google's own spelling; snake_case has become it before."""


class _Blob(_Camel):
    mime_type: str
    data: str
    display_name: str | None = None


class _FileData(_Camel):
    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class _Call(_Camel):
    name: str
    id: str | None = None
    args: dict[str, Any] | None = None
    partial_args: list[dict[str, Any]] | None = None
    will_continue: bool | None = None


class _Response(_Camel):
    name: str
    response: dict[str, Any]
    id: str | None = None
    parts: list[dict[str, Any]] | None = None
    will_continue: bool | None = None
    scheduling: str | None = None


class _Part(_Camel):
    text: str | None = None
    inline_data: _Blob | None = None
    file_data: _FileData | None = None
    function_call: _Call | None = None
    function_response: _Response | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    video_metadata: dict[str, Any] | None = None
    media_resolution: dict[str, Any] | None = None
    part_metadata: dict[str, Any] | None = None


class _Content(_Camel):
    parts: tuple[_Part, ...] = ()
    role: str | None = None


class _Schema(_Camel):
    """The part of OpenAPI's schema that `parameters` and `responseSchema` take."""

    type: Annotated[str, Meta(pattern=_TYPES)] | None = None
    format: str | None = None
    title: str | None = None
    description: str | None = None
    nullable: bool | None = None
    enum: list[str] | None = None
    items: "_Schema | None" = None
    properties: "dict[str, _Schema] | None" = None
    required: list[str] | None = None
    any_of: "list[_Schema] | None" = None
    property_ordering: list[str] | None = None
    max_items: int | str | None = None
    min_items: int | str | None = None
    max_properties: int | str | None = None
    min_properties: int | str | None = None
    max_length: int | str | None = None
    min_length: int | str | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    example: Any = None
    default: Any = None


class _Declaration(_Camel):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")]
    description: str | None = None
    parameters: _Schema | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: _Schema | None = None
    response_json_schema: dict[str, Any] | None = None
    behavior: str | None = None


class _Tool(_Camel):
    function_declarations: list[_Declaration] | None = None
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None
    google_maps: dict[str, Any] | None = None
    enterprise_web_search: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    computer_use: dict[str, Any] | None = None
    file_search: dict[str, Any] | None = None
    retrieval: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] | None = None


class _Calling(_Camel):
    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] | None = None
    allowed_function_names: list[str] | None = None
    stream_function_call_arguments: bool | None = None


class _ToolConfig(_Camel):
    function_calling_config: _Calling | None = None
    retrieval_config: dict[str, Any] | None = None
    include_server_side_tool_invocations: bool | None = None


class _Thinking(_Camel):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1, le=32_768)] | None = None
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high"] | None = None


class _Generation(_Camel):
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: float | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None
    response_mime_type: str | None = None
    response_schema: _Schema | None = None
    response_json_schema: Any = None
    response_json_schema_old: Any = msgspec.field(default=None, name="_responseJsonSchema")
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_modalities: list[str] | None = None
    thinking_config: _Thinking | None = None
    speech_config: dict[str, Any] | None = None
    image_config: dict[str, Any] | None = None
    media_resolution: str | None = None
    audio_timestamp: bool | None = None
    enable_affective_dialog: bool | None = None
    enable_enhanced_civic_answers: bool | None = None
    routing_config: dict[str, Any] | None = None
    model_selection_config: dict[str, Any] | None = None


class _Request(_Camel):
    contents: tuple[_Content, ...] = ()
    system_instruction: _Content | None = None
    tools: list[_Tool] | None = None
    tool_config: _ToolConfig | None = None
    safety_settings: list[dict[str, Any]] | None = None
    generation_config: _Generation | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None
    model_armor_config: dict[str, Any] | None = None
    model: str | None = None


class _Counting(_Camel):
    contents: tuple[_Content, ...] = ()
    generate_content_request: _Request | None = None


def read(asked: Asked) -> Question:
    """The body of `:generateContent`, `:streamGenerateContent` or `:countTokens` -> what is asked."""
    try:
        body = _camel(decoded(asked.body, dict[str, Any]))
        if asked.action == "countTokens":
            counting = converted(body, _Counting, "")
            request = counting.generate_content_request or _Request(contents=counting.contents)
        else:
            request = converted(body, _Request, "")
    except Wrong as wrong:
        raise _refused(wrong) from None
    if not request.contents:
        raise Refused(400, "* GenerateContentRequest.contents: contents is not specified\n")
    characters, last_user = _check(request, signs_always(asked.model))
    config = request.generation_config or _Generation()
    tools, demanded = _tools(request)
    thinking = config.thinking_config or _Thinking()
    thinks = bool(thinking.thinking_level or thinking.thinking_budget or thinking.include_thoughts)
    streams = asked.action == "streamGenerateContent"
    return Question(
        model=asked.model,
        prompt_tokens=text.prompt_tokens(characters, len(request.contents) + bool(request.system_instruction)),
        last_user=last_user,
        stream=streams,
        framing="array" if streams and "alt=sse" not in asked.query.split("&") else "",
        only_count=asked.action == "countTokens",
        n=config.candidate_count or 1,
        max_tokens=config.max_output_tokens,
        stop=tuple(config.stop_sequences or ()),
        tools=tools,
        tool_demanded=demanded,
        after_tool=any(part.function_response for part in request.contents[-1].parts),
        schema=_answer_schema(config),
        json_object=config.response_mime_type == "application/json",
        seed=config.seed,
        reasoning=THINKING_TOKENS if thinks else 0,
        shows_reasoning=bool(thinking.include_thoughts),
    )


def _camel(value: Any) -> Any:
    """What protobuf's reader takes: either spelling of a field, and `tools` that are one."""
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, each in value.items():
        head, *words = name.split("_") if name[:1] != "_" else (name,)
        camel = head + "".join(word.capitalize() for word in words)
        if camel == "properties" and isinstance(each, dict):
            found[camel] = {key: _camel(schema) for key, schema in each.items()}
        elif camel == "tools" and isinstance(each, dict):
            found[camel] = [_camel(each)]
        else:
            found[camel] = each if camel in _AS_IT_IS else _camel(each)
    return found


def signs_always(model: str) -> bool:
    """Whether a model signs its calls, and wants the signatures back, as Gemini 3 does: the name says so."""
    return "gemini-3" in model


def _check(request: _Request, demands_signatures: bool) -> tuple[int, str]:
    """The prompt's characters and the last user's text. Refused: contents out of order."""
    last_user = ""
    system = request.system_instruction
    characters = sum(len(part.text or "") for part in (system.parts if system else ()))
    turn = max((at for at, each in enumerate(request.contents) if _speaks(each)), default=0)
    for index, content in enumerate(request.contents):
        if content.role not in (None, "user", "model", "function"):
            raise Refused(400, "Please use a valid role: user, model.")
        if not content.parts:
            raise Refused(400, f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n")
        first = next((part for part in content.parts if part.function_call is not None), None)
        if demands_signatures and first and first.function_call and index > turn and not first.thought_signature:
            name = first.function_call.name
            raise Refused(400, f"Function call `default_api:{name}` is missing a `thought_signature`.")
        characters += sum(len(_weigh(part, f"contents[{index}]")) for part in content.parts)
        if _speaks(content):
            last_user = "".join(part.text or "" for part in content.parts)
    _check_pairs(request.contents)
    return characters, last_user


def _check_pairs(contents: tuple[_Content, ...]) -> None:
    """Each turn's calls are answered, all of them, by the next turn; contents of one role in a row are one turn."""
    waiting = 0
    for role, turn in groupby(contents, key=lambda content: "model" if content.role == "model" else "user"):
        parts = [part for content in turn for part in content.parts]
        answers = sum(part.function_response is not None for part in parts)
        if answers != waiting and role == "user":
            words = "Please ensure that the number of function response parts is equal to the number of function call "
            raise Refused(400, words + "parts of the function call turn.")
        waiting = sum(part.function_call is not None for part in parts) if role == "model" else 0


def _speaks(content: _Content) -> bool:
    """Whether this is a turn of the user's own, not an answer of their tools."""
    return content.role in (None, "user") and any(part.text is not None for part in content.parts)


def _weigh(part: _Part, path: str) -> str:
    """A part's text, or as many blanks as it counts. Refused: it holds nothing, or a signature that is not ours."""
    signature = part.thought_signature
    if signature is not None and not signatures.is_signed("gemini", signature) and not _is_unchecked(signature):
        raise Refused(400, f"Thought signature is not valid at '{path}'.")
    if part.text is not None:
        return "" if part.thought else part.text
    if part.function_call is not None:
        return str(part.function_call.args or {})
    if part.function_response is not None:
        return str(part.function_response.response)
    media = part.inline_data or part.file_data
    others = part.executable_code or part.code_execution_result or part.tool_call or part.tool_response
    if media is None and others is None and signature is None:
        raise Refused(400, f"Unable to submit request because {path} must include at least one parts field.")
    return " " * text.PART_CHARACTERS if media else ""


def _is_unchecked(signature: str) -> bool:
    try:
        words = base64.b64decode(signature, validate=True).decode()
    except (binascii.Error, ValueError):
        words = ""
    return signature in _UNCHECKED or words in _UNCHECKED


def _tools(request: _Request) -> tuple[tuple[Tool, ...], bool]:
    """The functions that may be called, and whether one must be."""
    offered: list[Tool] = []
    for tool in request.tools or ():
        for each in tool.function_declarations or ():
            if each.parameters is not None and each.parameters_json_schema is not None:
                raise Refused(400, "parameters and parameters_json_schema cannot be both set.")
            schema = each.parameters_json_schema or _json_schema(_plain(each.parameters))
            offered.append(Tool(each.name, schema))
    calling = (request.tool_config and request.tool_config.function_calling_config) or _Calling()
    if calling.allowed_function_names is not None:
        if calling.mode not in ("ANY", "VALIDATED"):
            raise Refused(400, "Allowed function names may only be set when function calling mode is ANY.")
        offered = [tool for tool in offered if tool.name in calling.allowed_function_names]
    return () if calling.mode == "NONE" else tuple(offered), calling.mode == "ANY"


def _answer_schema(config: _Generation) -> dict[str, Any] | None:
    given = config.response_json_schema or config.response_json_schema_old
    if (given or config.response_schema) and config.response_mime_type not in ("application/json", "text/x.enum"):
        raise Refused(400, "Response schema requires a response mime type of application/json.")
    if given is not None:
        return dict(given)
    return _json_schema(_plain(config.response_schema)) if config.response_schema is not None else None


def _plain(schema: _Schema | None) -> dict[str, Any]:
    return {} if schema is None else msgspec.json.decode(msgspec.json.encode(schema), type=dict[str, Any])


def _json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Google's Schema -> JSON Schema: the types in lower case, counts as numbers."""
    found: dict[str, Any] = {}
    for name, value in schema.items():
        match name, value:
            case "type", str():
                found[name] = value.lower()
            case "properties", dict():
                found[name] = {key: _json_schema(each) for key, each in value.items()}
            case "items", dict():
                found[name] = _json_schema(value)
            case "anyOf", list():
                found[name] = [_json_schema(each) for each in value]
            case _ if name.startswith(("min", "max")) and isinstance(value, str):
                found[name] = int(value)
            case _:
                found[name] = value
    return found


def _refused(wrong: Wrong) -> Refused:
    """In the words of Google's JSON reader."""
    path, _, name = wrong.path.rpartition(".")
    match wrong.what:
        case "json":
            return Refused(400, "Invalid JSON payload received. Unexpected token.")
        case "unknown":
            at = f" at '{path}'" if path else ""
            return Refused(400, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
        case _:
            return Refused(400, f"Invalid value at '{wrong.path}': {wrong.words}")
