"""OpenAI's Responses where we answer: requests in, answers and streams out, in OpenRouter's manner."""

from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, Message, Reasoning, SystemMessage, UserMessage
from tollway.wire.json_body import check_printable, decode_body, invalid, unknown_fields
from tollway.wire.openai_responses.answer import encode_answer
from tollway.wire.openai_responses.chunks import EventEncoder
from tollway.wire.openai_responses.flat_tools import converted, read_choice, read_format, read_tool
from tollway.wire.openai_responses.items import AS_TEXT, INSTRUCTIONS, InputReader
from tollway.wire.openai_responses.parts import wrong
from tollway.wire.openai_responses.request import LOGPROBS
from tollway.wire.openai_responses.schema import SHARED, Body
from tollway.wire.openai_responses.usage import usage_json

__all__ = ["EventEncoder", "decode_request", "encode_answer", "error_body", "usage_json"]

_BODY = msgspec.json.Decoder(Body)
_CHAT = msgspec.json.Decoder(ChatRequest)
_OWN = frozenset(Body.__struct_fields__)
_ENCODER = msgspec.json.Encoder()
_REASONING = frozenset(Reasoning.__struct_fields__)
_SEND_ALL = "send all that came before as `input`"


def decode_request(body: bytes) -> ChatRequest:
    """The body of `POST /responses`. What only this format knows is kept, in `extra` and in each `native`.

    InvalidRequest, with `param` set to the field's path: not JSON, a wrong type, out of bounds, or a wish for state:
    `store`, `previous_response_id`, `conversation`, `background` (OPENROUTER.md 6.2).
    """
    own = decode_body(body, _BODY)
    _refuse_state(own)
    others = unknown_fields(body, _OWN)
    shared = {name: value for name, value in others.items() if name in SHARED}
    try:
        request = _CHAT.decode(_ENCODER.encode(shared))
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    extra = {name: value for name, value in others.items() if name not in SHARED}
    messages, later = _messages(own)
    tools = None if own.tools is None else [read_tool(tool, f"tools[{at}]") for at, tool in enumerate(own.tools)]
    if later:
        tools = [*(tools or ()), *later]
    choice = read_choice(own.tool_choice, tools or ())
    if isinstance(choice, Raw):
        extra["tool_choice"], choice = choice, None
    text = own.text or {}
    verbosity = text.get("verbosity")
    reasoning = _reasoning(own.reasoning, extra)
    _keep(extra, "text", {name: value for name, value in text.items() if name not in ("format", "verbosity")})
    if own.include is not None:
        extra["include"] = _raw(own.include)
    if own.prompt is not None:
        extra["prompt"] = _raw(own.prompt)
    request = replace(
        request,
        messages=messages,
        max_tokens=own.max_output_tokens,
        tools=None if tools is None else tuple(tools),
        tool_choice=choice,
        reasoning=reasoning,
        response_format=read_format(text.get("format")),
        verbosity=None if verbosity is None else converted({"verbosity": verbosity}, ChatRequest, "text").verbosity,
        logprobs=True if request.top_logprobs or LOGPROBS in (own.include or ()) else None,
        extra=extra,
    )
    _check(request)
    return request


def error_body(status: int, error_type: str, message: str) -> dict[str, Any]:
    """The body of an answer that failed before it began: the same envelope as chat's (OPENROUTER.md 12.1)."""
    return {"error": {"code": status, "message": message, "metadata": {"error_type": error_type}}}


def _refuse_state(own: Body) -> None:
    if own.previous_response_id is not None:
        raise wrong("previous_response_id", f"nothing is stored here; leave it out and {_SEND_ALL}")
    if own.conversation is not None:
        raise wrong("conversation", f"nothing is stored here; leave it out and {_SEND_ALL}")
    if own.store:
        raise wrong("store", "responses are not stored here; leave it out or send false")
    if own.background:
        raise wrong("background", "responses are answered at once; leave it out or send false, and stream instead")


def _messages(own: Body) -> tuple[tuple[Message, ...], list[Any]]:
    reader = InputReader()
    if own.instructions is not None:
        reader.messages.append(SystemMessage(own.instructions, native={INSTRUCTIONS: True}))
    if isinstance(own.input, str):
        if not own.input:
            raise wrong("input", "is empty; send a text or a list of items")
        reader.messages.append(UserMessage(own.input, native={AS_TEXT: True}))
    elif own.input:
        for index, item in enumerate(own.input):
            reader.take(item, f"input[{index}]")
    elif own.prompt is None:
        raise wrong("input", "is required; send a text or a list of items that is not empty")
    return reader.end(), reader.tools


def _reasoning(value: dict[str, Any] | None, extra: dict[str, Raw]) -> Reasoning | None:
    if value is None:
        return None
    _keep(extra, "reasoning", {name: item for name, item in value.items() if name not in _REASONING})
    reasoning: Reasoning = converted({n: item for n, item in value.items() if n in _REASONING}, Reasoning, "reasoning")
    if reasoning.effort is not None and reasoning.max_tokens is not None:
        raise wrong("reasoning.max_tokens", "effort and max_tokens exclude each other; send one")
    return reasoning


def _keep(extra: dict[str, Raw], name: str, value: dict[str, Any]) -> None:
    if value := {key: item for key, item in value.items() if item is not None}:
        extra[name] = _raw(value)


def _raw(value: Any) -> Raw:
    return Raw(_ENCODER.encode(value))


def _check(request: ChatRequest) -> None:
    check_printable("model", request.model)
    check_printable("session_id", request.session_id)
    check_printable("user", request.user)
    for index, model in enumerate(request.models or ()):
        check_printable(f"models[{index}]", model)
