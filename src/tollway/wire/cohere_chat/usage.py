"""Cohere's usage object -> Usage: what it counted, and what it bills, which is less."""

from typing import Any

from tollway.domain.generation import Usage

TOKENS_MAX = 100_000_000
"""A count beyond it is nonsense, as is one that is no whole number (FAULTS.md U-34)."""


def read_usage(value: Any) -> Usage | None:
    """A decoded usage object -> Usage, or None where it has no pair of counters that make sense.

    `tokens` counts the whole prompt, with what Cohere writes around it; `billed_units` is the part that is paid for
    (docs: "How does Cohere's pricing work?"). `cached_tokens` are of the former, and change nothing about the latter.
    """
    if not isinstance(value, dict):
        return None
    counted, billed = _pair(value.get("tokens")), _pair(value.get("billed_units"))
    if counted is None:
        if billed is None:
            return None
        counted = billed
    prompt, completion = counted
    return Usage(
        prompt=prompt,
        completion=completion,
        cache_read=min(_count(value.get("cached_tokens")) or 0, prompt),
        billed=billed if billed and any(billed) else None,
    )


def _pair(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, dict):
        return None
    tokens_in, tokens_out = _count(value.get("input_tokens")), _count(value.get("output_tokens"))
    return None if tokens_in is None or tokens_out is None else (tokens_in, tokens_out)


def _count(value: Any) -> int | None:
    """The counters are declared as floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX else None
