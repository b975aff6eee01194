"""An answer without its reasoning, for callers who exclude it: the model did reason, which is billed, not shown."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.events import Answer, Event, ReasoningDelta


def without_reasoning(events: Sequence[Event], *, keeps_seals: bool) -> list[Event]:
    """The events that are left.

    `keeps_seals`: what nobody can read stays, signatures and encrypted items, since callers of some formats must send
    it back.
    """
    left: list[Event] = []
    for event in events:
        if not isinstance(event, ReasoningDelta):
            left.append(event)
        elif keeps_seals and (seals := _seals(event.details)):
            left.append(ReasoningDelta(None, event.choice, seals))
    return left


def whole_without_reasoning(answer: Answer, *, keeps_seals: bool) -> Answer:
    """The same for an answer in one piece."""
    choices = [
        replace(choice, reasoning=None, reasoning_details=_seals(choice.reasoning_details) if keeps_seals else ())
        for choice in answer.choices
    ]
    return replace(answer, choices=tuple(choices))


def _seals(details: Sequence[Raw]) -> tuple[Raw, ...]:
    seals = []
    for raw in details:
        detail = msgspec.json.decode(raw)
        if not isinstance(detail, dict):
            continue
        if detail.get("type") == "reasoning.encrypted":
            seals.append(raw)
        elif detail.get("signature"):
            unread = {name: value for name, value in detail.items() if name not in ("text", "summary")}
            seals.append(Raw(msgspec.json.encode(unread)))
    return tuple(seals)
