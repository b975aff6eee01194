"""A body against its type, nothing over and nothing missing; what is wrong, for formats to put in words."""

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")
_AT = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")


class Wrong(Exception):
    """`what`: json, unknown, missing, type or value. `path`: of the field, as `messages[0].role`; empty: the body."""

    def __init__(self, what: str, path: str, words: str) -> None:
        super().__init__(words)
        self.what = what
        self.path = path
        self.words = words

    @property
    def dotted(self) -> str:
        """The path as `messages.0.role`."""
        return self.path.replace("[", ".").replace("]", "")


class Closed(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An object that has the fields named, and no others."""


def decoded(body: bytes, kind: type[T]) -> T:
    """JSON -> the type. Raises Wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise _wrong(error, "") from None
    except (UnicodeDecodeError, RecursionError):
        raise Wrong("json", "", "the body is not JSON") from None


def converted(value: Any, kind: type[T], path: str) -> T:
    """A value that was decoded without a type -> the type. Raises Wrong, with the path below `path`."""
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        raise _wrong(error, path) from None


def _wrong(error: msgspec.DecodeError, base: str) -> Wrong:
    words = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return Wrong("json", base, words)
    below = found[1] if (found := _AT.search(words)) else ""
    words = _AT.sub("", words)
    path = _join(base, below)
    if unknown := re.match(r"Object contains unknown field `(.+)`", words):
        return Wrong("unknown", _join(path, unknown[1]), words)
    if missing := re.match(r"Object missing required field `(.+)`", words):
        return Wrong("missing", _join(path, missing[1]), words)
    if words.startswith("Expected") and not re.match(r"Expected `\w+` (of length|matching|[<>]=?)", words):
        return Wrong("type", path, words)
    return Wrong("value", path, words)


def _join(base: str, name: str) -> str:
    return f"{base}{'.' if base and name and not name.startswith('[') else ''}{name}"
