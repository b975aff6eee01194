"""How `openrouter/auto` chooses: the operator's part of it, and the words for tasks, difficulty and cost."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Task = Literal["code", "reasoning", "extraction", "translation", "summary", "writing", "chat", "agent", "vision"]
Difficulty = Literal["easy", "medium", "hard"]
CostTier = Literal["low", "medium", "high", "xhigh", "max"]
Pattern = Annotated[str, Meta(min_length=1, max_length=1024)]
"""A model's id or another of its names, an alias for its models, or a wildcard: `anthropic/*`, `*/*-coder`."""


class AutoSettings(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The set that is chosen from, and what is preferred in it."""

    models: tuple[Pattern, ...] = ()
    """Empty: every chat model that can be called."""
    excluded: tuple[Pattern, ...] = ()
    cost_tier: CostTier | None = None
    """For requests that say none; None: by how hard the task is."""
    tasks: dict[Task, tuple[Pattern, ...]] = {}
    """Task -> its models, the best first, in place of our own ranking."""
