"""A ChatRequest -> the bytes that Cohere gets."""

from typing import Any

import msgspec

from tollway.domain.chat import ChatRequest, Message, Tool, ToolChoice, UserMessage
from tollway.domain.quirks import Quirks
from tollway.wire.cohere_chat.messages import messages_of
from tollway.wire.free_text import as_functions
from tollway.wire.reasoning_budget import budget_of, wish_of
from tollway.wire.structured_output import in_words, told, way_of

_ENCODER = msgspec.json.Encoder()
_REASONING = ("reasoning", "reasoning_effort", "include_reasoning")
_OWN = ("citation_options", "documents", "priority", "safety_mode", "strict_tools", "thinking")
"""Cohere's own parameters, which callers of any format may send beside those of the format."""


def encode_request(
    request: ChatRequest,
    *,
    upstream_model: str,
    max_tokens: int | None,
    stream: bool,
    parameters: frozenset[str] = frozenset(),
    quirks: Quirks = Quirks(),  # noqa: B008 a frozen value, never changed
    user_id: str | None = None,
    same_format: bool = False,
) -> bytes:
    """The body of `POST /v2/chat`.

    `max_tokens` is what is sent, whatever the request says. `parameters` are the endpoint's `supported_parameters`
    (empty: unknown, all are sent). Cohere has no field for `user_id`, and no caller speaks this format.
    """
    body: dict[str, Any] = {"model": upstream_model, "stream": stream}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    _Writer(as_functions(request), body, parameters, quirks).write()
    return _ENCODER.encode(body)


class _Writer:
    """One request's fields, written into `body` in turn; what one decides, the next reads there."""

    def __init__(self, request: ChatRequest, body: dict[str, Any], parameters: frozenset[str], quirks: Quirks) -> None:
        self._request = request
        self._body = body
        self._parameters = parameters
        self._quirks = quirks
        self._own = {
            name: msgspec.json.decode(request.extra[name])
            for name in _OWN
            if name in request.extra and name not in quirks.drop
        }

    def write(self) -> None:
        if self._takes("tools"):
            self._write_tools()
        self._write_thinking()
        self._body.update(self._own)
        messages = self._request.messages or (UserMessage(content=self._request.prompt or ""),)
        self._body["messages"] = messages_of(self._write_format(messages), self._quirks.call_ids)
        self._write_sampling()

    def _takes(self, *names: str) -> bool:
        """Whether the endpoint takes any of these parameters."""
        if all(name in self._quirks.drop for name in names):
            return False
        return not self._parameters or not self._parameters.isdisjoint(names)

    def _write_tools(self) -> None:
        request, body = self._request, self._body
        given = request.tools or tuple(Tool(function=function) for function in request.functions or ())
        tools = [tool for one in given if (tool := _tool(one)) is not None]
        if not tools:
            return
        choice, allowed = _choice(request)
        # It cannot be told which tool to call: it gets no other.
        body["tools"] = [tool for tool in tools if tool["function"]["name"] in allowed] or tools
        if choice is not None:
            body["tool_choice"] = choice
        strict = [tool.function is not None and tool.function.strict for tool in given]
        # Tools without a required parameter are refused then (docs: parameter types in tool use).
        if all(strict) and all(tool["function"]["parameters"].get("required") for tool in tools):
            body["strict_tools"] = True

    def _write_thinking(self) -> None:
        wish = wish_of(self._request)
        if wish is None or wish.on is None:
            return  # a caller's own `thinking`, if any, stands
        self._own.pop("thinking", None)
        if not self._takes(*_REASONING):
            return
        if not wish.on:
            self._body["thinking"] = {"type": "disabled"}
            return
        limit, budget = self._body.get("max_tokens"), wish.budget
        if budget is None and wish.effort is not None and limit is not None:
            budget = budget_of(wish.effort, limit)
        if budget is not None and limit is not None:
            budget = min(budget, limit - 1)
        self._body["thinking"] = {"type": "enabled", "token_budget": max(budget, 1)} if budget else {"type": "enabled"}

    def _write_format(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The wish for JSON, as a format or in words, which are added to the messages."""
        wanted, body = self._request.response_format, self._body
        way = way_of(self._request, self._parameters, self._quirks)
        if wanted is None or way is None:
            return messages
        if way == "words" or "tools" in body or "documents" in body:
            # A format excludes tools and documents (docs: structured outputs).
            return told(in_words(wanted), messages)
        schema = wanted.json_schema.schema if wanted.json_schema is not None else None
        if way == "json_object" or schema is None:
            body["response_format"] = {"type": "json_object"}
            return messages if schema is None else told(in_words(wanted), messages)
        body["response_format"] = {"type": "json_object", "json_schema": schema}
        return messages

    def _write_sampling(self) -> None:
        request, body = self._request, self._body
        stop = [request.stop] if isinstance(request.stop, str) else list(request.stop or ())
        values: tuple[tuple[str, str, Any], ...] = (
            ("temperature", "temperature", request.temperature),
            ("top_p", "p", _within(request.top_p, 0.01, 0.99)),
            ("top_k", "k", _within(request.top_k, 0, 500)),
            ("frequency_penalty", "frequency_penalty", _within(request.frequency_penalty, 0, 1)),
            ("presence_penalty", "presence_penalty", _within(request.presence_penalty, 0, 1)),
            ("seed", "seed", None if request.seed is None else request.seed % 2**64),
            ("stop", "stop_sequences", stop or None),
            ("logprobs", "logprobs", request.logprobs),
        )
        for ours, theirs, value in values:
            if value is not None and self._takes(ours):
                body[theirs] = value


def _tool(tool: Tool) -> dict[str, Any] | None:
    """A function. Other formats' own tools have no counterpart."""
    if tool.function is None:
        return None
    said: dict[str, Any] = {"name": tool.function.name}
    if tool.function.description is not None:
        said["description"] = tool.function.description
    said["parameters"] = tool.function.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": said}


def _choice(request: ChatRequest) -> tuple[str | None, frozenset[str]]:
    """Cohere's word for the choice (None: it chooses), and the tools that may be called (none: all of them)."""
    asked: Any = request.tool_choice
    if asked is None and request.function_call is not None:
        called = request.function_call
        asked = called if isinstance(called, str) else ToolChoice("function", called)
    match asked:
        case "none":
            return "NONE", frozenset()
        case "required" | "any":
            return "REQUIRED", frozenset()
        case ToolChoice(function=function) if function is not None:
            return "REQUIRED", frozenset({function.name})
        case ToolChoice(allowed_tools=allowed) if allowed is not None:
            return "REQUIRED" if allowed.get("mode") == "required" else None, _names(allowed.get("tools"))
        case _:
            return None, frozenset()


def _names(tools: Any) -> frozenset[str]:
    """The names in OpenAI's list of tools that are allowed."""
    given = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    named = [inner for tool in given if isinstance(inner := tool.get(str(tool.get("type"))), dict)]
    return frozenset(str(tool["name"]) for tool in named if "name" in tool)


def _within(value: float | None, least: float, most: float) -> float | None:
    """Cohere refuses what is out of its range (API reference: chat)."""
    return None if value is None else min(max(value, least), most)
