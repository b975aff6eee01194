"""A ChatRequest -> the bytes that a provider of this format gets: its own parameters, and nothing of ours."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import astuple, replace

from tollway.domain.chat import ChatRequest, Message, ResponseFormat, StreamOptions, Tool, UserMessage
from tollway.domain.quirks import Quirks
from tollway.wire.free_text import as_functions
from tollway.wire.never_forwarded import NEVER
from tollway.wire.openai_chat.messages import are_simple, is_prefill, plain_messages
from tollway.wire.openai_chat.parameters import LISTED, OPENROUTER_ONLY, OURS
from tollway.wire.openai_chat.reasoning import ask_to_reason
from tollway.wire.structured_output import in_words, told, way_of
from tollway.wire.unknown_asked import put_back

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
    simple = bool(request.messages) and not quirks.alternates and are_simple(request.messages)
    limit = _limit_name(request, parameters, quirks)
    if simple and user_id is None and limit in _OTHER_NAME and _is_bare(request, parameters, quirks):
        bare = _Bare(request.messages, upstream_model, temperature=request.temperature)
        if stream:
            bare.stream, bare.stream_options = True, _WITH_USAGE if quirks.stream_usage else None
        if limit == "max_tokens":
            bare.max_tokens = max_tokens
        else:
            bare.max_completion_tokens = max_tokens
        return _ENCODER.encode(bare)
    if not quirks.custom_tools and not (simple and request.tools is None):
        request = as_functions(request)
    changes = _without(request, *_dropped(parameters, quirks.drop, quirks.reasoning_style))
    changes |= {"extra": _EMPTY, "model": upstream_model, "max_tokens": None, "max_completion_tokens": None}
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
        (changes if limit in _FIELDS else added)[limit] = max_tokens
    if request.reasoning is not None or request.reasoning_effort is not None or request.include_reasoning is not None:
        wish = ask_to_reason(request, model=upstream_model, max_tokens=max_tokens, parameters=parameters, quirks=quirks)
        for name, value in wish.items():
            if name in _FIELDS:
                changes[name] = value
            elif not (same_format and name in request.extra):  # the caller knows the provider's own word
                added[name] = value
    _bound(request, quirks, changes)
    if quirks.rename:
        _rename(request, quirks.rename, changes, added)
    if request.extra and same_format:
        # What we say stands: a caller who knows the provider's own word for max_tokens may not pass the bound with it.
        added = {name: value for name, value in request.extra.items() if _may_leave(name, quirks)} | added
    messages: tuple[Message, ...] = changes.get("messages", request.messages)
    if request.response_format is not None:
        messages = _write_format(request, request.response_format, messages, parameters, quirks, changes)
    if quirks.prefill == "continue" and messages and is_prefill(messages[-1]):
        added |= {"continue_final_message": True, "add_generation_prompt": False}
    if not simple or messages is not request.messages:
        plain = plain_messages(messages, quirks, same_format=same_format)
        changes["messages"] = messages if plain is None else plain
    if request.tools is not None and changes.get("tools", ()) is not None:
        changes |= _plain_tools(request.tools, quirks.keeps, same_format)
    body = _ENCODER.encode(replace(request, **changes))
    return _with(body, added) if added else body


class _Bare(Struct, omit_defaults=True):
    """What is sent of a request with hardly an option, as ChatRequest writes it."""

    messages: tuple[Message, ...]
    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None


def _is_bare(request: ChatRequest, parameters: frozenset[str], quirks: Quirks) -> bool:
    """Whether the temperature is its only option, if it has one, and is sent as it is; as most are."""
    return astuple(request)[_OPTIONS:] == _NO_OPTIONS and (
        request.temperature is None
        or (
            (not parameters or "temperature" in parameters)
            and "temperature" not in quirks.drop
            and "temperature" not in quirks.ranges
            and "temperature" not in quirks.rename
        )
    )


_OPTIONS = ChatRequest.__struct_fields__.index("temperature") + 1
"""From this field on there are other options. Those before it are written anew, or never sent."""
_NO_OPTIONS = astuple(ChatRequest())[_OPTIONS:]
_FIELDS = frozenset(ChatRequest.__struct_fields__)
_WRITTEN_ANEW = {"messages", "model", "extra", "max_tokens", "max_completion_tokens"}
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_EMPTY: dict[str, Raw] = {}
_TOOL_EXTRAS = ("cache_control", "eager_input_streaming")
_NO_TOOLS = {"tools": None, "tool_choice": None, "parallel_tool_calls": None}


@lru_cache(maxsize=4096)
def _dropped(
    parameters: frozenset[str], drop: frozenset[str], style: str
) -> tuple[tuple[str, ...], Callable[[ChatRequest], tuple[Any, ...]]]:
    """The fields that this endpoint must not get, and how their values are had of a request."""
    names = OURS | (drop & _FIELDS)
    if style != "object":
        names |= OPENROUTER_ONLY
    if parameters:
        names |= LISTED - parameters
        if "structured_outputs" in parameters and "response_format" not in drop:
            names -= {"response_format"}
    fields = tuple(sorted(names - _WRITTEN_ANEW))
    return fields, attrgetter(*fields)


def _without(
    request: ChatRequest, fields: tuple[str, ...], values: Callable[[ChatRequest], tuple[Any, ...]]
) -> dict[str, Any]:
    """The changes by which these fields go; none for most requests, which is seen at a glance."""
    given = values(request)
    if given == (None,) * len(fields):
        return {}
    return {name: None for name, value in zip(fields, given, strict=True) if value is not None}


def _limit_name(request: ChatRequest, parameters: frozenset[str], quirks: Quirks) -> str:
    """What the provider calls the bound on output tokens: the caller's word for it, where it knows both."""
    name = "max_completion_tokens" if request.max_completion_tokens is not None else "max_tokens"
    if parameters and name not in parameters and (other := _OTHER_NAME[name]) in parameters:
        name = other
    return quirks.rename.get(name, name)


def _bound(request: ChatRequest, quirks: Quirks, changes: dict[str, Any]) -> None:
    """Move what the provider does not take so far to the last that it takes."""
    if request.verbosity in ("xhigh", "max") and quirks.reasoning_style != "object" and "verbosity" not in changes:
        changes["verbosity"] = "high"  # OpenAI's last word; those above are Claude's
    for name, (least, most) in quirks.ranges.items():
        if (number := getattr(request, name)) is not None and name not in changes:
            changes[name] = min(max(number, least), most)


def _write_format(
    request: ChatRequest,
    form: ResponseFormat,
    messages: tuple[Message, ...],
    parameters: frozenset[str],
    quirks: Quirks,
    changes: dict[str, Any],
) -> tuple[Message, ...]:
    """The answer's format as the provider takes it, and the messages with what has to be said in words."""
    way = way_of(request, parameters, quirks)
    if way is None or way == "native":
        return messages
    changes["response_format"] = ResponseFormat("json_object") if way == "json_object" else None
    return told(in_words(form), messages)


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


def _plain_tools(tools: tuple[Tool, ...], keeps: frozenset[str], same_format: bool) -> Mapping[str, Any]:
    plain = [_plain_tool(tool, keeps, same_format) for tool in tools if same_format or not _is_foreign(tool)]
    return _NO_TOOLS if tools and not plain else {"tools": tuple(plain)}


def _plain_tool(tool: Tool, keeps: frozenset[str], same_format: bool) -> Any:
    changes = {name: None for name in _TOOL_EXTRAS if getattr(tool, name) is not None and name not in keeps}
    if tool.native is not None and not same_format:
        changes["native"] = None
    tool = replace(tool, **changes) if changes else tool
    return tool if tool.native is None else put_back(tool)


def _with(body: bytes, added: Mapping[str, Any]) -> bytes:
    """Fields that ChatRequest has no place for, written behind the others."""
    return body[:-1] + b"," + _ENCODER.encode(added)[1:]
