"""Keys of providers: secrets, several of them in a text, and what can't be meant."""

import re
from collections.abc import Iterator, Sequence


class Secret:
    """A string that no log, error or repr shows; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __bool__(self) -> bool:
        return bool(self._value)


def keys_in(text: str) -> tuple[str, ...]:
    """Commas and line breaks stand between keys, of which each counts once; JSON is one credential."""
    parts = [text] if text.startswith(("{", "[")) else [part.strip() for part in re.split(r"[,\n]", text)]
    return tuple(part for part in dict.fromkeys(parts) if part)


def odd_keys(key: str | None, keys: Sequence[str], place: str) -> Iterator[str]:
    """What is wrong with `key` and `keys` of a `[[providers]]` block, in sentences that repeat none of them."""
    if key is not None and keys:
        yield f"{place} has key and keys; write all of them into keys"
    if key is not None and not key.strip():
        yield f"{place}.key is empty; leave it out where the server needs none"
    for index, each in enumerate(keys):
        if not each.strip():
            yield f"{place}.keys[{index}] is empty"
        elif each in keys[:index]:
            yield f"{place}.keys[{index}] is there twice"
