"""The fault matrix as data: rows of matrix.toml, their cells, and what stands in each."""

import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
MANY = 8
WORDS_PER_S = 20
TOKENS = {"0": 0, "1": 1, "many": MANY}
CELLS = tuple(product(("stream", "whole"), TOKENS, ("1", "3")))

Peer = Literal["simulator", "no name", "closed port", "black hole", "wrong host", "unknown authority", "deaf"]


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """What must come of a request: the head of matrix.toml says what each word means."""

    then: Literal["a", "c", "fails", "breaks"]
    bill: int
    status: int = 200
    code: int | None = None
    finish: str | None = None
    retry_after: int | None = None
    absorbed: int | Literal["the rest"] = 0
    told: tuple[str, ...] = ()
    """In place of the row's."""


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """One fault."""

    id: str
    fault: str
    cells: dict[str, Expected | str]
    stream: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    outcome: str = ""
    peer: Peer = "simulator"
    hasty: bool = False
    """On a server whose deadlines are short."""
    warm: str = ""
    """What requests before it were told, which leave connections in the pool; such rows are played alone."""
    alone: bool = False
    """One request after the other: it is slow work, or cares for connections."""
    prompt_chars: int = 0
    limited: bool = False
    """The tokens are the request's max_tokens."""
    replaced: bool = False
    """The text that arrives is not the one that was sent."""

    def at(self, cell: tuple[str, str, str]) -> Expected | str:
        """What stands in a cell. AssertionError: nothing does, or two patterns do."""
        found = [value for pattern, value in self.cells.items() if _matches(pattern, cell)]
        assert len(found) == 1, f"{self.id}, {self.fault}: {len(found)} entries for {cell}"
        return found[0]


class Case(Struct, frozen=True):
    """One request of a cell."""

    row: Row
    cell: tuple[str, str, str]
    told: str
    """What a and b do, a template."""
    expected: Expected

    @property
    def name(self) -> str:
        return f"{self.row.id} {' '.join(self.cell)}: {self.row.fault}: {self.told}"

    @property
    def streamed(self) -> bool:
        return self.cell[0] == "stream"

    @property
    def tokens(self) -> int:
        return TOKENS[self.cell[1]]

    @property
    def three(self) -> bool:
        return self.cell[2] == "3"

    def behaviour(self, cuts: dict[int, int]) -> str:
        """The simulator's words. `cuts`: the byte of a whole answer behind so many words."""
        words = {"n": self.tokens, "text": " ".join(WORDS[: self.tokens]), "all": " ".join(WORDS)}
        told = self.told.format(**words, cut=cuts[self.tokens])
        return f"{told},tokens_per_s={WORDS_PER_S}" if self.expected.then == "breaks" else told

    @property
    def text(self) -> str | None:
        """What the caller must read; None: whatever it is."""
        match self.expected.then:
            case "breaks":
                return " ".join(WORDS[: self.tokens])
            case "a" if not self.row.replaced and "text=" in self.told:
                return self.behaviour(dict.fromkeys(TOKENS.values(), 0)).partition("text=")[2].partition(",")[0]
            case _:
                return None


def _matches(pattern: str, cell: tuple[str, str, str]) -> bool:
    return all(wanted in ("*", has) for wanted, has in zip(pattern.split(), cell, strict=True))


def rows() -> tuple[Row, ...]:
    """Every row of the matrix, checked against its type."""
    read: dict[str, Any] = tomllib.loads((Path(__file__).parent / "matrix.toml").read_text())
    return msgspec.convert(read["row"], tuple[Row, ...])


def cases() -> Iterator[Case]:
    """Every request of every cell that applies."""
    for row in rows():
        for cell in CELLS:
            expected = row.at(cell)
            if isinstance(expected, Expected):
                told = expected.told or (row.stream if cell[0] == "stream" else row.whole)
                assert told, f"{row.id} {cell}: nobody is told anything"
                yield from (Case(row, cell, each, expected) for each in told)
