"""Wildcards over model ids: `anthropic/*`, `*/*-coder`; linear, whatever a caller writes."""

from collections.abc import Iterable


class Patterns:
    """Some patterns, sorted by how they can be looked for."""

    def __init__(self, patterns: Iterable[str]) -> None:
        exact: set[str] = set()
        starts: list[str] = []
        others: list[list[str]] = []
        for pattern in patterns:
            parts = pattern.split("*")
            if len(parts) == 1:
                exact.add(pattern)
            elif len(parts) == 2 and not parts[1]:
                starts.append(parts[0])
            else:
                others.append(parts)
        self._exact = frozenset(exact)
        self._starts = tuple(starts)
        self._others = others

    def match(self, name: str) -> bool:
        """Whether one of them means this name."""
        return name in self._exact or name.startswith(self._starts) or any(_fits(name, each) for each in self._others)


def _fits(name: str, parts: list[str]) -> bool:
    """The parts stand in the name in this order, the first at its beginning and the last at its end."""
    first, *middle, last = parts
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
