"""Counts in a provider's usage: whole numbers within reason, or nothing."""

from typing import Any

TOKENS_MAX = 100_000_000
"""A count beyond it is nonsense, as is one that is no whole number (FAULTS.md U-34)."""


def count_of(value: Any) -> int | None:
    """A whole number from 0 to `TOKENS_MAX` (Cohere writes 4.0), or None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None


def first_count(*values: Any) -> int | None:
    """The first that is a count."""
    return next((count for value in values if (count := count_of(value)) is not None), None)


def object_of(value: Any) -> dict[str, Any]:
    """The value, if it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}
