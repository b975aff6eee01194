"""The content blocks of a provider's answer, whole or in pieces -> events."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import (
    Event,
    ExtraDelta,
    NativeDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from tollway.wire.anthropic_messages.citations import annotation_of
from tollway.wire.anthropic_messages.schema import Delta
from tollway.wire.anthropic_messages.words import FORMAT
from tollway.wire.claude import hidden, thought
from tollway.wire.closed_schema import STRUCTURED_TOOL
from tollway.wire.native_fields import rest

CALLS_MAX = 512

_ENCODER = msgspec.json.Encoder()
_IGNORED = "tollway:ignored"
NEXT = "tollway:next"
"""In a NativeDelta: fields of the block of that type which begins behind it, that no event has a place for."""
DELTAS = frozenset({"text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta"})
_CALL = frozenset({"type", "id", "name", "input"})
_KNOWN = {
    "text": frozenset({"type", "text", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
}
_RANKS = {"thinking": 0, "redacted_thinking": 0, "text": 1, "tool_use": 2}
"""The order in which our own answers hold these; a block that breaks it, or a second text, is told by a border."""


class Blocks:
    """Reads one block after the other. A stream opens, grows and closes each; a whole answer opens and closes."""

    __slots__ = ("_citations", "_details", "_json", "_open", "_rank", "_said", "_said_before", "calls", "spoke")

    def __init__(self) -> None:
        self.calls = 0
        """Calls of the caller's tools."""
        self.spoke = False
        self._open: dict[str, Any] | None = None
        self._rank = -1
        self._said = 0  # characters of text
        self._said_before = 0  # the same, when the open block began
        self._details = 0
        self._json: list[str] = []
        self._citations: list[dict[str, Any]] = []

    def open(self, block: dict[str, Any], events: list[Event]) -> None:
        """A block begins, with all that it has so far."""
        self.close(events)
        self.spoke = True
        self._open, self._json, self._citations = block, [], []
        kind = block.get("type")
        rank = _RANKS.get(str(kind), -1)
        if rank >= 0 and (rank < self._rank or rank == self._rank == 1):
            events.append(NativeDelta(FORMAT))
        self._rank = rank
        if (known := _KNOWN.get(str(kind))) is not None and (more := rest(block, known)):
            events.append(NativeDelta(FORMAT, Raw(_ENCODER.encode({NEXT: kind, **more}))))
        self._said_before = self._said
        match kind:
            case "text":
                self._say(block.get("text"), events)
                self._citations = [item for item in block.get("citations") or () if isinstance(item, dict)]
            case "thinking":
                self._think(block.get("thinking"), block.get("signature"), events)
            case "redacted_thinking":
                events.append(ReasoningDelta(details=(hidden(str(block.get("data") or ""), self._details),)))
            case "tool_use":
                self._call(block, events)

    def grow(self, delta: Delta, events: list[Event], more: dict[str, Any] | None = None) -> None:
        """A piece of the open block. `more`: all of a delta whose type is none of DELTAS; what it says, grows."""
        block = self._open
        if block is None:
            # Some servers leave out the start of the first text.
            self.open({"type": "thinking" if delta.thinking else "text"}, events)
            block = self._open
        if delta.text is not None:
            self._say(delta.text, events)
        elif delta.thinking is not None or delta.signature is not None:
            self._think(delta.thinking, delta.signature, events)
        elif delta.partial_json is not None:
            self._write(delta.partial_json, events)
        elif isinstance(delta.citation, dict):
            self._citations.append(delta.citation)
        elif block is not None and isinstance(more, dict) and block.get("type") not in _RANKS:
            for name, value in rest(more, frozenset({"type"})).items():
                grows = isinstance(value, str) and isinstance(block.get(name), str)
                block[name] = block[name] + value if grows else value

    def close(self, events: list[Event]) -> None:
        """The open block, if any, is complete."""
        block = self._open
        if block is None:
            return
        kind = block.get("type")
        if kind == "text":
            if self._citations:
                notes = [annotation_of(citation, self._said_before, self._said) for citation in self._citations]
                events.append(ExtraDelta(annotations=Raw(_ENCODER.encode(notes))))
        elif kind == "tool_use":
            if not self._json:
                self._write("{}", events)
        elif kind in ("thinking", "redacted_thinking"):
            self._details += 1
        elif isinstance(kind, str) and kind != _IGNORED:
            if text := "".join(self._json):
                block["input"] = _object(text)
            events.append(NativeDelta(FORMAT, Raw(_ENCODER.encode(block))))
        self._open = None

    def _say(self, text: Any, events: list[Event]) -> None:
        if isinstance(text, str) and text:
            self._said += len(text)
            events.append(TextDelta(text))

    def _think(self, text: Any, signature: Any, events: list[Event]) -> None:
        text = text if isinstance(text, str) and text else None
        signature = signature if isinstance(signature, str) and signature else None
        if text is None and signature is None:
            return
        events.append(ReasoningDelta(text=text, details=(thought(text, self._details, signature),)))

    def _call(self, block: dict[str, Any], events: list[Event]) -> None:
        if block.get("name") != STRUCTURED_TOOL:
            own = rest(block, _CALL)
            if own.get("caller") == {"type": "direct"}:
                del own["caller"]  # the default
            extra = Raw(_ENCODER.encode({"anthropic": own})) if own else None
            if self.calls >= CALLS_MAX:
                self._open = {"type": _IGNORED}
                return
            name = str(block.get("name") or "")
            events.append(ToolCallDelta(self.calls, id=str(block.get("id") or ""), name=name, extra_content=extra))
            self.calls += 1
        given = block.get("input")
        if given:
            self._write(_ENCODER.encode(given).decode(), events)

    def _write(self, piece: str, events: list[Event]) -> None:
        """A piece of a call's arguments, as JSON text."""
        if not piece:
            return
        self._json.append(piece)
        if self._open is None or self._open.get("type") != "tool_use":
            return
        if self._open.get("name") == STRUCTURED_TOOL:
            self._say(piece, events)
        else:
            events.append(ToolCallDelta(self.calls - 1, arguments=piece))


def _object(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return {}
