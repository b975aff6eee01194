"""A whole answer -> the events that it would have streamed: the other way round than `collect`."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import (
    Answer,
    Choice,
    Event,
    ExtraDelta,
    Finished,
    NativeDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)


def expand(answer: Answer) -> list[Event]:
    """Choice after choice: reasoning, text and its annotations, tool calls, refusal, the rest, the finish reason.

    Where a choice has `natives`, these stand where they stood, and the rest comes in the pieces that they divide it in.
    Fields of the whole answer come last.
    """
    events: list[Event] = []
    for choice in answer.choices:
        index = choice.index
        if choice.natives:
            events.extend(_in_pieces(choice))
        else:
            if choice.reasoning is not None or choice.reasoning_details:
                events.append(ReasoningDelta(choice.reasoning, index, choice.reasoning_details))
            if choice.text is not None:
                events.append(TextDelta(choice.text, index, choice.logprobs))
            if choice.annotations is not None:
                events.append(ExtraDelta(index, annotations=choice.annotations))
            events.extend(_calls(choice, 0, len(choice.tool_calls)))
        if choice.refusal is not None:
            events.append(RefusalDelta(choice.refusal, index))
        if choice.images is not None or choice.audio is not None:
            events.append(ExtraDelta(index, choice.images, choice.audio))
        if choice.finish_reason is not None:
            events.append(Finished(choice.finish_reason, choice.native_finish_reason, index, choice.finish_details))
    if answer.native is not None:
        events.append(answer.native)
    return events


def _calls(choice: Choice, first: int, end: int) -> Iterator[Event]:
    for place, call in enumerate(choice.tool_calls[first:end], first):
        yield ToolCallDelta(place, choice.index, call.id, call.name, call.arguments, call.extra_content, call.custom)


def _in_pieces(choice: Choice) -> Iterator[Event]:
    """Between two natives: the details, the text and the calls that came between them, and what annotates that text."""
    index, text = choice.index, choice.text or ""
    notes = _notes(choice.annotations)
    if choice.reasoning is not None and not any(map(_readable, choice.reasoning_details)):
        yield ReasoningDelta(choice.reasoning, index)
    text_at = details_at = calls_at = 0
    borders = [(piece.text_at, piece.details_at, piece.calls_at, piece) for piece in choice.natives]
    for text_end, details_end, calls_end, piece in [
        *borders,
        (len(text), len(choice.reasoning_details), len(choice.tool_calls), None),
    ]:
        for detail in choice.reasoning_details[details_at:details_end]:
            yield ReasoningDelta(_readable(detail), index, (detail,))
        if text_end > text_at:
            # All of them with the first piece: which tokens a piece has is not known here, and their order stays.
            yield TextDelta(text[text_at:text_end], index, None if text_at else choice.logprobs)
        if about := [note for note in notes if text_at < _end_of(note) <= text_end]:
            notes = [note for note in notes if note not in about]
            yield ExtraDelta(index, annotations=Raw(msgspec.json.encode(about)))
        yield from _calls(choice, calls_at, calls_end)
        text_at, details_at, calls_at = text_end, details_end, calls_end
        if piece is not None:
            yield NativeDelta(piece.format, piece.value, index)
    if notes:
        yield ExtraDelta(index, annotations=Raw(msgspec.json.encode(notes)))


def _notes(annotations: Raw | None) -> list[Any]:
    value = None if annotations is None else msgspec.json.decode(annotations)
    return value if isinstance(value, list) else []


def _end_of(note: Any) -> int:
    """The character of the text where what a `url_citation` is about ends; 0: unknown."""
    citation = note.get("url_citation") if isinstance(note, dict) else None
    end = citation.get("end_index") if isinstance(citation, dict) else None
    return end if isinstance(end, int) else 0


def _readable(detail: Raw) -> str | None:
    value = msgspec.json.decode(detail)
    text = (value.get("text") or value.get("summary")) if isinstance(value, dict) else None
    return text if isinstance(text, str) else None
