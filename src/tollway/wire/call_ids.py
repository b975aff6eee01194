"""Ids of tool calls: legal for a provider, unique in a conversation, and every result finds its call."""

import re
import string
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

_LETTERS = string.ascii_letters + string.digits
MADE_LENGTH = 9
"""Letters and digits, as Mistral wants them; every other provider takes such ids too."""


class CallIds:
    """Goes through a conversation in order. The same conversation gives the same ids again, so that caches hold."""

    def __init__(self, pattern: str) -> None:
        self._pattern = _compiled(pattern)
        self._used: set[str] = set()
        self._open: dict[str, list[str]] = {}
        """Id as given -> ours, of the last turn's calls that have no result yet."""
        self._last: dict[str, str] = {}

    def calls(self, given: Iterable[str]) -> list[str]:
        """The ids of one turn's calls -> those to send."""
        self._open.clear()
        sent = []
        for each in given:
            ours, seed = each, each
            while ours in self._used or not self._pattern.fullmatch(ours):
                ours = made(seed)
                seed += "'"
            self._used.add(ours)
            self._open.setdefault(each, []).append(ours)
            self._last[each] = ours
            sent.append(ours)
        return sent

    def result(self, given: str) -> str:
        """The id of a call that a result belongs to -> the one that the call was sent with."""
        if waiting := self._open.get(given):
            self._last[given] = waiting.pop(0)
        if (ours := self._last.get(given)) is not None:
            return ours
        return given if self._pattern.fullmatch(given) else made(given)


def made(seed: str) -> str:
    """An id made of another one."""
    number = int.from_bytes(blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    letters = []
    for _ in range(MADE_LENGTH):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern or ".+", re.DOTALL)
