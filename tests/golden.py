"""Golden files: input, a row of dashes, and what is expected; `make golden` writes the expected half anew."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROW = "-" * 10
"""A line of at least this many dashes, and nothing else, parts the two halves."""


def read_golden(path: Path) -> tuple[str, str]:
    """A golden file -> (input, expected). ValueError: it has no row of dashes."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for n, line in enumerate(lines):
        if line.startswith(ROW) and not line.strip().strip("-"):
            return "".join(lines[:n]), "".join(lines[n + 1 :])
    raise ValueError(f"{path.name} has no row of dashes between its input and what is expected")


def check_golden(path: Path, produce: Callable[[str], str]) -> None:
    """Compare `produce(input)` with the expected half; under `make golden` write it instead, except in CI."""
    given, expected = read_golden(path)
    produced = produce(given)
    if not produced.endswith("\n"):
        produced += "\n"
    if os.environ.get("GOLDEN") == "write":
        if os.environ.get("CI") == "true":
            pytest.fail("GOLDEN=write in CI would make every golden file agree with whatever the code says")
        path.write_text(f"{given}{'-' * 80}\n{produced}", encoding="utf-8")
        return
    assert produced == expected, f"{path.name} expects something else; if the new text is right: make golden"
