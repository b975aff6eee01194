"""Which words for effort the models know, and which of them cannot be told not to reason."""

import re

from tollway.domain.chat import Effort

ORDER: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_LOW_TO_HIGH: tuple[Effort, ...] = ("low", "medium", "high")
_KNOWN: tuple[tuple[re.Pattern[str], tuple[Effort, ...]], ...] = tuple(
    (re.compile(pattern), efforts)
    for pattern, efforts in (
        (r"(?:^|/)o[134](?:-|$)", _LOW_TO_HIGH),
        (r"gpt-oss", _LOW_TO_HIGH),
        (r"gpt-5-pro", ("high",)),
        (r"gpt-5\.[2-5](?:\.\d+)?-pro", ("medium", "high", "xhigh")),
        (r"gpt-5-codex", _LOW_TO_HIGH),
        (r"gpt-5(?:-|$)", ("minimal", "low", "medium", "high")),
        (r"gpt-5\.1-codex-max", ("none", "low", "medium", "high", "xhigh")),
        (r"gpt-5\.1", ("none", "low", "medium", "high")),
        (r"gpt-5\.[2-5]", ("none", "low", "medium", "high", "xhigh")),
        (r"grok-3-mini", ("low", "high")),
        (r"mistral-|magistral-", ("none", "high")),
        (r"glm-5", ("minimal", "low", "medium", "high", "xhigh", "max")),  # recorded: "high" and "max"
    )
)
"""The first that is found in a model's name counts (OpenAI's, xAI's and Mistral's pages on reasoning, and their
models' pages). A model that is not here takes what it is given."""

_ALWAYS = re.compile(r"gemini-2\.5-pro|gemini-3(?:\.\d)?-pro|deepseek-r1|deepseek-reasoner|qwq|-thinking(?:-|$)")
"""Models that are told nothing by a word, and reason all the same."""


def efforts_of(model: str) -> tuple[Effort, ...]:
    """The words that a model of this name takes; none: it is not known."""
    return next((efforts for pattern, efforts in _KNOWN if pattern.search(model)), ())


def must_reason(model: str) -> bool:
    """Whether a model of this name reasons whatever it is told."""
    known = efforts_of(model)
    return ("none" not in known) if known else _ALWAYS.search(model.lower()) is not None


def nearest(effort: Effort, known: tuple[Effort, ...]) -> Effort:
    """The word among those that are known, rather below what was asked than above (OPENROUTER.md 9.1).

    Who asks for little reasoning is not given none.
    """
    if not known or effort in known:
        return effort
    words = [word for word in ORDER if word in known and word != "none"]
    below = [word for word in words if ORDER.index(word) < ORDER.index(effort)]
    return below[-1] if below else (words or known)[0]
