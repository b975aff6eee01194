"""OpenAI's chat format where we answer: requests in, answers and streams out, in OpenRouter's manner."""

import msgspec
from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, ToolChoice
from tollway.domain.errors import InvalidRequest
from tollway.wire.json_body import check_printable, decode_body
from tollway.wire.openai_chat.answer import encode_answer
from tollway.wire.openai_chat.chunks import EventEncoder
from tollway.wire.openai_chat.usage import usage_json
from tollway.wire.unknown_asked import Afresh, decode_slowly

__all__ = ["EventEncoder", "check", "decode_request", "encode_answer", "usage_json"]

_DECODER = msgspec.json.Decoder(ChatRequest)


def decode_request(body: bytes) -> ChatRequest:
    """The body of `POST /chat/completions`. Fields that we do not know are kept: in `extra`, in each `native`.

    InvalidRequest, with `param` set to the field's path: not JSON, a wrong type, out of bounds, or fields that
    contradict each other (OPENROUTER.md 3.1).
    """
    request = decode_body(body, _DECODER, decode_slowly)
    if request.extra and type(request.extra) is not Afresh:
        request = decode_slowly(body)  # the body itself said "tollway:extra", which is no field of ours to callers
    if not request.messages and not request.prompt:
        raise InvalidRequest("messages: at least one message (or a prompt) is required", param="messages")
    check(request)
    # Mistral's word for what everybody else calls "required".
    return replace(request, tool_choice="required") if request.tool_choice == "any" else request


def check(request: ChatRequest) -> None:
    """The rules between fields. InvalidRequest names the field that is wrong."""
    if request.top_logprobs and not request.logprobs:
        raise InvalidRequest("top_logprobs: needs logprobs to be true", param="top_logprobs")
    if request.reasoning is not None:
        _check_reasoning(request)
    form = request.response_format
    if form is not None:
        if form.type == "json_schema" and form.json_schema is None:
            raise InvalidRequest(
                'response_format.json_schema: is required with type "json_schema"', param="response_format.json_schema"
            )
        if form.type == "grammar" and form.grammar is None:
            raise InvalidRequest(
                'response_format.grammar: is required with type "grammar"', param="response_format.grammar"
            )
    if request.tools is not None:
        for index, tool in enumerate(request.tools):
            if tool.type == "function" and tool.function is None:
                raise InvalidRequest(
                    f'tools[{index}].function: is required with type "function"', param=f"tools[{index}].function"
                )
    if request.tool_choice is not None and isinstance(request.tool_choice, ToolChoice):
        _check_tool_choice(request, request.tool_choice)
    check_printable("model", request.model)
    if request.session_id is not None:
        check_printable("session_id", request.session_id)
    if request.user is not None:
        check_printable("user", request.user)
    for index, model in enumerate(request.models or ()):
        check_printable(f"models[{index}]", model)


def _check_reasoning(request: ChatRequest) -> None:
    asked = request.reasoning
    if asked is None:
        return
    if asked.effort is not None and request.reasoning_effort not in (None, asked.effort):
        raise InvalidRequest(
            f'reasoning_effort: "{request.reasoning_effort}" contradicts reasoning.effort "{asked.effort}"; send one',
            param="reasoning_effort",
        )
    if asked.effort is not None and asked.max_tokens is not None:
        raise InvalidRequest(
            "reasoning: effort and max_tokens exclude each other; send one", param="reasoning.max_tokens"
        )


def _check_tool_choice(request: ChatRequest, choice: ToolChoice) -> None:
    if choice.type != "function":
        return
    if choice.function is None:
        raise InvalidRequest('tool_choice.function: is required with type "function"', param="tool_choice.function")
    name = choice.function.name
    if not any(tool.function is not None and tool.function.name == name for tool in request.tools or ()):
        raise InvalidRequest(
            f'tool_choice.function.name: "{name[:80]}" is not among the tools', param="tool_choice.function.name"
        )
