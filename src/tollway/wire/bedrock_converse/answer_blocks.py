"""Content blocks of an answer -> events: memory of the blocks that are open, no I/O."""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import Event, ExtraDelta, NativeDelta, ReasoningDelta, TextDelta, ToolCallDelta
from tollway.wire.bedrock_converse.citations import annotation_of
from tollway.wire.bedrock_converse.schema import Delta, Reasoning
from tollway.wire.bedrock_converse.words import FORMAT
from tollway.wire.claude import hidden, thought
from tollway.wire.closed_schema import STRUCTURED_TOOL

CALLS_MAX = 512

_ENCODER = msgspec.json.Encoder()


class Blocks:
    """Reads one block after the other. A stream starts, grows and stops each by its index; a whole answer has it all.

    A stream's text and thoughts have no start: their first piece is one.
    """

    __slots__ = ("_details", "_open", "_said", "calls", "spoke")

    def __init__(self) -> None:
        self.calls = 0
        """Calls of the caller's tools."""
        self.spoke = False
        self._open: dict[int, _Block] = {}
        self._said = 0  # characters of text
        self._details = 0

    def start(self, index: int, start: dict[str, Any], events: list[Event]) -> None:
        """A block begins with what it is: a call, the result of one, an image."""
        self.stop(index, events)
        self.spoke = True
        block = self._block(index)
        use = start.get("toolUse")
        if not isinstance(use, dict) or use.get("type") == "server_tool_use":
            block.native = start
        else:
            self._call(block, use, events)

    def grow(self, index: int, delta: Delta, events: list[Event]) -> None:
        """A piece of a block."""
        self.spoke = True
        if delta.text is not None:
            block = self._block(index)
            self._say(delta.text, events)
            block.said_end = self._said
        elif delta.tool_use is not None:
            self._write(self._block(index), delta.tool_use.input, events)
        elif delta.reasoning_content is not None:
            self._think(self._block(index), delta.reasoning_content, events)
        elif isinstance(delta.citation, dict):
            self._block(index).citations.append(delta.citation)
        elif isinstance(delta.tool_result, list):
            self._block(index).results += delta.tool_result
        elif isinstance(delta.image, dict):
            self._block(index).images.append(delta.image)

    def stop(self, index: int, events: list[Event]) -> None:
        """A block is complete."""
        block = self._open.pop(index, None)
        if block is None:
            return
        if block.thinks:
            self._details += 1
        if block.citations:
            notes = [annotation_of(note, block.said_start, block.said_end) for note in block.citations]
            events.append(ExtraDelta(annotations=Raw(_ENCODER.encode(notes))))
        if block.call is not None and not block.written:
            events.append(ToolCallDelta(block.call, arguments="{}"))
        if block.native is not None:
            self._tell(block.whole_native(), events)

    def stop_all(self, events: list[Event]) -> None:
        """The answer is complete, and with it every block."""
        for index in sorted(self._open):
            self.stop(index, events)

    def take(self, value: Any, events: list[Event]) -> None:
        """A block of a whole answer: the events that it would have streamed."""
        if not isinstance(value, dict):
            return
        index = -1
        if isinstance(text := value.get("text"), str):
            self.grow(index, Delta(text=text), events)
        elif isinstance(thoughts := value.get("reasoningContent"), dict):
            written = thoughts.get("reasoningText")
            try:
                piece = msgspec.convert(written if isinstance(written, dict) else thoughts, Reasoning)
            except msgspec.ValidationError:
                return
            self.grow(index, Delta(reasoning_content=piece), events)
        elif isinstance(use := value.get("toolUse"), dict) and use.get("type") != "server_tool_use":
            self.start(index, value, events)
            if (given := use.get("input")) not in (None, {}):
                self._write(self._block(index), _ENCODER.encode(given).decode(), events)
        elif isinstance(cited := value.get("citationsContent"), dict):
            for part in _dicts(cited.get("content")):
                if isinstance(text := part.get("text"), str):
                    self.grow(index, Delta(text=text), events)
            self._block(index).citations += _dicts(cited.get("citations"))
        else:
            self.spoke = True
            self._tell(value, events)
        self.stop(index, events)

    def _block(self, index: int) -> "_Block":
        block = self._open.get(index)
        if block is None:
            block = self._open[index] = _Block(self._said)
        return block

    def _say(self, text: str, events: list[Event]) -> None:
        if text:
            self._said += len(text)
            events.append(TextDelta(text))

    def _think(self, block: "_Block", piece: Reasoning, events: list[Event]) -> None:
        if piece.redacted_content:
            block.thinks = True
            events.append(ReasoningDelta(details=(_hidden(piece.redacted_content, self._details),)))
        elif piece.text or piece.signature:
            block.thinks = True
            detail = thought(piece.text or None, self._details, piece.signature)
            events.append(ReasoningDelta(text=piece.text or None, details=(detail,)))

    def _call(self, block: "_Block", use: dict[str, Any], events: list[Event]) -> None:
        if use.get("name") == STRUCTURED_TOOL:
            block.structured = True
        elif self.calls < CALLS_MAX:
            block.call = self.calls
            self.calls += 1
            name, id_ = str(use.get("name") or ""), str(use.get("toolUseId") or "")
            events.append(ToolCallDelta(block.call, id=id_, name=name))

    def _write(self, block: "_Block", piece: Any, events: list[Event]) -> None:
        """A piece of a call's arguments, as JSON text."""
        if not isinstance(piece, str) or not piece:
            return
        block.written = True
        if block.structured:
            self._say(piece, events)
        elif block.call is not None:
            events.append(ToolCallDelta(block.call, arguments=piece))
        else:
            block.inputs.append(piece)

    def _tell(self, value: dict[str, Any], events: list[Event]) -> None:
        """A block that is neither text, thought nor call: a picture as one, anything else for its own format alone."""
        if (url := _picture(value.get("image"))) is not None:
            image = {"type": "image_url", "image_url": {"url": url}}
            events.append(ExtraDelta(images=Raw(_ENCODER.encode([image]))))
        else:
            events.append(NativeDelta(FORMAT, Raw(_ENCODER.encode(value))))


class _Block:
    """A block that is open."""

    __slots__ = (
        "call",
        "citations",
        "images",
        "inputs",
        "native",
        "results",
        "said_end",
        "said_start",
        "structured",
        "thinks",
        "written",
    )

    def __init__(self, said: int) -> None:
        self.call: int | None = None  # its place among the caller's tools' calls
        self.structured = False  # the call is the answer itself
        self.written = False
        self.thinks = False
        self.said_start = self.said_end = said
        self.citations: list[dict[str, Any]] = []
        self.native: dict[str, Any] | None = None  # how it began, where only its own format can say it
        self.inputs: list[str] = []
        self.results: list[Any] = []
        self.images: list[dict[str, Any]] = []

    def whole_native(self) -> dict[str, Any]:
        """How it began, with all that came for it, as a whole answer would have it."""
        whole = {name: dict(value) if isinstance(value, dict) else value for name, value in (self.native or {}).items()}
        if self.inputs and isinstance(use := whole.get("toolUse"), dict):
            use["input"] = _object("".join(self.inputs))
        if self.results and isinstance(result := whole.get("toolResult"), dict):
            result["content"] = self.results
        if self.images and isinstance(image := whole.get("image"), dict):
            for piece in self.images:
                image |= piece
        return whole


def _picture(image: Any) -> str | None:
    source = image.get("source") if isinstance(image, dict) else None
    data = source.get("bytes") if isinstance(source, dict) else None
    return f"data:image/{image.get('format', 'png')};base64,{data}" if isinstance(data, str) else None


def _hidden(blob: str, index: int) -> Raw:
    """A hidden thought. Claude's is text, which Bedrock sends as bytes, so in base64 once more (recorded).

    Bytes that are no text are nobody's that we know: they stay as they came, and go back to nobody.
    """
    try:
        text = base64.b64decode(blob, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if text and text.isprintable():
        return hidden(text, index)
    return Raw(_ENCODER.encode({"type": "reasoning.encrypted", "data": blob, "format": "unknown", "index": index}))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return {}
