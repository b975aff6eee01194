"""A request's attempts over time, drawn by the server: waiting, asking, the first token, the rest of the answer."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from tollway.domain.generation import Attempt, Generation
from tollway.domain.health import Outcome
from tollway.web.figures import seconds

WIDTH, BAR, GAP = 1000, 16, 8
Kind = Literal["wait", "first", "stream", "failed"]
KINDS: dict[Kind, str] = {
    "wait": "before it was asked",
    "first": "until its first token",
    "stream": "the rest of the answer",
    "failed": "until it failed",
}

SURE = ("first", "failed")
"""Drawn however short they were."""


class Span(Struct, frozen=True):
    """A time of an attempt, and where it is drawn."""

    kind: Kind
    text: str
    x: float
    width: float


class Lane(Struct, frozen=True):
    """One attempt."""

    label: str
    outcome: str
    good: bool
    spans: tuple[Span, ...]
    y: int


class Waterfall(Struct, frozen=True):
    """What the page draws; `rows` say the same in words."""

    lanes: tuple[Lane, ...]
    total: str
    height: int
    kinds: tuple[tuple[str, str], ...]
    width: int = WIDTH
    bar: int = BAR


def waterfall(generation: Generation, names: Sequence[str]) -> Waterfall | None:
    """`names`: of the providers that were asked, in turn. None: nobody was asked."""
    attempts = generation.attempts
    if not attempts:
        return None
    ends = [_end_ms(generation, at) for at in range(len(attempts))]
    whole = max(1, *ends)
    lanes, before, kinds = [], 0, []
    for at, (attempt, name) in enumerate(zip(attempts, names, strict=True)):
        times = _times(attempt, min(before, attempt.began_ms), ends[at])
        spans = tuple(_span(kind, start, end, whole) for kind, start, end in times if end > start or kind in SURE)
        kinds += [span.kind for span in spans]
        said = f"{attempt.outcome.value.replace('_', ' ')}{f', status {attempt.status}' if attempt.status else ''}"
        lanes.append(Lane(name, said, attempt.outcome is Outcome.SUCCEEDED, spans, at * (BAR + GAP) + GAP // 2))
        before = ends[at]
    known = tuple((kind, words) for kind, words in KINDS.items() if kind in kinds)
    return Waterfall(tuple(lanes), seconds(whole / 1000), len(lanes) * (BAR + GAP), known)


def _span(kind: Kind, start: int, end: int, whole: int) -> Span:
    wide = max(WIDTH * (end - start) / whole, 1)
    return Span(kind, seconds((end - start) / 1000), round(WIDTH * start / whole, 2), round(wide, 2))


def _end_ms(generation: Generation, at: int) -> int:
    """The last attempt's answer goes on after its first token; the others ended with their failure."""
    attempt = generation.attempts[at]
    longest = attempt.latency_ms
    if at == len(generation.attempts) - 1:
        longest = max(longest, generation.generation_ms)
    return attempt.began_ms + longest


def _times(attempt: Attempt, before_ms: int, end_ms: int) -> list[tuple[Kind, int, int]]:
    began = attempt.began_ms
    found: list[tuple[Kind, int, int]] = [("wait", before_ms, began)]
    if attempt.outcome not in (Outcome.SUCCEEDED, Outcome.CANCELLED):
        return [*found, ("failed", began, end_ms)]
    first = min(began + attempt.latency_ms, end_ms)
    return [*found, ("first", began, first), ("stream", first, end_ms)]
