"""What may be asked of OpenAI's Responses: every parameter and item that it knows, and which items belong together."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tollway.simulator import signatures, text
from tollway.simulator.answer import Question, Tool
from tollway.simulator.formats.base import Asked, Refused
from tollway.simulator.formats.strictly import Closed, Wrong, converted, decoded

THINKING_TOKENS = 24
"""How long it thinks when an effort is asked for, and its behaviour does not say."""
_Status = Literal["in_progress", "completed", "incomplete"] | None
_Json = dict[str, Any]


class _Reasoning(Closed):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: str | None = None
    mode: str | None = None


class _Form(Closed):
    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] | None = None
    schema: _Json | None = None
    description: str | None = None
    strict: bool | None = None


class _Text(Closed):
    format: _Form | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class _StreamOptions(Closed):
    include_obfuscation: bool | None = None


class _Request(Closed):
    model: str
    input: str | list[_Json] | None = None
    instructions: str | list[_Json] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: int | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning: _Reasoning | None = None
    text: _Text | None = None
    tools: list[_Json] | None = None
    tool_choice: str | _Json | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | _Json | None = None
    background: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt: _Json | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: _Json | None = None
    context_management: list[_Json] | None = None
    moderation: _Json | None = None


class _Message(Closed):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Json]
    type: Literal["message"] | None = None
    id: str | None = None
    status: _Status = None
    phase: str | None = None


class _Call(Closed):
    type: str
    call_id: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    arguments: str
    id: str | None = None
    status: _Status = None
    namespace: str | None = None
    caller: _Json | None = None


class _CallOutput(Closed):
    type: str
    call_id: Annotated[str, Meta(min_length=1, max_length=64)]
    output: str | list[_Json]
    id: str | None = None
    status: _Status = None
    caller: _Json | None = None


class _SummaryText(Closed):
    type: Literal["summary_text"]
    text: str


class _ReasoningItem(Closed):
    type: str
    summary: list[_SummaryText]
    id: str | None = None
    content: list[_Json] | None = None
    encrypted_content: str | None = None
    status: _Status = None


class _Function(Closed):
    type: str
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    parameters: _Json | None = None
    description: str | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


_PARTS = {
    # role -> the types of content parts, and the field that each must have
    "user": {"input_text": "text", "input_image": "", "input_file": "", "input_audio": "input_audio"},
    "assistant": {"output_text": "text", "refusal": "refusal"},
}
_HOSTED = (
    "_call",
    "_call_output",
    "_list_tools",
    "_approval_request",
    "_approval_response",
    "item_reference",
    "compaction",
    "tool_search_output",
    "program",
    "additional_tools",
)
"""Ends of the types of items that the provider's own tools write."""


class _Prompt(Struct):
    characters: int = 0
    messages: int = 0
    last_user: str = ""
    after_tool: bool = False


def read(asked: Asked) -> Question:
    """The body of `POST /responses` -> what is asked."""
    try:
        request = decoded(asked.body, _Request)
        items = [{"role": "user", "content": request.input}] if isinstance(request.input, str) else request.input
        prompt = _items(items or [], kept=bool(request.previous_response_id or request.conversation))
        tools, demanded = _tools(request)
    except Wrong as wrong:
        raise _refused(wrong) from None
    if not items and not request.prompt and not request.previous_response_id:
        message = "Missing required parameter: 'input'."
        raise Refused(400, message, param="input", code="missing_required_parameter")
    if isinstance(request.instructions, str):
        prompt.characters += len(request.instructions)
        prompt.messages += 1
    form = request.text.format if request.text else None
    if form is not None and form.type == "json_schema" and (form.schema is None or form.name is None):
        name = "text.format.schema" if form.schema is None else "text.format.name"
        raise Refused(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    reasoning = request.reasoning or _Reasoning()
    return Question(
        model=request.model,
        prompt_tokens=text.prompt_tokens(prompt.characters, prompt.messages),
        last_user=prompt.last_user,
        stream=bool(request.stream),
        max_tokens=request.max_output_tokens,
        tools=tools,
        tool_demanded=demanded,
        parallel=request.parallel_tool_calls is not False,
        after_tool=prompt.after_tool,
        schema=form.schema if form and form.type == "json_schema" else None,
        json_object=form is not None and form.type == "json_object",
        reasoning=THINKING_TOKENS if reasoning.effort not in (None, "none") else 0,
        shows_reasoning=bool(reasoning.summary or reasoning.generate_summary),
        native={
            "echoed": _echoed(request),
            "encrypted": "reasoning.encrypted_content" in (request.include or ()),
        },
    )


def _echoed(request: _Request) -> _Json:
    """The parameters that a response repeats, with their defaults."""
    reasoning = request.reasoning or _Reasoning()
    form = request.text.format if request.text else None
    return {
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary},
        "safety_identifier": request.safety_identifier,
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {
            "format": form or {"type": "text"},
            "verbosity": (request.text and request.text.verbosity) or "medium",
        },
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools or [],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "user": request.user,
    }


def _items(items: list[_Json], *, kept: bool) -> _Prompt:
    """The input, checked. `kept`: there is an earlier response, whose calls may be answered here."""
    prompt = _Prompt()
    calls: dict[str, int] = {}
    answered: set[str] = set()
    for index, raw in enumerate(items):
        at, kind = f"input[{index}]", raw.get("type") or "message"
        prompt.after_tool = kind == "function_call_output"
        if kind == "message":
            _message(converted(raw, _Message, at), at, prompt)
        elif kind == "function_call":
            call = converted(raw, _Call, at)
            _check_id(call.id, "fc", at)
            calls[call.call_id] = index
            prompt.characters += len(call.arguments)
        elif kind == "function_call_output":
            output = converted(raw, _CallOutput, at)
            if output.call_id not in calls and not kept:
                words = f"No tool call found for function call output with call_id {output.call_id}."
                raise Refused(400, words, param="input")
            answered.add(output.call_id)
            prompt.messages += 1
            prompt.characters += _length(output.output, at, "user")
        elif kind == "reasoning":
            _reasoning(converted(raw, _ReasoningItem, at), at, last=index == len(items) - 1)
        elif not kind.endswith(_HOSTED):
            raise Refused(400, f"Invalid value: '{kind}'.", param=at, code="invalid_value")
    if unanswered := sorted(calls.keys() - answered):
        raise Refused(400, f"No tool output found for function call {unanswered[0]}.", param="input")
    return prompt


def _message(message: _Message, at: str, prompt: _Prompt) -> None:
    if message.role == "assistant":
        _check_id(message.id, "msg", at)
    role = "assistant" if message.role == "assistant" else "user"
    prompt.messages += 1
    prompt.characters += _length(message.content, at, role)
    if message.role == "user":
        parts = message.content if isinstance(message.content, list) else [{"text": message.content}]
        prompt.last_user = "".join(str(part.get("text", "")) for part in parts)


def _length(content: str | list[_Json], at: str, role: str) -> int:
    """The characters of a content. Refused: a part that this role may not have, or without its field."""
    if isinstance(content, str):
        return len(content)
    total = 0
    for index, part in enumerate(content):
        kind, place = part.get("type", ""), f"{at}.content[{index}]"
        if kind not in _PARTS[role]:
            supported = ", ".join(f"'{name}'" for name in _PARTS[role])
            words = f"Invalid value: '{kind}'. Supported values are: {supported}."
            raise Refused(400, words, param=place, code="invalid_value")
        field = _PARTS[role][kind]
        if field and field not in part:
            name = f"{place}.{field}"
            raise Refused(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
        total += len(part[field]) if field in ("text", "refusal") else text.PART_CHARACTERS
    return total


def _reasoning(item: _ReasoningItem, at: str, *, last: bool) -> None:
    """Reasoning comes back as it was given out, and before what followed it; nothing is kept here to look it up in."""
    _check_id(item.id, "rs", at)
    if item.encrypted_content is None:
        words = f"Item with id '{item.id}' not found. Items are not persisted when `store` is set to false."
        raise Refused(404, words, param="input")
    if not signatures.is_signed("responses", item.encrypted_content):
        words = f"The encrypted content for item {item.id} could not be verified."
        raise Refused(400, words, param="input", code="invalid_encrypted_content")
    if last:
        words = f"Item '{item.id}' of type 'reasoning' was provided without its required following item."
        raise Refused(400, words, param="input")


def _check_id(given: str | None, prefix: str, at: str) -> None:
    if given is not None and not given.startswith(prefix):
        words = f"Invalid '{at}.id': '{given}'. Expected an ID that begins with '{prefix}'."
        raise Refused(400, words, param=f"{at}.id", code="invalid_value")


def _tools(request: _Request) -> tuple[tuple[Tool, ...], bool]:
    """The functions that may be called, the chosen one alone, and whether one must be."""
    offered: list[Tool] = []
    for index, raw in enumerate(request.tools or ()):
        if raw.get("type") == "function":
            tool = converted(raw, _Function, f"tools[{index}]")
            offered.append(Tool(tool.name, tool.parameters or {}))
        elif not isinstance(raw.get("type"), str):
            at = f"tools[{index}].type"
            raise Refused(400, f"Missing required parameter: '{at}'.", param=at, code="missing_required_parameter")
    choice = request.tool_choice
    if choice is None or choice == "auto":
        return tuple(offered), False
    if isinstance(choice, str):
        if choice not in ("none", "required"):
            words = f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
            raise Refused(400, words, param="tool_choice", code="invalid_value")
        return (() if choice == "none" else tuple(offered)), choice == "required"
    if choice.get("type") == "allowed_tools":
        names = {tool.get("name") for tool in choice.get("tools", ())}
        return tuple(tool for tool in offered if tool.name in names), choice.get("mode") == "required"
    if choice.get("type") != "function":
        return (), False
    chosen = tuple(tool for tool in offered if tool.name == choice.get("name"))
    if not chosen:
        words = f"Tool choice '{choice.get('name')}' not found in 'tools' parameter."
        raise Refused(400, words, param="tool_choice")
    return chosen, True


def _refused(wrong: Wrong) -> Refused:
    """In OpenAI's words: which parameter, and what is wrong with it."""
    path = wrong.path
    match wrong.what:
        case "json":
            return Refused(400, "We could not parse the JSON body of your request: it is not valid JSON.")
        case "unknown":
            return Refused(400, f"Unknown parameter: '{path}'.", param=path, code="unknown_parameter")
        case "missing":
            words = f"Missing required parameter: '{path}'."
            return Refused(400, words, param=path, code="missing_required_parameter")
        case "type":
            return Refused(400, f"Invalid type for '{path}': {wrong.words}.", param=path, code="invalid_type")
        case _:
            return Refused(400, f"Invalid value for '{path}': {wrong.words}.", param=path, code="invalid_value")
