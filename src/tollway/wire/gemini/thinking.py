"""thinkingConfig <-> reasoning: budgets for Gemini 2.5, levels for what came after (OPENROUTER.md 9.1)."""

import re
from typing import Any, get_args

from tollway.domain.chat import ChatRequest, Effort, Reasoning
from tollway.wire.gemini.schema import ThinkingConfig
from tollway.wire.reasoning_budget import budget_of, effort_of, wish_of

_VERSION = re.compile(r"gemini-(\d+)")
_EFFORTS: tuple[Effort, ...] = get_args(Effort)

BUDGETS: dict[Effort, int] = {
    "max": 24_576,
    "xhigh": 24_576,
    "high": 24_576,
    "medium": 8_192,
    "low": 1_024,
    "minimal": 1_024,
    "none": 0,
}
"""Where there is no limit to take a share of (Google's "OpenAI compatibility", reasoning_effort)."""

LEVELS: dict[Effort, str] = {
    "max": "high",
    "xhigh": "high",
    "high": "high",
    "medium": "medium",
    "low": "low",
    "minimal": "minimal",
    "none": "minimal",
}


def thinks_in_levels(model: str) -> bool:
    """Whether a model of this name takes thinkingLevel, and insists on thought signatures: Gemini 3 and later."""
    found = _VERSION.search(model)
    return found is not None and int(found.group(1)) >= 3


def read_thinking(config: ThinkingConfig | None) -> Reasoning | None:
    """What thinkingConfig says; None where it says nothing. A budget of 0 is "none", of -1 the model's own choice."""
    if config is None:
        return None
    effort: Effort | None = None
    limit: int | None = None
    enabled: bool | None = None
    level = (config.thinking_level or "").lower()
    if level in _EFFORTS:
        effort = next(known for known in _EFFORTS if known == level)
    elif config.thinking_budget == 0:
        effort = "none"
    elif config.thinking_budget == -1:
        enabled = True
    else:
        limit = config.thinking_budget
    # Google shows no thoughts unless asked to.
    return Reasoning(effort=effort, max_tokens=limit, enabled=enabled, exclude=not config.include_thoughts)


def write_thinking(request: ChatRequest, model: str, max_tokens: int | None) -> dict[str, Any] | None:
    """The thinkingConfig for a model, or None where the request says nothing of reasoning."""
    wish = wish_of(request)
    if wish is None:
        return None
    config: dict[str, Any] = {"includeThoughts": not wish.hidden and wish.on is not False}
    effort = wish.effort
    if thinks_in_levels(model):
        if effort is None and wish.budget is not None:
            effort = effort_of(wish.budget, max_tokens)
        return config if effort is None else {**config, "thinkingLevel": _level(effort, model)}
    if wish.budget is not None:
        config["thinkingBudget"] = _within(wish.budget, model)
    elif effort is not None:
        budget = BUDGETS[effort] if max_tokens is None else budget_of(effort, max_tokens)
        config["thinkingBudget"] = _within(budget, model)
    return config


def _level(effort: Effort, model: str) -> str:
    """The nearest level that the model knows: Pro has no "minimal", and Gemini 3 Pro no "medium" either."""
    level = LEVELS[effort]
    if "-pro" in model and level == "minimal":
        return "low"
    return "high" if "gemini-3-pro" in model and level == "medium" else level


def _within(budget: int, model: str) -> int:
    """ai.google.dev, "Thinking": 2.5 Pro takes 128 to 32768, Flash 0 to 24576, Flash-Lite 0 or 512 to 24576."""
    if "-pro" in model:
        return min(max(budget, 128), 32_768)
    if "flash-lite" in model and budget:
        return min(max(budget, 512), 24_576)
    return min(budget, 24_576)
