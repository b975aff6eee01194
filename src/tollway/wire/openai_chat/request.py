"""A ChatRequest -> the bytes that a provider of this format gets: its own parameters, and nothing of ours."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.chat import (
    AssistantMessage,
    ChatRequest,
    DeveloperMessage,
    FunctionMessage,
    LegacyVideoPart,
    Message,
    NativePart,
    Reasoning,
    StreamOptions,
    SystemMessage,
    TextPart,
    Tool,
    UserMessage,
    VideoPart,
)
from tollway.domain.quirks import Quirks
from tollway.wire.never_forwarded import NEVER
from tollway.wire.openai_chat.parameters import LISTED, OPENROUTER_ONLY, OURS
from tollway.wire.reasoning_budget import effort_of

_WITH_USAGE = StreamOptions(include_usage=True)
_ENCODER = msgspec.json.Encoder()


def encode_request(
    request: ChatRequest,
    *,
    upstream_model: str,
    max_tokens: int | None,
    stream: bool,
    parameters: frozenset[str] = frozenset(),
    quirks: Quirks = Quirks(),  # noqa: B008 a frozen value, never changed
    same_format: bool = True,
    user_id: str | None = None,
) -> bytes:
    """The body of `POST /chat/completions`.

    `max_tokens` is what is sent, whatever the request says: it bounds what the hold must cover. `parameters` are the
    endpoint's `supported_parameters` (empty: unknown, all are sent); what is not among them is dropped, and nothing
    is defaulted in. `user_id` is a hash: the caller's `user` never leaves. Unknown fields go along only where the
    request came in this format.
    """
    changes: dict[str, Any] = dict(_dropped(parameters, quirks.drop, quirks.reasoning_style))
    changes["model"] = upstream_model
    added: dict[str, Any] = {}
    if stream:
        changes["stream"] = True
        if quirks.stream_usage:
            changes["stream_options"] = _WITH_USAGE
    if request.prompt is not None and not request.messages:
        changes["messages"] = (UserMessage(content=request.prompt),)
    if user_id is not None and "user" not in quirks.drop:
        changes["user"] = user_id
    if max_tokens is not None:
        name = "max_completion_tokens" if request.max_completion_tokens is not None else "max_tokens"
        if parameters and name not in parameters and (other := _OTHER_NAME[name]) in parameters:
            name = other
        theirs = quirks.rename.get(name, name)
        (changes if theirs in _FIELDS else added)[theirs] = max_tokens
    if request.reasoning is not None or request.reasoning_effort is not None or request.include_reasoning is not None:
        _ask_to_reason(request, parameters, quirks, changes)
    if quirks.rename:
        _rename(request, quirks.rename, changes, added)
    if request.extra and same_format:
        # What we say stands: a caller who knows the provider's own word for max_tokens may not pass the bound with it.
        added = {name: value for name, value in request.extra.items() if _may_leave(name, quirks)} | added
    messages = changes.get("messages", request.messages)
    if (plain := _plain_messages(messages, quirks)) is not None:
        changes["messages"] = plain
    if request.tools is not None and changes.get("tools", ()) is not None:
        tools = tuple([_plain_tool(tool, quirks.keeps) for tool in request.tools if not _is_foreign(tool)])
        changes["tools"] = tools
        if request.tools and not tools:
            changes |= _NO_TOOLS
    body = _ENCODER.encode(replace(request, **changes))
    return _with(body, added) if added else body


_FIELDS = frozenset(ChatRequest.__struct_fields__)
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_EMPTY: dict[str, Raw] = {}
_NO_TOOLS = {"tools": None, "tool_choice": None, "parallel_tool_calls": None}


@lru_cache(maxsize=4096)
def _dropped(parameters: frozenset[str], drop: frozenset[str], style: str) -> Mapping[str, Any]:
    """Field -> None for everything that this endpoint must not get."""
    names = OURS | (drop & _FIELDS)
    if style == "effort":
        names |= OPENROUTER_ONLY
    if parameters:
        names |= LISTED - parameters
        if "structured_outputs" in parameters and "response_format" not in drop:
            names -= {"response_format"}
    fields: dict[str, Any] = dict.fromkeys(sorted(names - {"messages", "model"}))
    fields["extra"] = _EMPTY
    return fields


def _ask_to_reason(request: ChatRequest, parameters: frozenset[str], quirks: Quirks, changes: dict[str, Any]) -> None:
    """`reasoning` or `reasoning_effort`, whichever the caller wrote -> the one that the provider knows."""
    if parameters and parameters.isdisjoint(("reasoning", "reasoning_effort", "include_reasoning")):
        return
    asked = request.reasoning or Reasoning()
    effort = asked.effort or request.reasoning_effort
    if quirks.reasoning_style == "object":
        if "reasoning" not in quirks.drop:
            exclude = True if request.include_reasoning is False else asked.exclude
            changes["reasoning"] = replace(asked, effort=effort, exclude=exclude)
        return
    if effort is None and asked.max_tokens is not None and request.output_limit is not None:
        # Effort-only models get an effort derived from the budget (OPENROUTER.md 9.1).
        effort = effort_of(asked.max_tokens, request.output_limit)
    elif effort is None and asked.enabled is not None:
        effort = "medium" if asked.enabled else "none"
    if effort is not None and "reasoning_effort" not in quirks.drop:
        changes["reasoning_effort"] = effort


def _rename(request: ChatRequest, names: Mapping[str, str], changes: dict[str, Any], added: dict[str, Any]) -> None:
    """Give a parameter the name that the provider has for it."""
    for name, theirs in names.items():
        if name in _OTHER_NAME or name not in _FIELDS:
            continue
        value = changes[name] if name in changes else getattr(request, name)
        if value is None:
            continue
        changes[name] = None
        (changes if theirs in _FIELDS else added)[theirs] = value


def _may_leave(name: str, quirks: Quirks) -> bool:
    return name not in NEVER and name not in quirks.drop and name not in _FIELDS


def _is_foreign(tool: Tool) -> bool:
    """A tool of another format, which has no counterpart in this one (Anthropic's `memory_20250818`)."""
    return tool.native is not None and tool.function is None


def _plain_tool(tool: Tool, keeps: frozenset[str]) -> Tool:
    changes = {name: None for name in _TOOL_EXTRAS if getattr(tool, name) is not None and name not in keeps}
    return replace(tool, **changes) if changes else tool


def _plain_messages(messages: tuple[Message, ...], quirks: Quirks) -> tuple[Message, ...] | None:
    """Messages without what the provider does not take (Quirks.keeps), or None where they are fine as they are."""
    said = [message for message in messages if not _is_foreign_turn(message)]
    plain = [_plain_message(message, quirks) for message in said]
    if len(said) == len(messages) and all(after is before for before, after in zip(messages, plain, strict=True)):
        return None
    return tuple(plain)


def _is_foreign_turn(message: Message) -> bool:
    """A turn of nothing but pieces that only another format can say: an empty message would be refused."""
    return (
        isinstance(message, AssistantMessage)
        and type(message.content) is tuple
        and len(message.content) > 0
        and all(type(part) is NativePart and not part.text for part in message.content)
        and not (message.tool_calls or message.function_call or message.refusal)
    )


def _plain_message(message: Message, quirks: Quirks) -> Message:
    if isinstance(message, FunctionMessage):
        return message
    if isinstance(message, DeveloperMessage) and not quirks.developer_role:
        message = SystemMessage(content=message.content, name=message.name)
    changes: dict[str, Any] = {}
    keeps = quirks.keeps
    if "cache_control" not in keeps and getattr(message, "cache_control", None) is not None:
        changes["cache_control"] = None
    if getattr(message, "native", None) is not None:
        changes["native"] = None
    if type(message.content) is tuple:
        kept = [part for part in message.content if type(part) is not NativePart or part.text]
        parts = tuple([_plain_part(part, keeps) for part in kept])
        # Where all of it was of another format, there is nothing left to say, but the field is needed.
        changes["content"] = parts or ("" if message.content else parts)
    if isinstance(message, AssistantMessage):
        _plain_assistant(message, keeps, changes)
    return replace(message, **changes) if changes else message


def _plain_assistant(message: AssistantMessage, keeps: frozenset[str], changes: dict[str, Any]) -> None:
    for name in _ASSISTANT_EXTRAS:
        if getattr(message, name) is not None and name not in keeps:
            changes[name] = None
    for theirs, other in (("reasoning", "reasoning_content"), ("reasoning_content", "reasoning")):
        # The same thoughts under the name that the provider has for them.
        if other in changes and theirs in keeps and getattr(message, theirs) is None:
            changes[theirs] = getattr(message, other)
    if "extra_content" not in keeps and any(call.extra_content is not None for call in message.tool_calls or ()):
        changes["tool_calls"] = tuple(replace(call, extra_content=None) for call in message.tool_calls or ())
    if any(call.native is not None for call in message.tool_calls or ()):
        calls = changes.get("tool_calls", message.tool_calls or ())
        changes["tool_calls"] = tuple(replace(call, native=None) for call in calls)


_ASSISTANT_EXTRAS = ("reasoning", "reasoning_content", "reasoning_details", "images", "annotations", "prefix", "model")
_TOOL_EXTRAS = ("cache_control", "eager_input_streaming", "native")


def _plain_part(part: Any, keeps: frozenset[str]) -> Any:
    if isinstance(part, LegacyVideoPart):
        part = VideoPart(video_url=part.video_url)
    elif isinstance(part, NativePart):
        return TextPart(part.text)
    changes = {
        name: None
        for name in ("cache_control", "prompt_cache_breakpoint", "native")
        if name not in keeps and getattr(part, name, None) is not None
    }
    return replace(part, **changes) if changes else part


def _with(body: bytes, added: Mapping[str, Any]) -> bytes:
    """Fields that ChatRequest has no place for, written behind the others."""
    return body[:-1] + b"," + _ENCODER.encode(added)[1:]
