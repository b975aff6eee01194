"""The parts of Cohere's message, whole or in pieces -> events: what streams and whole answers have in common."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import Event, ExtraDelta, ReasoningDelta, TextDelta, ToolCallDelta
from tollway.wire.cohere_chat.citations import annotations_of
from tollway.wire.cohere_chat.schema import Content

CALLS_MAX = 512
THINKING = "cohere.thinking"
TOOL_PLAN = "cohere.tool_plan"
"""Ids of `reasoning_details`: which field of the message they go back into."""

_ENCODER = msgspec.json.Encoder()


class Reader:
    """Reads a message's parts in the order in which they come."""

    __slots__ = ("_calls", "_details", "_said", "_starts", "_thought", "calls", "spoke")

    def __init__(self) -> None:
        self.calls = 0
        """Tool calls so far."""
        self.spoke = False
        self._calls: dict[int, int] = {}  # Cohere's index of a call -> ours
        self._starts: dict[int, int] = {}  # index of a content block -> characters of text before it
        self._said = 0
        self._details = -1
        self._thought: tuple[str, int] | None = None  # id and block of the detail that grows

    def content(self, index: int, content: Content, logprobs: Any, events: list[Event]) -> None:
        """A content block, or a piece of one. Blocks of other types are of a newer version."""
        if content.thinking:
            self._think(content.thinking, THINKING, index, events)
        self._starts.setdefault(index, self._said)
        notes = _logprobs(logprobs) if logprobs else None
        if content.text or notes is not None:
            text = content.text or ""
            self.spoke = True
            self._said += len(text)
            events.append(TextDelta(text, logprobs=notes))

    def plan(self, text: str, events: list[Event]) -> None:
        """A piece of the plan that a model makes before it calls tools."""
        if text:
            self._think(text, TOOL_PLAN, -1, events)

    def call(self, index: int | None, calls: Any, events: list[Event]) -> None:
        """A call or a list of them, whole, begun, or grown. What we have not seen before has begun."""
        for at, call in enumerate(calls if isinstance(calls, list) else [calls]):
            if not isinstance(call, dict):
                continue
            function = call.get("function")
            function = function if isinstance(function, dict) else {}
            place = at if index is None else index + at
            known = self._calls.get(place)
            if known is None:
                if self.calls >= CALLS_MAX:
                    return
                known = self._calls[place] = self.calls
                self.calls += 1
                self.spoke = True
                events.append(ToolCallDelta(known, id=_text(call.get("id")), name=_text(function.get("name"))))
            if arguments := _text(function.get("arguments")):
                events.append(ToolCallDelta(known, arguments=arguments))

    def cite(self, citations: Any, events: list[Event]) -> None:
        """A citation or a list of them."""
        given = citations if isinstance(citations, list) else [citations]
        notes = [note for one in given if isinstance(one, dict) for note in annotations_of(one, self._starts)]
        if notes:
            events.append(ExtraDelta(annotations=Raw(_ENCODER.encode(notes))))

    def _think(self, text: str, kind: str, block: int, events: list[Event]) -> None:
        self.spoke = True
        if self._thought != (kind, block):
            self._thought = (kind, block)
            self._details += 1
        detail = {"type": "reasoning.text", "text": text, "id": kind, "format": "unknown", "index": self._details}
        events.append(ReasoningDelta(text=text, details=(Raw(_ENCODER.encode(detail)),)))


def _logprobs(value: Any) -> Raw | None:
    """Cohere's items -> OpenAI's object. The text of several tokens stands with the first of them."""
    content: list[dict[str, Any]] = []
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            continue
        numbers, ids = item.get("logprobs"), item.get("token_ids")
        ids = ids if isinstance(ids, list) else []
        for place, number in enumerate(numbers if isinstance(numbers, list) else []):
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            token = {"token": _text(item.get("text")) if place == 0 else "", "logprob": number, "bytes": None}
            content.append({**token, "top_logprobs": [], **({"token_id": ids[place]} if place < len(ids) else {})})
    return Raw(_ENCODER.encode({"content": content, "refusal": None})) if content else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
