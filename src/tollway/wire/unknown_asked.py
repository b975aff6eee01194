"""Fields of a chat request's messages, parts, tools and calls that we do not know: kept apart, and written again.

The Structs of `domain.chat` refuse unknown fields, so the usual body is decoded once and pays nothing. A body that is
refused for that alone is taken apart here; what we do not know stands in `native` of the innermost value that has one.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from tollway.domain import chat
from tollway.domain.chat import ChatRequest
from tollway.wire.json_body import unknown_fields
from tollway.wire.native_fields import merged, rest
from tollway.wire.never_forwarded import forwarded

NATIVE = "tollway:native"
_ENCODER = msgspec.json.Encoder()
_ECHOED = frozenset({"index", "provider_specific_fields"})
"""What answers say beside a message or a call, and callers repeat: `index` is a place in a stream."""


def _known(kind: type[Struct]) -> frozenset[str]:
    tag = kind.__struct_config__.tag_field
    return frozenset(kind.__struct_encode_fields__) - {NATIVE} | ({tag} if tag else frozenset())


def _by_tag(*kinds: type[Struct]) -> dict[Any, frozenset[str]]:
    return {kind.__struct_config__.tag: _known(kind) for kind in kinds}


_MESSAGES = _by_tag(
    chat.SystemMessage,
    chat.DeveloperMessage,
    chat.UserMessage,
    chat.AssistantMessage,
    chat.ToolMessage,
    chat.FunctionMessage,
)
_PARTS = _by_tag(
    chat.TextPart,
    chat.ImagePart,
    chat.AudioPart,
    chat.VideoPart,
    chat.LegacyVideoPart,
    chat.FilePart,
    chat.DocumentPart,
    chat.RefusalPart,
)
_IN_PARTS = {
    "image_url": _known(chat.ImageUrl),
    "input_audio": _known(chat.InputAudio),
    "video_url": _known(chat.VideoUrl),
    "file": _known(chat.FileData),
}
_CALL, _TOOL, _FUNCTION = _known(chat.MessageToolCall), _known(chat.Tool), _known(chat.ToolFunction)
_CALLED = _known(chat.FunctionCall)
_IN_CALLS = {"function": _CALLED, "custom": _known(chat.CustomCall)}
_INSIDE = _IN_PARTS.keys() | _IN_CALLS.keys() | {"function_call"}


class Afresh(dict[str, Raw]):
    """Unknown fields, written anew: no parser behind us can read duplicate keys inside them in another way."""


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_CHAT = msgspec.json.Decoder(ChatRequest)
KNOWN = frozenset(ChatRequest.__struct_fields__) - {"extra"}


def decode_slowly(body: bytes) -> ChatRequest:
    """A chat request with fields that we do not know, of any kind: its own go to `extra`. MsgspecError: it is none."""
    known = _ENCODER.encode({name: value for name, value in _FIELDS.decode(body).items() if name in KNOWN})
    request = _CHAT.decode(_ENCODER.encode(set_aside(msgspec.json.decode(known))))
    return replace(request, extra=Afresh(unknown_fields(body, KNOWN)))


def set_aside(body: dict[str, Any]) -> dict[str, Any]:
    """A chat request's JSON whose unknown fields stand where its Structs have a place for them."""
    found = {
        **_each(body, "messages", _message),
        **_each(body, "tools", lambda tool: _apart(tool, _TOOL, {"function": _FUNCTION})),
        **_each(body, "functions", lambda function: _only(function, _FUNCTION)),
    }
    if isinstance(prediction := body.get("prediction"), dict):
        found["prediction"] = {**prediction, **_each(prediction, "content", part)}
    return {**body, **found}


def part(value: Any) -> Any:
    """A content part, the same way."""
    return _apart(value, _PARTS.get(_word(value, "type")), _IN_PARTS)


def known_part(value: dict[str, Any]) -> dict[str, Any]:
    """A content part without what we do not know, for formats of one part at a time."""
    return {name: item for name, item in part(value).items() if name != NATIVE}


def put_back(value: Struct) -> Any:
    """A message or a tool as the provider gets it, with what the caller said besides; what we know stands.

    Names that other gateways take as orders stay here (FAULTS.md C-8).
    """
    return _restored(msgspec.json.decode(_ENCODER.encode(value)))


def has_unknown(message: chat.Message) -> bool:
    """Whether a message, a part or a call of it has fields that we do not know."""
    if message.native is not None:
        return True
    if type(message.content) is tuple and any(each.native is not None for each in message.content):
        return True
    return type(message) is chat.AssistantMessage and any(call.native is not None for call in message.tool_calls or ())


def _message(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    value = {**value, **_each(value, "content", part)}
    if value.get("role") == "assistant":
        value |= _each(value, "tool_calls", lambda call: _apart(call, _CALL, _IN_CALLS))
    return _apart(value, _MESSAGES.get(_word(value, "role")), {"function_call": _CALLED})


def _apart(value: Any, known: frozenset[str] | None, inside: Mapping[str, frozenset[str]]) -> Any:
    if known is None or not isinstance(value, dict):
        return value
    kept = _only(value, known)
    unknown = {name: item for name, item in rest(value, known | _ECHOED).items() if not name.startswith("tollway:")}
    for name in inside.keys() & kept.keys():
        if isinstance(inner := kept[name], dict):
            kept[name] = _only(inner, inside[name])
            if more := rest(inner, inside[name]):
                unknown[name] = more
    return {**kept, NATIVE: unknown} if unknown else kept


def _only(value: Any, known: frozenset[str]) -> Any:
    return {name: item for name, item in value.items() if name in known} if isinstance(value, dict) else value


def _each(value: dict[str, Any], name: str, read: Any) -> dict[str, Any]:
    items = value.get(name)
    return {name: [read(item) for item in items]} if isinstance(items, list) else {}


def _word(value: Any, name: str) -> str | None:
    word = value.get(name) if isinstance(value, dict) else None
    return word if isinstance(word, str) else None


def _restored(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    native = value.pop(NATIVE, None)
    for name in ("content", "tool_calls"):
        if isinstance(value.get(name), list):
            value[name] = [_restored(item) for item in value[name]]
    return value if native is None else merged(_allowed(native), value)


def _allowed(native: dict[str, Any]) -> dict[str, Any]:
    return {
        name: forwarded(item) if name in _INSIDE and isinstance(item, dict) else item
        for name, item in forwarded(native).items()
    }
