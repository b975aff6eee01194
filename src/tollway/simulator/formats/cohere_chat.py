"""Cohere's chat, version 2, as a server: requests read strictly, answers in the shapes of recorded ones."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tollway.simulator import text
from tollway.simulator.answer import Answer, Call, Choice, Question, Tool
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats.base import Asked, Format, Frame, Kind, Refused
from tollway.simulator.formats.strictly import Closed, Wrong, decoded
from tollway.simulator.hints import Said
from tollway.simulator.usage import Counts, counts, half

THINKING_TOKENS = 24
"""How long it thinks when it is asked to, and its behaviour does not say."""
_encode = msgspec.json.encode
_Json = dict[str, Any]
_FINISH_REASONS = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
_PLAN = "I will use one of the tools that I was given."


class _Text(Closed, tag="text"):
    text: str


class _ImageUrl(Closed):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class _Image(Closed, tag="image_url"):
    image_url: _ImageUrl


class _Thought(Closed, tag="thinking"):
    thinking: str


class _Document(Closed, tag="document"):
    document: _Json


class _Called(Closed):
    name: str
    arguments: str


class _Call(Closed):
    id: str
    type: Literal["function"]
    function: _Called


class _System(Closed, tag="system", tag_field="role"):
    content: str | list[_Text]


class _Developer(Closed, tag="developer", tag_field="role"):
    content: str | list[_Text]


class _User(Closed, tag="user", tag_field="role"):
    content: str | list[_Text | _Image]


class _Assistant(Closed, tag="assistant", tag_field="role"):
    content: str | list[_Text | _Thought] | None = None
    tool_calls: list[_Call] | None = None
    tool_plan: str | None = None
    citations: list[_Json] | None = None


class _Result(Closed, tag="tool", tag_field="role"):
    tool_call_id: str
    content: str | list[_Text | _Document]


_Message = _System | _Developer | _User | _Assistant | _Result


class _Function(Closed):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_-]*$")]
    parameters: _Json | None = None
    description: str | None = None


class _Tool(Closed):
    type: Literal["function"]
    function: _Function


class _Form(Closed):
    type: Literal["text", "json_object"]
    json_schema: _Json | None = None
    schema: _Json | None = None


class _Thinking(Closed):
    type: Literal["enabled", "disabled"]
    token_budget: Annotated[int, Meta(ge=1)] | None = None


class _Request(Closed):
    model: str
    messages: Annotated[list[_Message], Meta(min_length=1)]
    stream: bool | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    temperature: Annotated[float, Meta(ge=0)] | None = None
    seed: Annotated[int, Meta(ge=0)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=0, le=1)] | None = None
    k: Annotated[float, Meta(ge=0, le=500)] | None = None
    p: Annotated[float, Meta(ge=0.01, le=0.99)] | None = None
    logprobs: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    strict_tools: bool | None = None
    response_format: _Form | None = None
    thinking: _Thinking | None = None
    documents: list[str | _Json] | None = None
    citation_options: _Json | None = None
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = None
    priority: int | None = None
    raw_prompting: bool | None = None


def read(asked: Asked) -> Question:
    """The body of `POST /v2/chat` -> what is asked."""
    try:
        request = decoded(asked.body, _Request)
    except Wrong as wrong:
        raise _refused(wrong) from None
    characters, last_user = _count(request.messages)
    if request.tool_choice is not None and not request.tools:
        raise Refused(400, "invalid request: tool_choice can only be specified with tools")
    form = request.response_format
    tools = tuple(Tool(tool.function.name, tool.function.parameters or {}) for tool in request.tools or ())
    return Question(
        model=request.model,
        prompt_tokens=text.prompt_tokens(characters, len(request.messages)),
        last_user=last_user,
        stream=bool(request.stream),
        max_tokens=request.max_tokens or None,
        stop=tuple(request.stop_sequences or ()),
        tools=() if request.tool_choice == "NONE" else tools,
        tool_demanded=request.tool_choice == "REQUIRED",
        after_tool=isinstance(request.messages[-1], _Result),
        schema=(form.json_schema or form.schema) if form else None,
        json_object=form is not None and form.type == "json_object",
        seed=request.seed,
        reasoning=THINKING_TOKENS if request.thinking and request.thinking.type == "enabled" else 0,
    )


def _count(messages: list[_Message]) -> tuple[int, str]:
    """The prompt's characters and the last user's text. Refused: a tool's answer to a call that was not made."""
    characters, last_user = 0, ""
    calls: set[str] = set()
    for at, message in enumerate(messages):
        parts = message.content if isinstance(message.content, list) else [_Text(message.content or "")]
        words = "".join(part.text for part in parts if isinstance(part, _Text))
        others = sum(isinstance(part, _Image | _Document) for part in parts)
        characters += len(words) + text.PART_CHARACTERS * others
        if isinstance(message, _User):
            last_user = words
        elif isinstance(message, _Assistant):
            if not message.content and not message.tool_calls:
                raise Refused(400, f"invalid request: messages[{at}] must have either content or tool calls")
            calls.update(call.id for call in message.tool_calls or ())
            characters += sum(len(call.function.arguments) for call in message.tool_calls or ())
        elif isinstance(message, _Result) and message.tool_call_id not in calls:
            words = f"tool call id not found in previous tool calls: {message.tool_call_id}"
            raise Refused(400, f"invalid request: {words}")
    return characters, last_user


def _refused(wrong: Wrong) -> Refused:
    match wrong.what:
        case "json":
            return Refused(400, "invalid request: the body is not valid JSON")
        case "unknown":
            return Refused(400, f"invalid request: unknown field '{wrong.path}'")
        case "missing":
            return Refused(400, f"invalid request: {wrong.path} is required")
        case "type":
            return Refused(422, f"invalid type: parameter {wrong.path}: {wrong.words}")
        case _:
            return Refused(400, f"invalid request: {wrong.path}: {wrong.words}")


def whole(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """A chat answer."""
    choice = answer.choices[0]
    message: _Json = {"role": "assistant"}
    content: list[_Json] = []
    if choice.reasoning:
        content.append({"type": "thinking", "thinking": "".join(choice.reasoning)})
    if said := "".join(choice.pieces):
        content.append({"type": "text", "text": said})
    if content:
        message["content"] = content
    if choice.calls:
        message["tool_calls"] = [_call(call, "".join(call.arguments)) for call in choice.calls]
        if not choice.reasoning:
            message["tool_plan"] = _PLAN
    body: _Json = {"id": answer.id, "message": message, "finish_reason": _finish(choice)}
    if (reported := counts(answer, behaviour)) is not None:
        body["usage"] = _usage(reported)
    return _encode(body)


def _call(call: Call, arguments: str) -> _Json:
    return {
        "id": call.id.replace("call_", f"{call.name}_"),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _finish(choice: Choice) -> str | None:
    if choice.stopped_by is not None and choice.finish == "stop":
        return "STOP_SEQUENCE"
    return None if choice.finish is None else _FINISH_REASONS.get(choice.finish, choice.finish.upper())


def _usage(reported: Counts) -> _Json:
    """What is billed, and what the model really read and wrote: the same here."""
    tokens = {"input_tokens": reported.prompt, "output_tokens": reported.completion}
    return {"billed_units": tokens, "tokens": tokens, "cached_tokens": reported.cached}


def frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """The typed events of a message: content with an index each, calls, and the end with its usage."""
    choice = answer.choices[0]
    begun = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield _event(Kind.START, "message-start", begun, id=answer.id)
    index = 0
    if choice.reasoning:
        yield from _content("thinking", index, choice.reasoning)
        index += 1
    if choice.calls:
        if not choice.reasoning:
            yield _event(Kind.START, "tool-plan-delta", {"tool_plan": _PLAN})
        for number, call in enumerate(choice.calls):
            yield _event(Kind.CONTENT, "tool-call-start", {"tool_calls": _call(call, "")}, 1, index=number)
            for piece in call.arguments:
                delta = {"tool_calls": {"function": {"arguments": piece}}}
                yield _event(Kind.CONTENT, "tool-call-delta", delta, 1, index=number)
            yield _frame(Kind.FINISH, {"type": "tool-call-end", "index": number})
    else:
        yield from _content("text", index, choice.pieces)
    reported = counts(answer, behaviour)
    if behaviour.usage == "twice":
        yield _end(Kind.USAGE, choice, half(answer))
    yield _end(Kind.FINISH, choice, reported)
    yield Frame(Kind.DONE, b"[DONE]")


def _content(kind: str, index: int, pieces: Any) -> Iterator[Frame]:
    """A content part: its start, its pieces, its end."""
    yield _event(Kind.START, "content-start", {"content": {"type": kind, kind: ""}}, index=index)
    for piece in pieces:
        yield _event(Kind.CONTENT, "content-delta", {"content": {kind: piece}}, 1, index=index)
    yield _frame(Kind.FINISH, {"type": "content-end", "index": index})


def _end(kind: Kind, choice: Choice, reported: Counts | None) -> Frame:
    delta: _Json = {"finish_reason": _finish(choice)}
    if reported is not None:
        delta["usage"] = _usage(reported)
    return _frame(kind, {"type": "message-end", "delta": delta})


def _event(kind: Kind, name: str, message: _Json, tokens: int = 0, **fields: Any) -> Frame:
    return _frame(kind, {"type": name, **fields, "delta": {"message": message}}, tokens)


def _frame(kind: Kind, body: _Json, tokens: int = 0) -> Frame:
    return Frame(kind, _encode(body), tokens, body["type"])


def refusal(refused: Refused, said: Said) -> dict[str, Any]:
    """Cohere's error body: a message, and an id to ask about."""
    return {"id": "00000000-0000-4000-8000-000000000000", "message": refused.message + said.words, **said.fields}


def failure(refused: Refused, said: Said, sent: int) -> tuple[Frame, ...]:
    """A message that ends with an error."""
    delta = {"error": refused.message + said.words, "finish_reason": "ERROR"}
    return (Frame(Kind.ERROR, _encode({"type": "message-end", "delta": delta}), 0, "message-end"),)


FORMAT = Format(
    paths=("/chat",),
    id_prefix="",
    read=read,
    whole=whole,
    frames=frames,
    refusal=refusal,
    failure=failure,
    text_field=b'"text":"',
)
