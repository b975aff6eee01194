"""How a command speaks: colours and width of a terminal, plain and unbroken lines into a pipe, JSON for scripts."""

import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console

WIDTH_PIPED = 1_000
"""Wide enough that nothing is cut off or broken where another program reads."""


def console() -> Console:
    """Standard output. rich itself honours NO_COLOR, and writes no colours into a pipe."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_PIPED)


def print_json(value: Any) -> None:
    """One line of JSON on standard output, and nothing else."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def time_of(moment_ms: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def day_of(moment_ms: int) -> str:
    """A day in UTC."""
    return time_of(moment_ms)[:10]


def utc_ms(moment: datetime) -> int:
    """Milliseconds since 1970; without a zone it is UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
