"""A text that matches a regular expression, for the schemas that ask for one; best effort."""

import re
import warnings


def matching(pattern: str) -> str | None:
    """A text in which `pattern` is found, or None where this small writer cannot make one.

    It knows literals, classes, groups (their first branch), anchors and quantifiers, but no look-around.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Python's word about "[[": the pattern is not ours to mend
        try:
            text = _Writer(pattern).branches()
            return text if re.search(pattern, text) else None
        except (re.error, IndexError, ValueError, RecursionError):
            return None


_LENGTH_MAX = 10_000
_ESCAPES = {
    "d": "4",
    "w": "a",
    "s": " ",
    "D": "a",
    "W": "-",
    "S": "a",
    "b": "",
    "B": "",
    "n": "\n",
    "t": "\t",
    "r": "\r",
}


class _Writer:
    """Reads the pattern once, from left to right, and writes as little as satisfies it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def branches(self) -> str:
        """Up to the end or a closing bracket: the first of the alternatives."""
        first: str | None = None
        while True:
            written = self._sequence()
            first = written if first is None else first
            if self._at < len(self._pattern) and self._pattern[self._at] == "|":
                self._at += 1
                continue
            return first

    def _sequence(self) -> str:
        written: list[str] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            atom, repeats = self._atom(), self._repeats()
            if len(atom) * repeats > _LENGTH_MAX:
                raise ValueError("too long")
            written.append(atom * repeats)
        return "".join(written)

    def _atom(self) -> str:
        character = self._pattern[self._at]
        self._at += 1
        if character in "^$":
            return ""
        if character == ".":
            return "a"
        if character == "\\":
            return self._escape()
        if character == "[":
            return self._class()
        if character == "(":
            return self._group()
        return character

    def _escape(self) -> str:
        character = self._pattern[self._at]
        self._at += 1
        if character.isdigit():
            raise ValueError("back-reference")
        return _ESCAPES.get(character, character)

    def _group(self) -> str:
        if self._pattern.startswith("?:", self._at):
            self._at += 2
        elif self._pattern.startswith("?P<", self._at):
            self._at = self._pattern.index(">", self._at) + 1
        elif self._pattern.startswith("?", self._at):
            raise ValueError("look-around")
        text = self.branches()
        if self._pattern[self._at] != ")":
            raise ValueError("unclosed group")
        self._at += 1
        return text

    def _class(self) -> str:
        start = self._at - 1
        negated = self._pattern[self._at] == "^"
        end = self._at + negated + 1  # a bracket that comes first stands for itself
        while self._pattern[end] != "]":
            end += 2 if self._pattern[end] == "\\" else 1
        self._at = end + 1
        member = re.compile(self._pattern[start : self._at])
        for candidate in "a0A_- .@/:+" + "".join(map(chr, range(33, 127))):
            if member.match(candidate):
                return candidate
        raise ValueError("no plain character in the class")

    def _repeats(self) -> int:
        match = re.compile(r"([*+?]|\{(\d*)(?:,\d*)?\})[?+]?").match(self._pattern, self._at)
        if match is None:
            return 1
        self._at = match.end()
        if match[1][0] == "{":
            return min(int(match[2] or 0), 1000)
        return 1
