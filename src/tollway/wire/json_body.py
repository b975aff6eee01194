"""A caller's JSON body -> a typed value, or an error that says which field is wrong; hostile bodies included."""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw

from tollway.domain.errors import InvalidRequest
from tollway.wire.json_nesting import why_too_nested

T = TypeVar("T")

VALUE_SHOWN_MAX = 80

_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_WHERE = re.compile(r" - at (`key` in )?`\$\.?(.*)`$", re.DOTALL)
_EXPECTED = re.compile(r"Expected `([^`]*)`(.*)", re.DOTALL)
_GOT = re.compile(r", got `([^`]*)`$")
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def decode_body(
    body: bytes,
    decoder: msgspec.json.Decoder[T],
    slowly: Callable[[bytes], T] | None = None,
) -> T:
    """Decode, once, what a caller sent. InvalidRequest: not JSON, not UTF-8, nested too deep, or not of the type.

    `slowly` decodes what is refused only for fields that the type does not know, and finds a place for them.

    The rules of FAULTS.md C-3 to C-6: UTF-8 without a mark, no lone surrogates, no NaN, at most 64 levels; of
    duplicate keys the last wins.
    """
    if not body.isascii() or 0 in body or not body or body.isspace():
        _check_text(body)
    if (why := why_too_nested(body)) is not None:
        raise InvalidRequest(f"The body {why}.")
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            if slowly is None or not str(error).startswith("Object contains unknown field"):
                raise
            return slowly(body)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {_json_fault(body, str(error))}.") from None
    except RecursionError:
        raise InvalidRequest("The body nests too deep.") from None


def unknown_fields(body: bytes, known: frozenset[str]) -> dict[str, Raw]:
    """The top-level fields of a body, already decoded once, whose names are not `known`, written afresh.

    Afresh, so that no parser behind us can read duplicate keys inside them in another way (FAULTS.md C-6).
    """
    fields = _FIELDS.decode(body)
    if fields.keys() <= known:
        return {}
    try:
        return {
            name: Raw(msgspec.json.encode(msgspec.json.decode(value)))
            for name, value in fields.items()
            if name not in known
        }
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None


def check_printable(name: str, text: str | None) -> None:
    """Ids go into headers, logs and keys of caches: NUL and its like have no place there (FAULTS.md C-5)."""
    if text is not None and not text.isprintable() and any(letter < " " or letter == "\x7f" for letter in text):
        raise InvalidRequest(f"{name}: holds control characters", param=name)


def invalid(message: str) -> InvalidRequest:
    """msgspec's error text -> a sentence that starts with the field's path, and `param` set to it."""
    path = ""
    if found := _WHERE.search(message):
        message, path = message[: found.start()], found.group(2).replace("[...]", ".*")
        if found.group(1):
            path = f"{path}.*" if path else "*"
    if found := re.match(r"Object missing required field `(.*)`$", message, re.DOTALL):
        path, text = (f"{path}.{found.group(1)}" if path else found.group(1)), "is required"
    elif found := re.match(r"Object contains unknown field `(.*)`$", message, re.DOTALL):
        path, text = (f"{path}.{found.group(1)}" if path else found.group(1)), "is not a field of this object"
    elif found := re.match(r"Invalid (?:enum )?value (.*)$", message, re.DOTALL):
        text = f"{_short(found.group(1))} is not one of the values that this field takes"
    elif found := _EXPECTED.match(message):
        text = _expectation(found.group(1), found.group(2), path)
    else:
        text = message[:1].lower() + message[1:]
    return InvalidRequest(f"{path}: {text}" if path else f"The body: {text}", param=path or None)


def _short(value: str) -> str:
    """A caller's value as a message may quote it: a hundred kilobytes of it explain nothing."""
    return value if len(value) <= VALUE_SHOWN_MAX else f"{value[:VALUE_SHOWN_MAX]}...'"


def _expectation(types: str, rest: str, path: str) -> str:
    names = [_WORDS.get(name, name) for name in types.split(" | ")]
    if path.rpartition(".")[2] == "content":
        names = ["a list of parts" if name == "a list" else name for name in names]
    got = ""
    if found := _GOT.search(rest):
        rest, got = rest[: found.start()], f", got {_WORDS.get(found.group(1), found.group(1))}"
    rest = (
        rest.replace(" of length >= 1", " that is not empty").replace(">=", "of at least").replace("<=", "of at most")
    )
    return f"expected {' or '.join(names)}{rest}{got}"


def _check_text(body: bytes) -> None:
    if not body or body.isspace():
        raise InvalidRequest("The body is empty; send a JSON object.")
    if body[:3] == b"\xef\xbb\xbf" or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InvalidRequest("The body starts with a byte order mark; send plain UTF-8.")
    if not body.isascii():
        try:
            str(body, "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"The body is not valid UTF-8 (byte {error.start}).") from None
    elif 0 in body:
        raise InvalidRequest("The body holds NUL bytes; it must be JSON in UTF-8.")


def _json_fault(body: bytes, message: str) -> str:
    if message != "Input data was truncated":
        return message.removeprefix("JSON is malformed: ")
    if b"\\ud" in body or b"\\uD" in body:  # msgspec reads half a pair as a string that was cut.
        return "it ends too early, or holds half a surrogate pair (\\ud800 to \\udfff), which is not text"
    return f"it ends too early, after {len(body)} bytes"
