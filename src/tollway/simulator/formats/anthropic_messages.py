"""Anthropic's messages, as a server: requests read strictly, answers in the shapes of recorded ones."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tollway.simulator import signatures, text
from tollway.simulator.answer import Answer, Call, Choice, Question, Tool
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats.anthropic_blocks import read_messages
from tollway.simulator.formats.base import Asked, Format, Frame, Kind, Refused
from tollway.simulator.formats.strictly import Closed, Wrong, converted, decoded
from tollway.simulator.hints import Said
from tollway.simulator.usage import Counts, counts, half

VERSIONS = frozenset({"2023-01-01", "2023-06-01"})
THINKING_TOKENS = 24
"""How long it thinks when it is asked to, and its behaviour does not say."""
_encode = msgspec.json.encode
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class _Metadata(Closed):
    user_id: str | None = None


class _ToolChoice(Closed):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Closed):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Meta(ge=1024)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Form(Closed):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _OutputConfig(Closed):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Form | None = None
    task_budget: dict[str, Any] | None = None


class _CustomTool(Closed):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str | None = None
    cache_control: dict[str, Any] | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[dict[str, Any]] | None = None
    eager_input_streaming: bool | None = None


class _Counted(Closed):
    """What a count of tokens may say."""

    messages: list[dict[str, Any]]
    model: str = ""
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    cache_control: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] | None = None
    output_config: _OutputConfig | None = None
    output_format: _Form | None = None
    speed: str | None = None


class _Request(_Counted, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=1)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    metadata: _Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    container: str | dict[str, Any] | None = None
    inference_geo: str | None = None
    anthropic_version: str | None = None
    """On Vertex, where the version is not a header."""
    anthropic_beta: list[str] | None = None


def read(asked: Asked) -> Question:
    """The body of `POST /messages`, `/messages/count_tokens` or Vertex's `:rawPredict` -> what is asked."""
    request: _Counted
    try:
        counts_only = asked.action == "count_tokens"
        request = decoded(asked.body, _Counted if counts_only else _Request)
        if not asked.model and asked.headers.get("anthropic-version") not in VERSIONS:
            raise Refused(400, "anthropic-version: header is required")
        if not (model := asked.model or request.model):
            raise Refused(400, "model: Field required")
        prompt = read_messages(request.messages, request.system)
        tools, demanded = _tools(request)
    except Wrong as wrong:
        raise _refused(wrong) from None
    form = (request.output_config and request.output_config.format) or request.output_format
    thinks = request.thinking is not None and request.thinking.type != "disabled"
    question = Question(
        model=model,
        prompt_tokens=text.prompt_tokens(prompt.characters, prompt.messages),
        last_user=prompt.last_user,
        only_count=counts_only,
        tools=tools,
        tool_demanded=demanded,
        parallel=not (request.tool_choice and request.tool_choice.disable_parallel_tool_use),
        after_tool=prompt.after_tool,
        schema=form.schema if form else None,
        reasoning=THINKING_TOKENS if thinks else 0,
        shows_reasoning=request.thinking is None or request.thinking.display != "omitted",
    )
    if not isinstance(request, _Request):
        return question
    _check_thinking(request)
    streams = bool(request.stream) or asked.action == "streamRawPredict"
    stop = tuple(request.stop_sequences or ())
    return msgspec.structs.replace(question, stream=streams, max_tokens=request.max_tokens, stop=stop)


def _check_thinking(request: _Request) -> None:
    """What does not go together with thinking (documentation, "Extended thinking")."""
    thinking = request.thinking
    if thinking is None or thinking.type == "disabled":
        return
    if thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise Refused(400, "thinking.enabled.budget_tokens: Field required")
        if thinking.budget_tokens >= request.max_tokens:
            raise Refused(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    elif thinking.budget_tokens is not None:
        raise Refused(400, "thinking.adaptive.budget_tokens: Extra inputs are not permitted")
    if request.temperature not in (None, 1):
        raise Refused(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if request.top_k is not None:
        raise Refused(400, "`top_k` must be unset when thinking is enabled.")
    if thinking.type == "enabled" and request.tool_choice and request.tool_choice.type in ("any", "tool"):
        raise Refused(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _tools(request: _Counted) -> tuple[tuple[Tool, ...], bool]:
    """The client's tools that may be called, the chosen one alone, and whether one must be."""
    offered: list[Tool] = []
    for index, raw in enumerate(request.tools or ()):
        if raw.get("type") in (None, "custom"):  # others run at the provider, and there are new ones every month
            tool = converted(raw, _CustomTool, f"tools[{index}].custom")
            if tool.input_schema.get("type") != "object":
                raise Refused(400, f"tools.{index}.custom.input_schema.type: Input should be 'object'")
            offered.append(Tool(tool.name, tool.input_schema))
    if len({tool.name for tool in offered}) < len(offered):
        raise Refused(400, "tools: Tool names must be unique.")
    choice = request.tool_choice
    if choice is None:
        return tuple(offered), False
    if choice.type in ("any", "tool") and not request.tools:
        raise Refused(400, f"tool_choice.{choice.type} may only be specified while providing tools")
    if choice.type == "tool":
        chosen = tuple(tool for tool in offered if tool.name == choice.name)
        if not chosen:
            raise Refused(400, f"Tool '{choice.name}' not found in provided tools")
        return chosen, True
    return () if choice.type == "none" else tuple(offered), choice.type == "any"


def _refused(wrong: Wrong) -> Refused:
    """In Anthropic's words, which are its validator's: the path, and what was expected."""
    match wrong.what:
        case "json":
            return Refused(400, "The request body is not valid JSON.")
        case "unknown":
            return Refused(400, f"{wrong.dotted}: Extra inputs are not permitted")
        case "missing":
            return Refused(400, f"{wrong.dotted}: Field required")
        case _:
            return Refused(400, f"{wrong.dotted or 'body'}: Input should be valid ({wrong.words})")


def counted(question: Question) -> bytes:
    """The answer of `/messages/count_tokens`."""
    return _encode({"input_tokens": question.prompt_tokens})


def whole(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """A message."""
    choice = answer.choices[0]
    content: list[dict[str, Any]] = []
    if choice.reasoning:
        thought = "".join(choice.reasoning)
        shown = thought if question.shows_reasoning else ""
        content.append({"type": "thinking", "thinking": shown, "signature": signatures.sign("anthropic", shown)})
    if said := "".join(choice.pieces):
        content.append({"type": "text", "text": said})
    content += [_tool_use(call, _arguments(call)) for call in choice.calls]
    body = _message(answer, content, _stop_reason(choice), choice.stopped_by)
    if (reported := counts(answer, behaviour)) is not None:
        body["usage"] = _usage_whole(reported)
    return _encode(body)


def _message(
    answer: Answer, content: list[dict[str, Any]], stop_reason: str | None, stop_sequence: str | None
) -> dict[str, Any]:
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
    }


def _stop_reason(choice: Choice) -> str | None:
    if choice.stopped_by is not None and choice.finish == "stop":
        return "stop_sequence"
    if choice.refusal and choice.finish == "stop":
        return "refusal"
    return None if choice.finish is None else _STOP_REASONS.get(choice.finish, choice.finish)


def _tool_use(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id.replace("call_", "toolu_"), "name": call.name, "input": arguments}


def _arguments(call: Call) -> dict[str, Any]:
    """A call's arguments, or none where `max_tokens` cut them."""
    try:
        return msgspec.json.decode("".join(call.arguments), type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _usage(reported: Counts) -> dict[str, Any]:
    """The counts that a stream's end repeats."""
    return {
        "input_tokens": reported.uncached,
        "cache_creation_input_tokens": reported.written,
        "cache_read_input_tokens": reported.cached,
        "output_tokens": reported.completion,
    }


def _usage_whole(reported: Counts) -> dict[str, Any]:
    kept = {"ephemeral_5m_input_tokens": reported.written, "ephemeral_1h_input_tokens": 0}
    return {**_usage(reported), "cache_creation": kept, "service_tier": "standard"}


def frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """The typed events of a message: blocks one after another, usage at both ends, a ping after the first start."""
    choice = answer.choices[0]
    reported = counts(answer, behaviour)
    message = _message(answer, [], None, None)
    if reported is not None:  # what goes out is not known yet: one token is what Anthropic says
        message["usage"] = {**_usage_whole(reported), "output_tokens": 1 if behaviour.usage == "full" else 0}
    yield _event(Kind.START, "message_start", message=message)
    for index, (start, deltas, tokens) in enumerate(_blocks(question, choice)):
        kind = Kind.CONTENT if start["type"] == "tool_use" else Kind.START
        yield _event(kind, "content_block_start", tokens, index=index, content_block=start)
        if index == 0:
            yield _event(Kind.START, "ping")
        begin = b'{"type":"content_block_delta","index":%d,"delta":' % index
        for name, field, piece in deltas:
            data = begin + b'{"type":"%b","%b":%b}}' % (name, field, _encode(piece))
            counts_as = 0 if name == b"signature_delta" or piece == "" else 1
            yield Frame(Kind.CONTENT if counts_as else Kind.START, data, counts_as, "content_block_delta")
        yield _event(Kind.FINISH, "content_block_stop", index=index)
    delta = {"stop_reason": _stop_reason(choice), "stop_sequence": choice.stopped_by}
    if behaviour.usage == "twice":
        yield _event(Kind.USAGE, "message_delta", delta=delta, usage=_usage(half(answer)))
    if reported is None:
        yield _event(Kind.FINISH, "message_delta", delta=delta)
    else:
        yield _event(Kind.FINISH, "message_delta", delta=delta, usage=_usage(reported))
    yield _event(Kind.DONE, "message_stop")


def _blocks(
    question: Question, choice: Choice
) -> Iterator[tuple[dict[str, Any], Iterator[tuple[bytes, bytes, str]], int]]:
    """Each block: how it starts, its deltas (type, field, piece), and the tokens that its start stands for."""
    if choice.reasoning:
        shown = choice.reasoning if question.shows_reasoning else ()
        pieces = [(b"thinking_delta", b"thinking", piece) for piece in shown]
        pieces.append((b"signature_delta", b"signature", signatures.sign("anthropic", "".join(shown))))
        hidden = 0 if shown else len(choice.reasoning)
        yield {"type": "thinking", "thinking": "", "signature": ""}, iter(pieces), hidden
    for call in choice.calls:
        pieces = [(b"input_json_delta", b"partial_json", piece) for piece in ("", *call.arguments)]
        yield _tool_use(call, {}), iter(pieces), 1
    if not choice.calls and choice.pieces != ():  # who says nothing has no block
        yield {"type": "text", "text": ""}, ((b"text_delta", b"text", piece) for piece in choice.pieces), 0


def _event(kind: Kind, name: str, tokens: int = 0, **fields: Any) -> Frame:
    return Frame(kind, _encode({"type": name, **fields}), tokens, name)


def refusal(refused: Refused, said: Said) -> dict[str, Any]:
    """Anthropic's error body."""
    kind = refused.kind or _TYPES.get(refused.status, "api_error" if refused.status >= 500 else "invalid_request_error")
    error = {"type": kind, "message": refused.message + said.words, **said.fields}
    return {"type": "error", "error": error, "request_id": "req_simulated"}


def failure(refused: Refused, said: Said, sent: int) -> tuple[Frame, ...]:
    """An `error` event."""
    return (Frame(Kind.ERROR, _encode(refusal(refused, said)), 0, "error"),)


FORMAT = Format(
    paths=(
        r"/messages",
        r"/messages/(?P<action>count_tokens)",
        r"(?:/projects/[^/]+/locations/[^/]+/publishers/anthropic)?"
        r"/models/(?P<model>.+):(?P<action>rawPredict|streamRawPredict)",
    ),
    id_prefix="msg_",
    read=read,
    whole=whole,
    frames=frames,
    refusal=refusal,
    failure=failure,
    text_field=b'"text":"',
    counted=counted,
    key_header="x-api-key",
    id_header="request-id",
)
