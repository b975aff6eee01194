"""Fields of an answer that we do not know: taken off before it is decoded, and written again in the same places."""

from typing import Any

import msgspec

from tollway.wire.native_fields import merged, rest
from tollway.wire.openai_chat.schema import Body, Choice, Custom, Function, Message, ToolCallPiece

_STRICT = msgspec.json.Decoder(Body)
_BODY, _CHOICE, _MESSAGE, _CALL, _FUNCTION, _CUSTOM = (
    frozenset(kind.__struct_encode_fields__) for kind in (Body, Choice, Message, ToolCallPiece, Function, Custom)
)
_USAGE = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_COSTS = frozenset({"cost", "cost_details", "is_byok"})
"""What we cost is for us to say."""
_COUNTED = {
    "prompt_tokens_details": frozenset({"cached_tokens", "cache_write_tokens", "audio_tokens"}),
    "completion_tokens_details": frozenset({"reasoning_tokens", "audio_tokens", "image_tokens"}),
}
"""Counters that `usage.read_usage` reads where we write them again."""

REST = "tollway:rest"
Fields = dict[str, Any]


def decoded(data: bytes) -> Body:
    """A body or a chunk, with its unknown fields. MsgspecError: not JSON, or no chat answer."""
    try:
        return _STRICT.decode(data)
    except msgspec.ValidationError:
        return taken_off(msgspec.json.decode(data))


def taken_off(value: Any) -> Body:
    """The same, of decoded JSON."""
    if not isinstance(value, dict):
        raise msgspec.ValidationError("not an object")
    known = {name: item for name, item in value.items() if name in _BODY}
    if isinstance(choices := value.get("choices"), list):
        known["choices"] = [_choice(choice) for choice in choices]
    body = msgspec.convert(known, Body)
    body.rest = rest(value, _BODY)
    return body


def usage_rest(usage: Any) -> Fields:
    """The counters of a usage object that ours has not, with their values; zeros say nothing."""
    if not isinstance(usage, dict) or len(usage) <= len(_USAGE):
        return {}
    found: Fields = {}
    for name, value in usage.items():
        if name in _COUNTED and isinstance(value, dict):
            if inner := {key: item for key, item in value.items() if item and key not in _COUNTED[name]}:
                found[name] = inner
        elif value and name not in _USAGE and name not in _COSTS:
            found[name] = value
    return found


def _choice(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    known, found = {name: item for name, item in value.items() if name in _CHOICE}, rest(value, _CHOICE)
    for name in ("delta", "message"):
        if isinstance(message := value.get(name), dict):
            known[name], more = _message(message)
            if more:
                found["message"] = more
    return {**known, REST: found}


def _message(value: Fields) -> tuple[Fields, Fields]:
    known = {name: item for name, item in value.items() if name in _MESSAGE}
    found = rest(value, _MESSAGE)
    calls = value.get("tool_calls")
    if isinstance(calls, list):
        pieces = [_call(call, place) for place, call in enumerate(calls)]
        known["tool_calls"] = [call for call, _ in pieces]
        if any(more for _, more in pieces):
            found["tool_calls"] = [more for _, more in pieces if more]
    if isinstance(called := value.get("function_call"), dict):
        known["function_call"] = {name: item for name, item in called.items() if name in _FUNCTION}
    return known, found


def _call(value: Any, place: int) -> tuple[Any, Fields]:
    if not isinstance(value, dict):
        return value, {}
    known = {name: item for name, item in value.items() if name in _CALL}
    found = rest(value, _CALL)
    for name, fields in (("function", _FUNCTION), ("custom", _CUSTOM)):
        if isinstance(inner := value.get(name), dict):
            known[name] = {key: item for key, item in inner.items() if key in fields}
            if more := rest(inner, fields):
                found[name] = more
    return known, {"index": value.get("index", place), **found} if found else {}


def put_back(message: Fields, choice: Fields, native: Fields) -> tuple[Fields, Fields]:
    """A message and a choice of ours with their unknown fields. What we say stands; lists of both are joined."""
    found = dict(native.get("message") or {})
    calls = found.pop("tool_calls", [])
    for name in found.keys() & message.keys():
        if isinstance(found[name], list) and isinstance(message[name], list):
            found[name] = message[name] + found[name]
            message = {**message, name: None}
    message = merged(found, message)
    for piece in calls:
        ours, place = message.get("tool_calls") or [], piece["index"]
        if isinstance(place, int) and 0 <= place < len(ours):
            ours[place] = merged(piece, ours[place])
    return message, merged({name: value for name, value in native.items() if name != "message"}, choice)
