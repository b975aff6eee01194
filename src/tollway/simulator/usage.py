"""Tokens as an answer reports them, true or false; each format writes them in its own words."""

from typing import Any

import msgspec
from msgspec import Struct

from tollway.simulator.answer import Answer
from tollway.simulator.behaviour import Behaviour


class Counts(Struct, frozen=True):
    """Whole numbers, unless the behaviour asks for nonsense."""

    prompt: Any
    """With what was read from a cache or written to one."""
    completion: Any
    """With the reasoning."""
    total: Any
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    @property
    def uncached(self) -> Any:
        """The prompt without what a cache had or got."""
        return self.prompt - self.cached - self.written if self.cached or self.written else self.prompt

    @property
    def answer(self) -> Any:
        """The completion without the reasoning."""
        return self.completion - self.reasoning if self.reasoning else self.completion


def counts(answer: Answer, behaviour: Behaviour) -> Counts | None:
    """What is reported as used; None: nothing is said about it."""
    prompt = round(answer.prompt_tokens * behaviour.overcount)
    completion = round(answer.completion_tokens * behaviour.overcount)
    match behaviour.usage:
        case "none":
            return None
        case "zero":
            return Counts(0, 0, 0)
        case "negative":
            return Counts(-prompt, -completion, -prompt - completion)
        case "huge":
            return Counts(10**15, 10**15, 2 * 10**15)
        case "float":
            return Counts(prompt + 0.5, completion + 0.5, prompt + completion + 1.0)
        case "nan":
            nan = msgspec.Raw(b"NaN")
            return Counts(nan, nan, nan)
        case "string":
            return Counts(str(prompt), str(completion), str(prompt + completion))
        case "full" | "twice":
            cached = min(behaviour.cached, prompt)
            written = min(behaviour.cache_written, prompt - cached)
            return Counts(prompt, completion, prompt + completion, cached, written, answer.reasoning_tokens)


def half(answer: Answer) -> Counts:
    """The first of two usages: a count that is not final."""
    prompt, completion = answer.prompt_tokens, answer.completion_tokens // 2
    return Counts(prompt, completion, prompt + completion)
