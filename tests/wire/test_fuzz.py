"""A few seconds of `make fuzz`, with the same dice each time; and that it would notice."""

import random

import pytest

from fuzz import Case, cases, fuzz, in_pieces, misshapen, mutated
from tests.wire.recordings import FOLDER, exchanges

TRIES = 600


def test_nothing_but_our_own_errors() -> None:
    """Mutated recordings of every format, read by every decoder, cut anywhere, and written in every format."""
    exchanges()  # skips where there are no recordings, and fails in CI
    assert fuzz(cases(FOLDER), 1, lambda count: count >= TRIES) == TRIES


def test_it_notices() -> None:
    """A decoder that raises what is not ours fails the run, with the seed that repeats it."""

    class Broken:
        class EventDecoder:
            def feed(self, data: bytes) -> list[object]:
                raise KeyError("oops")

    exchanges()
    case = next(case for case in cases(FOLDER) if case.stream)
    broken = Case.__new__(Case)
    broken.__dict__ = {**case.__dict__, "client": Broken, "body": None, "request": None}
    with pytest.raises(AssertionError, match="seed 7, try 0: KeyError"):
        fuzz([broken], 7, lambda count: count > 0)


def test_mutations() -> None:
    """They change something, and the same dice change the same; pieces are the whole again."""
    data, value = b'{"a": [1, 2, {"b": "text"}]}', {"a": [1, 2, {"b": "text"}]}
    assert mutated(data, random.Random(3)) == mutated(data, random.Random(3))
    assert len({mutated(data, random.Random(seed)) for seed in range(50)}) > 40
    assert sum(misshapen(value, random.Random(seed)) != value for seed in range(50)) > 40
    assert b"".join(in_pieces(data, random.Random(1))) == data
