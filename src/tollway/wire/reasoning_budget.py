"""How hard to think, as a word and as tokens: OpenRouter's ratios between them."""

from tollway.domain.chat import Effort

RATIOS: dict[Effort, float] = {
    "max": 0.95,
    "xhigh": 0.95,
    "high": 0.8,
    "medium": 0.5,
    "low": 0.2,
    "minimal": 0.1,
    "none": 0.0,
}
"""Of max_tokens (OPENROUTER.md 9.1)."""

_NEAREST: tuple[tuple[Effort, float], ...] = (("high", 0.65), ("medium", 0.35), ("low", 0.15), ("minimal", 0.0))
"""From which share of max_tokens on a word is the nearest; the rarer words above "high" are only ever asked for."""


def budget_of(effort: Effort, max_tokens: int) -> int:
    """The tokens for thinking that an effort asks for, of `max_tokens` in all."""
    return int(max_tokens * RATIOS[effort] + 1e-6)


def effort_of(budget: int, max_tokens: int) -> Effort:
    """The word that is nearest to a budget, for models that are only told a word."""
    share = budget / max_tokens
    return next(effort for effort, least in _NEAREST if share >= least)
