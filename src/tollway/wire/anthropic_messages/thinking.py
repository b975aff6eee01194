"""Thinking and effort <-> `reasoning` and `verbosity`, by what each Claude model takes."""

import re
from typing import Any

from tollway.domain.chat import ChatRequest, Effort, Reasoning
from tollway.wire.reasoning_budget import budget_of, effort_of

BUDGET_MIN = 1024
BUDGET_MAX = 128_000
"""OPENROUTER.md 9.1; the provider refuses less, and a budget that is not below max_tokens."""

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)")
_ORDER: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_ADAPTIVE_SINCE = (4, 7)
"""From this version on a budget is refused, and a model is told to think as it sees fit, with an effort
(docs: adaptive thinking). Version 4.6 takes both."""


def version_of(upstream_model: str) -> tuple[int, int] | None:
    """`claude-opus-4-8` -> (4, 8), `claude-3-7-sonnet-20250219` -> (3, 7); None: no Claude that we know."""
    found = _VERSION.search(upstream_model)
    return None if found is None else (int(found.group(1)), int(found.group(2) or 0))


def efforts_of(upstream_model: str) -> tuple[Effort, ...]:
    """The values that a model's `output_config.effort` takes; none: it has no such field.

    Source: docs, effort; and the refusal recorded for claude-opus-4-6: "Supported levels: high, low, max, medium."
    """
    version = version_of(upstream_model)
    if version is None or version < (4, 5):
        return ()
    if version >= _ADAPTIVE_SINCE:
        return ("low", "medium", "high", "xhigh", "max")
    if version == (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if "opus" in upstream_model else ()


def ask(request: ChatRequest, upstream_model: str, max_tokens: int) -> tuple[dict[str, Any] | None, Effort | None]:
    """What a request of any format asks -> the `thinking` object, if any, and `output_config.effort`, if any."""
    levels = efforts_of(upstream_model)
    wish: Effort | None = request.verbosity
    asked = request.reasoning or Reasoning()
    effort = asked.effort or request.reasoning_effort
    if asked.enabled is False or effort == "none":
        return {"type": "disabled"}, _nearest(wish, levels)
    if effort is None and asked.max_tokens is None and not asked.enabled:
        return None, _nearest(wish, levels)
    version = version_of(upstream_model)
    if version is not None and version >= _ADAPTIVE_SINCE:
        if effort is None and asked.max_tokens is not None:
            effort = effort_of(asked.max_tokens, max_tokens)
        hidden = asked.exclude or request.include_reasoning is False
        # Its default leaves the text of the thoughts out.
        thinking: dict[str, Any] = {"type": "adaptive", "display": "omitted" if hidden else "summarized"}
        return thinking, _nearest(wish or effort, levels)
    budget = asked.max_tokens or budget_of(effort or "medium", max_tokens)
    return _enabled(budget, max_tokens), _nearest(wish, levels)


def fitted(thinking: dict[str, Any], max_tokens: int) -> dict[str, Any] | None:
    """A caller's own `thinking` object, where fewer tokens are sent than he asked for: its budget stays below them."""
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int) or budget < max_tokens:
        return thinking
    enabled = _enabled(budget, max_tokens)
    return None if enabled is None else {**thinking, **enabled}


def _enabled(budget: int, max_tokens: int) -> dict[str, Any] | None:
    """None: so few tokens leave no room for thoughts."""
    budget = min(max(budget, BUDGET_MIN), BUDGET_MAX, max_tokens - 1)
    return {"type": "enabled", "budget_tokens": budget} if budget >= BUDGET_MIN else None


def _nearest(effort: Effort | None, levels: tuple[Effort, ...]) -> Effort | None:
    """Efforts that a model does not know snap to the nearest (OPENROUTER.md 9.1), rather down than up."""
    if effort is None or not levels or effort == "none":
        return None
    place = _ORDER.index(effort)
    return next((level for level in reversed(levels) if _ORDER.index(level) <= place), levels[0])


def read(thinking: dict[str, Any] | None, effort: Effort | None) -> tuple[Reasoning | None, Effort | None]:
    """A caller's `thinking` and `output_config.effort` -> `reasoning`, and the `verbosity` that is left."""
    if thinking is None:
        return None, effort
    exclude = True if thinking.get("display") == "omitted" else None
    match thinking.get("type"):
        case "enabled":
            return Reasoning(max_tokens=thinking.get("budget_tokens"), exclude=exclude), effort
        case "disabled":
            return Reasoning(enabled=False), effort
        case _:
            return Reasoning(enabled=True, effort=effort, exclude=exclude), None
