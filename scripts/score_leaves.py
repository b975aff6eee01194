"""Leaves of raw JSON: what a body says, path by path; and the checked-in list of what is dropped on purpose."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

Path_ = tuple[str | int, ...]


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every string, number and boolean, with the names and places that lead to it. null, [] and {} say nothing."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    elif value is not None:
        yield path, value


def at(value: Any, path: Path_) -> Any:
    """What stands at a path; None where nothing does."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def is_same(value: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, but 1 is 1.0."""
    return isinstance(value, bool) is isinstance(other, bool) and bool(value == other)


def shown(path: Path_) -> str:
    """`choices[].message.content`: a path without the places in lists."""
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


@dataclass
class Dropped:
    """Leaves that are dropped on purpose, or written otherwise, and why."""

    format: str
    direction: str
    """`request`, `answer`, or `translation`."""
    path: str
    """`*` is any one name, `**` any number of them."""
    reason: str
    count: int = 0
    """Leaves that it excused in this run."""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = re.split(r"(\*\*|\*)", self.path)
        words = {"**": r".*", "*": r"[^.\[]*"}
        return re.compile("".join(words.get(part, re.escape(part)) for part in parts))

    def covers(self, format_name: str, direction: str, path: str) -> bool:
        same = self.direction == direction and self.format in (format_name, "any")
        return same and self._pattern.fullmatch(path) is not None


@dataclass
class DroppedFields:
    """The whole list, in the order of the file; the first that covers a leaf is charged with it."""

    entries: list[Dropped] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "DroppedFields":
        """A TOML file: `[[<format>.<direction>]]` tables, each with `paths` and one `reason`; `any` is every format."""
        entries: list[Dropped] = []
        for format_name, directions in tomllib.loads(path.read_text(encoding="utf-8")).items():
            for direction, rules in directions.items():
                for rule in rules:
                    entries += [Dropped(format_name, direction, one, rule["reason"]) for one in rule["paths"]]
        return cls(entries)

    def excuses(self, format_name: str, direction: str, path: str) -> bool:
        """Whether a leaf that was not found again is on the list."""
        for entry in self.entries:
            if entry.covers(format_name, direction, path):
                entry.count += 1
                return True
        return False

    def unused(self) -> set[str]:
        """The reasons that excused nothing in this run, of all their paths."""
        return {entry.reason for entry in self.entries} - {entry.reason for entry in self.entries if entry.count}
