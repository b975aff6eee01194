"""OpenAI's chat completions, as a server: requests read strictly, answers in the shapes of recorded ones."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Annotated, Any, Literal
from zlib import crc32

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tollway.simulator import text
from tollway.simulator.answer import Answer, Call, Choice, Question, Tool
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats import openai_shapes
from tollway.simulator.formats.base import Asked, Format, Frame, Kind, Refused
from tollway.simulator.usage import counts

_FINGERPRINT = "fp_simulated"
_encode = msgspec.json.encode


class _Function(Struct):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(Struct):
    type: str
    function: _Function | None = None


class _Call(Struct):
    id: str
    type: str = "function"
    function: dict[str, Any] | None = None


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _JsonSchema(Struct):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    schema: dict[str, Any] | None = None


class _ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class _Request(Struct):
    """The parameters that change an answer; the others are only known by name."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | UnsetType | None = UNSET
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None


_OTHERS = frozenset(
    (
        *("audio", "function_call", "functions", "logit_bias", "metadata", "modalities", "moderation", "prediction"),
        *(
            "prompt_cache_key",
            "prompt_cache_retention",
            "reasoning_effort",
            "safety_identifier",
            "service_tier",
            "store",
        ),
        *("user", "verbosity", "web_search_options"),
    )
)
_KNOWN = _OTHERS | frozenset(_Request.__struct_fields__)
_decoder = msgspec.json.Decoder(_Request)


def read(asked: Asked) -> Question:
    """The body of `POST /chat/completions` -> what is asked. Refused: as OpenAI refuses it, with the field's name."""
    try:
        request = _decoder.decode(asked.body)
    except msgspec.DecodeError as error:
        raise openai_shapes.unreadable(error) from None
    if not request.model:
        raise Refused(400, "you must provide a model parameter")
    if not request.messages:
        message = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise Refused(400, message, param="messages", code="empty_array")
    characters, last_user = _count(request.messages)
    tools, demanded = _tools(request)
    form = request.response_format
    if (
        form is not None
        and form.type == "json_schema"
        and (form.json_schema is None or form.json_schema.schema is None)
    ):
        name = "response_format.json_schema" + (".schema" if form.json_schema else "")
        raise Refused(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    if request.top_logprobs is not None and not request.logprobs:
        message = "'top_logprobs' is only allowed when 'logprobs' is enabled."
        raise Refused(400, message, param="top_logprobs", code="invalid_value")
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Refused(400, message, param="stream_options")
    limit = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
    stop = request.stop
    return Question(
        model=request.model,
        prompt_tokens=text.prompt_tokens(characters, len(request.messages)),
        last_user=last_user,
        stream=bool(request.stream),
        include_usage=request.stream_options is not None and bool(request.stream_options.include_usage),
        n=request.n or 1,
        max_tokens=limit,
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        tools=tools,
        tool_demanded=demanded,
        parallel=request.parallel_tool_calls is not False,
        after_tool=request.messages[-1].role in ("tool", "function"),
        schema=form.json_schema.schema if form is not None and form.json_schema is not None else None,
        json_object=form is not None and form.type == "json_object",
        logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        seed=request.seed,
        unknown=tuple(sorted(msgspec.json.decode(asked.body).keys() - _KNOWN)) if len(asked.body) < 1_000_000 else (),
    )


def _count(messages: list[_Message]) -> tuple[int, str]:
    """The prompt's characters, and the text of the last user message."""
    characters, last_user = 0, ""
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        words = message.content if isinstance(message.content, str) else ""
        for part in message.content if isinstance(message.content, list) else ():
            if isinstance(piece := part.get("text", part.get("refusal")), str):
                words += piece
            else:
                characters += text.PART_CHARACTERS
        characters += len(words)
        if message.role == "user":
            last_user = words
        elif message.role == "tool":
            if message.tool_call_id not in waiting:
                wrong = "Invalid parameter: a message with role 'tool' must follow a message with its 'tool_calls'."
                raise Refused(400, wrong, param=f"messages[{index}].role")
        elif message.tool_calls:
            waiting.update(call.id for call in message.tool_calls)
            characters += sum(len(str((call.function or {}).get("arguments", ""))) for call in message.tool_calls)
        if message.content is None and not message.tool_calls and message.role != "assistant":
            wrong = f"Invalid value for 'content': expected a string, got null. - messages[{index}]"
            raise Refused(400, wrong, param=f"messages[{index}].content")
    return characters, last_user


def _tools(request: _Request) -> tuple[tuple[Tool, ...], bool]:
    """The tools that may be called, the chosen one alone, and whether one must be."""
    offered = tuple(
        Tool(tool.function.name, tool.function.parameters or {})
        for tool in request.tools or ()
        if tool.function is not None
    )
    choice = request.tool_choice
    if choice is UNSET or choice is None:
        return offered, False
    if not request.tools:
        raise Refused(400, "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            wrong = f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
            raise Refused(400, wrong, param="tool_choice", code="invalid_value")
        return (() if choice == "none" else offered), choice == "required"
    allowed = choice.get("allowed_tools")
    if isinstance(allowed, dict):
        names = {(tool.get("function") or tool).get("name") for tool in allowed.get("tools", ())}
        return tuple(tool for tool in offered if tool.name in names), allowed.get("mode") == "required"
    name = (choice.get("function") or {}).get("name")
    chosen = tuple(tool for tool in offered if tool.name == name)
    if not chosen:
        wrong = f"Invalid value for 'tool_choice': no function named '{name}' was specified in the 'tools' parameter."
        raise Refused(400, wrong, param="tool_choice")
    return chosen, True


def whole(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """A `chat.completion`."""
    body: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created_s,
        "model": answer.model,
        "choices": [_choice(question, choice, behaviour) for choice in answer.choices],
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }
    if (reported := counts(answer, behaviour)) is not None:
        body["usage"] = openai_shapes.usage(reported)
    return _encode(body)


def _choice(question: Question, choice: Choice, behaviour: Behaviour) -> dict[str, Any]:
    said = "".join(choice.pieces)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls or choice.refusal else said,
        "refusal": said if choice.refusal else None,
        "annotations": [],
    }
    if choice.reasoning:
        message[behaviour.reasoning_as] = "".join(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": "".join(call.arguments)}}
            for call in choice.calls
        ]
    logprobs = None if question.logprobs is None or choice.calls else _logprobs(tuple(choice.pieces), question.logprobs)
    return {"index": choice.index, "message": message, "logprobs": logprobs, "finish_reason": choice.finish}


def _logprobs(pieces: tuple[str, ...], top: int) -> dict[str, Any]:
    """OpenAI's logprobs of some tokens: each with its alternatives, the chosen one first."""
    return {"content": [_logprob(piece, top) for piece in pieces], "refusal": None}


def _logprob(piece: str, top: int) -> dict[str, Any]:
    entry = _token(piece, -(crc32(piece.encode()) % 1000) / 2000)
    others = [_token(f"{piece}{number}", entry["logprob"] - number) for number in range(1, top)]
    return {**entry, "top_logprobs": [entry, *others] if top else []}


def _token(piece: str, logprob: float) -> dict[str, Any]:
    return {"token": piece, "logprob": logprob, "bytes": list(piece.encode())}


def frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """The `chat.completion.chunk`s of an answer, its choices taking turns; `[DONE]` at the end."""
    head = _encode(
        {
            "id": answer.id,
            "object": "chat.completion.chunk",
            "created": answer.created_s,
            "model": answer.model,
            "service_tier": "default",
            "system_fingerprint": _FINGERPRINT,
        }
    )[:-1]
    tail = b',"usage":null' if question.include_usage else b""
    tail += b',"obfuscation":"simulated"}' if behaviour.obfuscation else b"}"
    writers = [_deltas(head, tail, choice, question, behaviour) for choice in answer.choices]
    if len(writers) == 1:
        yield from writers[0]
    else:
        for turn in zip_longest(*writers):
            yield from (frame for frame in turn if frame is not None)
    if question.include_usage:
        yield from openai_shapes.usage_events(head, answer, behaviour)
    yield Frame(Kind.DONE, b"[DONE]")


def _deltas(head: bytes, tail: bytes, choice: Choice, question: Question, behaviour: Behaviour) -> Iterator[Frame]:
    """One choice's events. What repeats is built once: a piece of text costs one small encode."""
    begin = head + b',"choices":[{"index":%d,"delta":' % choice.index
    end = b',"logprobs":null,"finish_reason":null}]' + tail
    first = (
        b'{"role":"assistant","content":null}' if choice.calls else b'{"role":"assistant","content":"","refusal":null}'
    )
    yield Frame(Kind.START, begin + first + end)
    thought = begin + b'{"' + behaviour.reasoning_as.encode() + b'":'
    for piece in choice.reasoning:
        yield Frame(Kind.CONTENT, thought + _encode(piece) + b"}" + end, 1)
    for index, call in enumerate(choice.calls):
        yield from _call_deltas(begin, end, index, call)
    before, after = begin + (b'{"refusal":' if choice.refusal else b'{"content":'), b"}" + end
    for piece in choice.pieces:
        if question.logprobs is not None:
            logprobs = _encode(_logprobs((piece,), question.logprobs))
            after = b'},"logprobs":' + logprobs + b',"finish_reason":null}]' + tail
        yield Frame(Kind.CONTENT, before + _encode(piece) + after, 1)
    if choice.finish is not None:
        finish = begin + b'{},"logprobs":null,"finish_reason":' + _encode(choice.finish) + b"}]" + tail
        yield Frame(Kind.FINISH, finish)
        if behaviour.finish == "twice":
            yield Frame(Kind.FINISH, finish)


def _call_deltas(begin: bytes, end: bytes, index: int, call: Call) -> Iterator[Frame]:
    """A tool call: its id and name first, then its arguments in pieces."""
    function = {"name": call.name, "arguments": ""}
    opening = {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
    yield Frame(Kind.CONTENT, begin + _encode(opening) + end, 1)
    for piece in call.arguments:
        delta = {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
        yield Frame(Kind.CONTENT, begin + _encode(delta) + end, 1)


FORMAT = Format(
    paths=("/chat/completions",),
    id_prefix="chatcmpl-",
    read=read,
    whole=whole,
    frames=frames,
    refusal=openai_shapes.refusal,
    failure=openai_shapes.failure,
    text_field=b'"content":"',
)
