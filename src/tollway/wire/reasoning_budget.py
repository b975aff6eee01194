"""How hard to think: what a request asks, as a word and as tokens, and OpenRouter's ratios between them."""

from msgspec import Struct
from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, Effort, Reasoning

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

BUDGET_MIN, BUDGET_MAX = 1_024, 32_000
"""Between these lies a budget that a word stands for. Who names tokens himself may name more (decision 0014)."""

_NEAREST: tuple[tuple[Effort, float], ...] = (("high", 0.65), ("medium", 0.35), ("low", 0.15), ("minimal", 0.0))
"""From which share of max_tokens on a word is the nearest; the rarer words above "high" are only ever asked for."""
_UNBOUNDED = 24_576
"""What the share is of where nobody bounds the answer: the budget that Google has for "high"."""


class Wish(Struct, frozen=True):
    """What a request asks of a model's reasoning, in whichever of its fields."""

    effort: Effort | None = None
    """"none": not to reason."""
    budget: int | None = None
    """Tokens for it, of those for the answer."""
    hidden: bool = False
    """Whether the caller wants to see none of it."""

    @property
    def on(self) -> bool | None:
        """Whether to reason; None: it is left to the model."""
        if self.effort is None and self.budget is None:
            return None
        return self.effort != "none"


def wish_of(request: ChatRequest) -> Wish | None:
    """`reasoning`, `reasoning_effort` and `include_reasoning` as one; None: nothing is said about reasoning.

    `enabled` alone is "medium", or "none" (OPENROUTER.md 9.1).
    """
    asked = request.reasoning
    if asked is None:
        if request.reasoning_effort is None and request.include_reasoning is None:
            return None
        asked = _NOTHING
    effort = asked.effort or request.reasoning_effort
    if asked.enabled is False:
        effort = "none"
    elif effort is None and asked.max_tokens is None and asked.enabled:
        effort = "medium"
    hidden = bool(asked.exclude) or request.include_reasoning is False
    return Wish(effort, None if effort == "none" else asked.max_tokens, hidden)


_NOTHING = Reasoning()


def thinking(request: ChatRequest) -> ChatRequest:
    """The request for a model named with `:thinking`: it reasons, unless the caller says how much, or not at all."""
    wish = wish_of(request)
    if wish is not None and wish.on is not None:
        return request
    return replace(request, reasoning=replace(request.reasoning or _NOTHING, enabled=True))


def budget_of(effort: Effort, max_tokens: int) -> int:
    """The tokens for thinking that an effort asks for, of `max_tokens` in all, and always fewer than these."""
    share = int(max_tokens * RATIOS[effort] + 1e-6)
    if effort == "none":
        return 0
    budget = min(max(share, BUDGET_MIN), BUDGET_MAX)
    return budget if budget < max_tokens else share


def effort_of(budget: int, max_tokens: int | None) -> Effort:
    """The word that is nearest to a budget, for models that are only told a word. None: the answer has no bound."""
    share = budget / (max_tokens or _UNBOUNDED)
    return next(effort for effort, least in _NEAREST if share >= least)
