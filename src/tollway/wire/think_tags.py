"""`<think>` at the beginning of an answer's text: what stands in it becomes reasoning, whole and streamed."""

from collections.abc import Sequence
from enum import Enum, auto

from msgspec.structs import replace

from tollway.domain.events import Answer, Choice, Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta

OPENED, CLOSED = "<think>", "</think>"


class _At(Enum):
    HEAD = auto()
    """Nothing but blanks, and what may become the tag."""
    OPEN = auto()
    """Behind the tag, where blanks are left out."""
    THOUGHTS = auto()
    GAP = auto()
    """Behind the thoughts, where blanks are left out."""
    ANSWER = auto()


class ThinkTags:
    """Events in, events out. Providers without a parser for their models' thoughts send them so (vLLM, llama.cpp ...).

    A tag that begins later is the answer's own. Text with log probabilities is left as it is.
    """

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._at: dict[int, _At] = {}
        self._held: dict[int, str] = {}
        """Text that waits for what follows it."""

    @property
    def is_done(self) -> bool:
        """Every choice is at its answer: nothing is changed any more."""
        return len(self._at) >= self._choices and all(at is _At.ANSWER for at in self._at.values())

    def take(self, events: Sequence[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if type(event) is TextDelta and event.logprobs is None:
                self._take_text(event, out)
                continue
            if isinstance(event, (TextDelta, ReasoningDelta, ToolCallDelta, Finished)):
                self._end(event.choice, out)
            out.append(event)
        return out

    def _take_text(self, event: TextDelta, out: list[Event]) -> None:
        choice = event.choice
        at = self._at.get(choice, _At.HEAD)
        text = self._held.pop(choice, "") + event.text
        if at is _At.HEAD:
            begun = text.lstrip()
            if begun.startswith(OPENED):
                at, text = _At.OPEN, begun[len(OPENED) :]
            elif OPENED.startswith(begun):
                self._at[choice], self._held[choice] = at, text
                return
            else:
                at = _At.ANSWER
        if at is _At.OPEN and (text := text.lstrip()):
            at = _At.THOUGHTS
        if at is _At.THOUGHTS:
            thoughts, closed, text = text.partition(CLOSED)
            if not closed:
                kept = _beginning_of(CLOSED, thoughts)
                thoughts, self._held[choice] = thoughts[: len(thoughts) - kept], thoughts[len(thoughts) - kept :]
            else:
                thoughts, at = thoughts.rstrip(), _At.GAP
            if thoughts:
                out.append(ReasoningDelta(thoughts, choice))
        if at is _At.GAP and (text := text.lstrip()):
            at = _At.ANSWER
        if at is _At.ANSWER and text:
            out.append(replace(event, text=text))
        self._at[choice] = at

    def _end(self, choice: int, out: list[Event]) -> None:
        """Something else comes: what was held is what it looked like, and what follows is the answer."""
        held = self._held.pop(choice, "")
        if held:
            out.append(ReasoningDelta(held, choice) if self._at[choice] is _At.THOUGHTS else TextDelta(held, choice))
        self._at[choice] = _At.ANSWER


def whole(answer: Answer) -> Answer:
    """The same for an answer in one piece."""
    for choice in answer.choices:
        if choice.text and OPENED in choice.text:
            break
    else:
        return answer
    choices = [_of_choice(choice) for choice in answer.choices]
    changed = any(after is not before for before, after in zip(answer.choices, choices, strict=True))
    return replace(answer, choices=tuple(choices)) if changed else answer


def _of_choice(choice: Choice) -> Choice:
    text = (choice.text or "").lstrip()
    if not text.startswith(OPENED) or choice.reasoning or choice.reasoning_details or choice.logprobs is not None:
        return choice
    thoughts, _, said = text[len(OPENED) :].partition(CLOSED)
    return replace(choice, reasoning=thoughts.strip() or None, text=said.lstrip() or None)


def _beginning_of(tag: str, text: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    longest = min(len(tag) - 1, len(text))
    return next((length for length in range(longest, 0, -1) if text.endswith(tag[:length])), 0)
