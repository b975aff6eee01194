"""Messages as a provider of this format takes them: without the fields that it refuses, and what they need besides."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.structs import replace

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    Content,
    CustomCall,
    DeveloperMessage,
    FunctionMessage,
    LegacyVideoPart,
    Message,
    MessageToolCall,
    Native,
    NativePart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
    VideoPart,
)
from tollway.domain.quirks import Quirks
from tollway.wire.call_ids import CallIds
from tollway.wire.named import named
from tollway.wire.unknown_asked import NATIVE, has_unknown, put_back


def plain_messages(messages: tuple[Message, ...], quirks: Quirks, *, same_format: bool) -> tuple[Message, ...] | None:
    """Messages without what the provider does not take (Quirks.keeps), or None where they are fine as they are.

    Ids of calls stay as they are where they came in this format, and the provider takes any.
    """
    if not quirks.alternates and are_simple(messages):
        return None
    said = [message for message in messages if not _is_foreign_turn(message)]
    plain = [_plain_message(message, quirks, same_format) for message in said]
    if (quirks.call_ids or not same_format) and any(
        type(message) is AssistantMessage and message.tool_calls for message in plain
    ):
        plain = _with_legal_ids(plain, quirks.call_ids)
    if quirks.alternates:
        plain = _alternating(plain)
    if quirks.prefill in ("prefix", "partial") and plain and is_prefill(plain[-1]):
        plain[-1] = replace(plain[-1], **{quirks.prefill: True})
    if same_format:
        plain = [put_back(message) if has_unknown(message) else message for message in plain]
    if len(plain) == len(messages) and all(after is before for before, after in zip(messages, plain, strict=True)):
        return None
    return tuple(plain)


def are_simple(messages: tuple[Message, ...]) -> bool:
    """Whether all are a user's or a system's plain text, as most are: nobody refuses it."""
    for message in messages:
        if not (
            (type(message) is UserMessage or type(message) is SystemMessage)
            and type(message.content) is str
            and message.name is None
            and message.cache_control is None
            and message.native is None
        ):
            return False
    return True


def is_prefill(message: Message) -> bool:
    """Whether a last message is the start of the answer: an assistant's, with text, that calls nothing."""
    return type(message) is AssistantMessage and bool(message.content) and not message.tool_calls


def _with_legal_ids(messages: list[Message], pattern: str) -> list[Message]:
    ids = CallIds(pattern)
    legal: list[Message] = []
    for message in messages:
        if isinstance(message, AssistantMessage) and message.tool_calls:
            given = [call.id for call in message.tool_calls]
            sent = ids.calls(given)
            if sent != given:
                calls = zip(message.tool_calls, sent, strict=True)
                message = replace(message, tool_calls=tuple([replace(call, id=each) for call, each in calls]))
        elif isinstance(message, ToolMessage) and (sent_id := ids.result(message.tool_call_id)) != message.tool_call_id:
            message = replace(message, tool_call_id=sent_id)
        legal.append(message)
    return legal


def _alternating(messages: list[Message]) -> list[Message]:
    """Neighbours of one role as one message; calls stay by themselves, since their results follow them."""
    turns: list[Message] = []
    for message in messages:
        last = turns[-1] if turns else None
        if isinstance(message, UserMessage) and isinstance(last, UserMessage):
            turns[-1] = replace(last, content=_joined(last.content, message.content))
        elif isinstance(message, AssistantMessage) and isinstance(last, AssistantMessage) and not last.tool_calls:
            content = _joined(last.content or "", message.content or "")
            turns[-1] = replace(message, content=content or message.content)
        else:
            turns.append(message)
    return turns


def _joined(first: Content, second: Content) -> Content:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}" if first and second else first or second
    return (*_parts(first), *_parts(second))


def _parts(content: Content) -> tuple[AnyPart, ...]:
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    return content


def _is_foreign_turn(message: Message) -> bool:
    """A turn of nothing but pieces that only another format can say: an empty message would be refused."""
    return (
        isinstance(message, AssistantMessage)
        and type(message.content) is tuple
        and len(message.content) > 0
        and all(type(part) is NativePart and not part.text for part in message.content)
        and not (message.tool_calls or message.function_call or message.refusal)
    )


def _plain_message(message: Message, quirks: Quirks, same_format: bool) -> Message:
    if isinstance(message, FunctionMessage):
        return message
    if isinstance(message, DeveloperMessage) and not quirks.developer_role:
        message = SystemMessage(content=message.content, name=message.name, native=message.native)
    if not quirks.names and getattr(message, "name", None) is not None and not isinstance(message, ToolMessage):
        message = _prefixed(message)
    changes: dict[str, Any] = {}
    keeps = quirks.keeps
    if "cache_control" not in keeps and getattr(message, "cache_control", None) is not None:
        changes["cache_control"] = None
    if message.native is not None and not same_format:
        changes["native"] = None
    if type(message.content) is tuple:
        kept = [part for part in message.content if type(part) is not NativePart or part.text]
        parts = tuple([_plain_part(part, keeps, same_format) for part in kept])
        # Where all of it was of another format, there is nothing left to say, but the field is needed.
        changes["content"] = parts or ("" if message.content else parts)
    if isinstance(message, AssistantMessage):
        _plain_assistant(message, keeps, changes)
        if message.tool_calls:
            _plain_calls(message.tool_calls, keeps, changes, same_format)
    return replace(message, **changes) if changes else message


def _prefixed(message: SystemMessage | DeveloperMessage | UserMessage | AssistantMessage) -> Message:
    if message.content is None:
        return replace(message, name=None)
    return replace(message, name=None, content=named(message.name, message.content))


def _plain_assistant(message: AssistantMessage, keeps: frozenset[str], changes: dict[str, Any]) -> None:
    for name in _ASSISTANT_EXTRAS:
        if getattr(message, name) is not None and name not in keeps:
            changes[name] = None
    for theirs, other in (("reasoning", "reasoning_content"), ("reasoning_content", "reasoning")):
        # The same thoughts under the name that the provider has for them.
        if other in changes and theirs in keeps and getattr(message, theirs) is None:
            changes[theirs] = getattr(message, other)
    if (
        message.reasoning_details
        and "reasoning_content" in keeps
        and (message.reasoning or message.reasoning_content) is None
    ):
        # Neither is there: what can be read of the details stands for it.
        changes["reasoning_content"] = _thoughts(message.reasoning_details) or None


def _plain_calls(
    calls: tuple[MessageToolCall, ...], keeps: frozenset[str], changes: dict[str, Any], same_format: bool
) -> None:
    if "extra_content" not in keeps and any(call.extra_content is not None for call in calls):
        changes["tool_calls"] = calls = tuple([replace(call, extra_content=None) for call in calls])
    if not same_format and any(call.native is not None for call in calls):
        changes["tool_calls"] = calls = tuple([replace(call, native=None) for call in calls])
    if any(call.custom is not None for call in calls):
        changes["tool_calls"] = tuple([_CustomCall.of(call) for call in calls])


class _CustomCall(Struct, frozen=True):
    """A call of a custom tool as it is written: without the function that says the same."""

    id: str
    custom: CustomCall
    native: Native | UnsetType = field(default=UNSET, name=NATIVE)
    type: str = "custom"

    @staticmethod
    def of(call: MessageToolCall) -> "_CustomCall | MessageToolCall":
        if call.custom is None:
            return call
        return _CustomCall(call.id, call.custom, UNSET if call.native is None else call.native)


_ASSISTANT_EXTRAS = (
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "images",
    "annotations",
    "prefix",
    "partial",
    "model",
)


def _thoughts(details: tuple[Raw, ...]) -> str:
    """What can be read in `reasoning_details`."""
    items = [item for raw in details if isinstance(item := msgspec.json.decode(raw), dict)]
    texts = [item.get("text") or item.get("summary") for item in items]
    return "".join(text for text in texts if isinstance(text, str))


def _plain_part(part: Any, keeps: frozenset[str], same_format: bool) -> Any:
    if isinstance(part, LegacyVideoPart):
        part = VideoPart(video_url=part.video_url, native=part.native)
    elif isinstance(part, NativePart):
        return TextPart(part.text)
    changes = {
        name: None
        for name in ("cache_control", "prompt_cache_breakpoint")
        if name not in keeps and getattr(part, name, None) is not None
    }
    if part.native is not None and not same_format:
        changes["native"] = None
    return replace(part, **changes) if changes else part
