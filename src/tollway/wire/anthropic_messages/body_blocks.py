"""Content blocks of a caller -> messages and parts; what only this format can say stays with them as `native`."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    CacheControl,
    FileData,
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    MessageToolCall,
    NativePart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest
from tollway.wire.anthropic_messages.details import carried
from tollway.wire.anthropic_messages.sources import url_of
from tollway.wire.claude import hidden, thought
from tollway.wire.json_body import invalid

Block = dict[str, Any]
_ORDER = {"thinking": 0, "redacted_thinking": 0, "tool_use": 2}


AS_TURN = "anthropic_messages:turn"
"""Marks an instruction that came as a turn, and not as the system prompt."""


def system_message(content: str | list[Block], path: str, *, turn: bool = False) -> SystemMessage:
    """A system prompt, or an instruction among the turns."""
    said = content if isinstance(content, str) else _parts(content, path)
    return SystemMessage(content=said, native={AS_TURN: True} if turn else None)


def user_messages(content: str | list[Block], path: str) -> list[Message]:
    """A user's turn: each tool's result is a message of its own, what stands between them another."""
    if isinstance(content, str):
        return [UserMessage(content=content)]
    messages: list[Message] = []
    parts: list[AnyPart] = []
    for index, block in enumerate(content):
        here = f"{path}[{index}]"
        if _kind(block, here) != "tool_result":
            parts.append(_part(block, here))
            continue
        if parts:
            messages.append(UserMessage(content=tuple(parts)))
            parts = []
        messages.append(_tool_result(block, here))
    if parts or not messages:
        messages.append(UserMessage(content=tuple(parts)))
    return messages


def assistant_message(content: str | list[Block], path: str) -> AssistantMessage:
    """An assistant's turn. Where its blocks are not in our order (thoughts, text, calls), the order is kept besides."""
    if isinstance(content, str):
        return AssistantMessage(content=content)
    details: list[Raw] = []
    thoughts: list[str] = []
    calls: list[MessageToolCall] = []
    parts: list[AnyPart] = []
    kinds = [_kind(block, f"{path}[{index}]") for index, block in enumerate(content)]
    ranks = [_ORDER.get(kind, 1) for kind in kinds]
    is_ours = ranks == sorted(ranks) and not any(map(_is_unsigned, content))
    hung: dict[str, dict[str, Any]] = {}
    for index, (block, kind) in enumerate(zip(content, kinds, strict=True)):
        here = f"{path}[{index}]"
        match kind:
            case "thinking":
                text = _text(block, "thinking", here)
                thoughts.append(text)
                details.append(thought(text, len(details), block.get("signature")))
            case "redacted_thinking":
                data = _text(block, "data", here)
                if (other := carried(data)) is not None:
                    if other.detail is not None:
                        details.append(Raw(msgspec.json.encode(other.detail)))
                    elif other.call is not None and other.extra_content is not None:
                        hung[other.call] = other.extra_content
                    continue
                details.append(hidden(data, len(details)))
            case "tool_use":
                calls.append(_call(block, here))
            case _:
                parts.append(_part(block, here))
                continue
        if not is_ours:
            parts.append(NativePart(native=block))
    if hung:
        calls = [replace(call, extra_content=hung.get(call.id, call.extra_content)) for call in calls]
    return AssistantMessage(
        content=tuple(parts) if parts else None,
        tool_calls=tuple(calls) if calls else None,
        reasoning="\n\n".join(filter(None, thoughts)) or None,
        reasoning_details=tuple(details) if details else None,
    )


def _is_unsigned(block: Block) -> bool:
    """Thoughts that a provider without signatures sent; only their own kind takes them back."""
    return block.get("type") == "thinking" and not block.get("signature")


def _parts(content: list[Block], path: str) -> tuple[AnyPart, ...]:
    return tuple([_part(block, f"{path}[{index}]") for index, block in enumerate(content)])


def _part(block: Block, path: str) -> AnyPart:
    match _kind(block, path):
        case "text":
            return TextPart(
                _text(block, "text", path), _cached(block, path), native=_rest(block, "text", "cache_control")
            )
        case "image":
            source = _source(block, path)
            if (url := url_of(source)) is not None:
                native = _rest(block, "source", "cache_control")
                return ImagePart(ImageUrl(url), _cached(block, path), native=native)
        case "document":
            source = _source(block, path)
            title = block.get("title") if isinstance(block.get("title"), str) else None
            native = _rest(block, "source", "cache_control", *(("title",) if title else ()))
            if source.get("type") == "file" and isinstance(source.get("file_id"), str):
                file = FileData(filename=title, file_id=source["file_id"])
                return FilePart(file, _cached(block, path), native=native)
            if (url := url_of(source)) is not None:
                return FilePart(FileData(filename=title, file_data=url), _cached(block, path), native=native)
    return NativePart(native=block, text=_readable(block))


def _tool_result(block: Block, path: str) -> ToolMessage:
    content = block.get("content")
    if content is not None and not isinstance(content, (str, list)):
        raise _wrong(f"{path}.content", "expected a string or a list of blocks")
    return ToolMessage(
        content=_parts(_blocks(content, f"{path}.content"), f"{path}.content")
        if isinstance(content, list)
        else content or "",
        tool_call_id=_text(block, "tool_use_id", path),
        cache_control=_cached(block, path),
        native=_rest(block, "tool_use_id", "content", "cache_control"),
    )


def _call(block: Block, path: str) -> MessageToolCall:
    given = block.get("input", {})
    if not isinstance(given, dict):
        raise _wrong(f"{path}.input", "expected an object")
    function = FunctionCall(_text(block, "name", path), msgspec.json.encode(given).decode())
    return MessageToolCall(id=_text(block, "id", path), function=function, native=_rest(block, "id", "name", "input"))


def _readable(block: Block) -> str:
    """What a block of this format says to a model of another one: a search result's text, a tool's name."""
    match block.get("type"):
        case "search_result":
            head = [str(block[name]) for name in ("title", "source") if block.get(name)]
            return "\n".join([*head, *_texts(block.get("content"))])
        case "document":
            source = block.get("source")
            inner = source.get("content") if isinstance(source, dict) else None
            return inner if isinstance(inner, str) else "\n".join(_texts(inner))
        case "tool_reference":
            return str(block.get("tool_name") or "")
        case _:
            return ""


def _texts(content: Any) -> list[str]:
    if not isinstance(content, list):
        return []
    return [str(block["text"]) for block in content if isinstance(block, dict) and isinstance(block.get("text"), str)]


def _blocks(content: list[Any], path: str) -> list[Block]:
    for index, block in enumerate(content):
        if not isinstance(block, dict):
            raise _wrong(f"{path}[{index}]", "expected an object")
    return content


def _kind(block: Block, path: str) -> str:
    return _text(block, "type", path)


def _text(block: Block, name: str, path: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise _wrong(f"{path}.{name}", "is required" if value is None else "expected a string")
    return value


def _source(block: Block, path: str) -> Block:
    source = block.get("source")
    if not isinstance(source, dict):
        raise _wrong(f"{path}.source", "is required" if source is None else "expected an object")
    return source


def _cached(block: Block, path: str) -> CacheControl | None:
    mark = block.get("cache_control")
    return None if mark is None else converted(mark, CacheControl, f"{path}.cache_control")


def _rest(block: Block, *known: str) -> dict[str, Any] | None:
    """The fields that have no place of their own; null says nothing."""
    return {
        name: value for name, value in block.items() if value is not None and name != "type" and name not in known
    } or None


def converted(value: Any, kind: Callable[..., Any], path: str) -> Any:
    """A decoded value as a Struct. InvalidRequest with the field's whole path."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = invalid(str(error))
        place = f"{path}.{found.param}" if found.param else path
        text = found.message.removeprefix(f"{found.param}: ").removeprefix("The body: ")
        raise _wrong(place, text) from None


def _wrong(path: str, text: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {text}", param=path)
