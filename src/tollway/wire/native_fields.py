"""Fields that only one wire format has: taken off what a provider sent, written again where the caller speaks it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import NativeFields

_ENCODER = msgspec.json.Encoder()
_NOTHING: tuple[Any, ...] = (None, "", [], {})


def rest(value: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields whose names are not `known`, but for those that say nothing."""
    return {name: item for name, item in value.items() if name not in known and item not in _NOTHING}


def of_format(form: str, fields: dict[str, Any]) -> NativeFields | None:
    """Fields as an event, or None where there are none."""
    return NativeFields(form, Raw(_ENCODER.encode(fields))) if fields else None


def both(first: NativeFields | None, later: NativeFields) -> NativeFields:
    """What two events say together; of a field that both have, the later."""
    if first is None or first.format != later.format:
        return later
    fields = merged(msgspec.json.decode(first.fields), msgspec.json.decode(later.fields))
    return NativeFields(later.format, Raw(_ENCODER.encode(fields)))


def fields_of(form: str, native: NativeFields | None) -> dict[str, Any]:
    """The fields that a format may write."""
    return msgspec.json.decode(native.fields) if native is not None and native.format == form else {}


def merged(first: Any, later: Any) -> Any:
    """Two values of one field: objects are merged; else the later, unless it says nothing."""
    if isinstance(first, dict) and isinstance(later, dict):
        return {**first, **{name: merged(first.get(name), value) for name, value in later.items()}}
    return first if later in _NOTHING else later


def written(body: bytes, fields: Mapping[str, Any]) -> bytes:
    """A JSON object of ours with the fields that the provider had besides.

    Of those that both have, objects are merged and lists are the provider's; else what we say stands, as it is.
    """
    if not fields:
        return body
    ours = _FIELDS.decode(body)
    whole: dict[str, Any] = {**ours, **{name: value for name, value in fields.items() if name not in ours}}
    for name in fields.keys() & ours.keys():
        said, theirs = bytes(ours[name]), fields[name]
        if said in _EMPTY or (isinstance(theirs, list) and said[:1] == b"["):
            whole[name] = theirs
        elif isinstance(theirs, dict) and said[:1] == b"{":
            whole[name] = Raw(written(said, theirs))
    return _ENCODER.encode(whole)


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_EMPTY = frozenset({b"null", b'""', b"[]", b"{}", b"0"})


def marked(form: str, said: Mapping[str, Any]) -> Raw | None:
    """What a provider said about an end -> `Finished.details`."""
    said = {name: value for name, value in said.items() if value is not None}
    return Raw(_ENCODER.encode({form: said})) if said else None


def said_by(form: str, details: Raw | None) -> dict[str, Any]:
    """The other way round: what the format itself may say again."""
    value = None if details is None else msgspec.json.decode(details)
    said = value.get(form) if isinstance(value, dict) else None
    return said if isinstance(said, dict) else {}
