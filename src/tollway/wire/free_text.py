"""Tools with free text as input (OpenAI's `custom`), where only functions are known: offered as such, and read back."""

import json
import re
from collections.abc import Iterable
from typing import Any, Protocol

from msgspec.structs import replace

from tollway.domain.chat import (
    AssistantMessage,
    ChatRequest,
    Message,
    MessageToolCall,
    Tool,
    ToolChoice,
    ToolChoiceFunction,
    ToolFunction,
)
from tollway.domain.events import Answer, Event, Finished, ToolCall, ToolCallDelta

SCHEMA = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""The parameters of the function that such a tool becomes; `domain.chat.CustomCall` writes its calls so."""

_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_HEAD_MAX = 64
"""Characters after which arguments that do not begin so never will."""
_STRING = re.compile(r'(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*')
_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")
"""The first half of a surrogate pair, whose other half is not there yet."""


def custom_names(request: ChatRequest) -> frozenset[str]:
    """The names of a request's custom tools; for most requests none."""
    if not request.tools:
        return frozenset()
    return frozenset(_name(tool) for tool in request.tools if tool.custom is not None)


def as_functions(request: ChatRequest) -> ChatRequest:
    """The request with functions of one text in the place of custom tools, their calls and the choice among them."""
    if not custom_names(request) and not any(map(_is_custom, request.messages)):
        return request
    return replace(
        request,
        tools=None if request.tools is None else tuple(_function(tool) for tool in request.tools),
        tool_choice=_choice(request.tool_choice)
        if isinstance(request.tool_choice, ToolChoice)
        else request.tool_choice,
        messages=tuple(_plain(message) for message in request.messages),
    )


def _name(tool: Tool) -> str:
    return str((tool.custom or {}).get("name") or "input")


def _function(tool: Tool) -> Tool:
    if tool.custom is None:
        return tool
    told = [str(tool.custom.get("description") or "")]
    form = tool.custom.get("format")
    grammar = form.get("grammar") if isinstance(form, dict) else None
    if isinstance(grammar, dict):
        told.append(f"The input follows this {grammar.get('syntax', '')} grammar:\n{grammar.get('definition', '')}")
    description = "\n\n".join(filter(None, told)) or None
    return Tool(function=ToolFunction(_name(tool), description, SCHEMA), cache_control=tool.cache_control)


def _choice(choice: ToolChoice) -> ToolChoice:
    if choice.custom is not None:
        return ToolChoice("function", ToolChoiceFunction(str(choice.custom.get("name", ""))))
    if choice.allowed_tools is None or not isinstance(tools := choice.allowed_tools.get("tools"), list):
        return choice
    return replace(choice, allowed_tools={**choice.allowed_tools, "tools": [_allowed(tool) for tool in tools]})


def _allowed(tool: Any) -> Any:
    if isinstance(tool, dict) and isinstance(custom := tool.get("custom"), dict):
        return {"type": "function", "function": {"name": custom.get("name")}}
    return tool


def _is_custom(message: Message) -> bool:
    return type(message) is AssistantMessage and any(call.custom is not None for call in message.tool_calls or ())


def _plain(message: Message) -> Message:
    if not isinstance(message, AssistantMessage) or not _is_custom(message):
        return message
    calls = [
        call if call.custom is None else MessageToolCall(call.id, call.function, native=call.native)
        for call in message.tool_calls or ()
    ]
    return replace(message, tool_calls=tuple(calls))


class Decoder(Protocol):
    """What reads a stream (`wire.formats.StreamDecoder`)."""

    @property
    def saw_done(self) -> bool: ...
    def feed(self, data: bytes) -> list[Event]: ...
    def end(self) -> list[Event]: ...


class FreeTextDecoder:
    """Another decoder's events, but that the calls of custom tools have their text as input, as it comes."""

    def __init__(self, inner: Decoder, names: frozenset[str]) -> None:
        self._inner = inner
        self._names = names
        self._open: dict[tuple[int, int], _Input] = {}

    @property
    def saw_done(self) -> bool:
        return self._inner.saw_done

    def feed(self, data: bytes) -> list[Event]:
        return [event for one in self._inner.feed(data) for event in self._take(one)]

    def end(self) -> list[Event]:
        return [event for one in self._inner.end() for event in self._take(one)]

    def _take(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Finished):
            for (choice, index), given in self._open.items():
                if choice == event.choice and (rest := given.end()):
                    yield ToolCallDelta(index, choice, arguments=rest, custom=True)
        if not isinstance(event, ToolCallDelta) or event.custom:
            yield event
            return
        place = (event.choice, event.index)
        if event.name in self._names:
            self._open.setdefault(place, _Input())
        if (known := self._open.get(place)) is None:
            yield event
            return
        text = known.take(event.arguments)
        if text or event.id or event.extra_content is not None:
            yield ToolCallDelta(event.index, event.choice, event.id, event.name, text, event.extra_content, custom=True)


def with_free_text(answer: Answer, names: frozenset[str]) -> Answer:
    """The same for an answer that came whole."""
    choices = [
        replace(choice, tool_calls=tuple(_free(call, names) for call in choice.tool_calls)) for choice in answer.choices
    ]
    return replace(answer, choices=tuple(choices))


def _free(call: ToolCall, names: frozenset[str]) -> ToolCall:
    if call.custom or call.name not in names:
        return call
    given = _Input()
    return replace(call, arguments=given.take(call.arguments) + given.end(), custom=True)


class _Input:
    """The text in `{"input": "..."}`, read while it grows. What is of another shape is the text itself, at the end."""

    __slots__ = ("_begun", "_done", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._begun = False
        self._done = False

    def take(self, piece: str) -> str:
        if self._done:
            return ""
        self._text += piece
        if not self._begun:
            found = _HEAD.match(self._text[:_HEAD_MAX])
            if found is None:
                return ""
            self._begun, self._text = True, self._text[found.end() :]
        whole = _STRING.match(self._text)
        said = whole.group() if whole is not None else ""
        if half := _HALF.search(said):
            said = said[: half.start()]
        self._text = self._text[len(said) :]
        self._done = self._text.startswith('"')
        # A lone surrogate is no text.
        return str(json.loads(f'"{said}"', strict=False)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def end(self) -> str:
        """What was not of the shape; an input that was cut has been told as far as it came."""
        return "" if self._begun else self._text
