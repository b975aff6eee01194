"""Events -> the steps of a Messages stream: which block opens, what it grows by, when it closes."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import (
    Event,
    ExtraDelta,
    NativeDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from tollway.wire.anthropic_messages.answer_blocks import NEXT
from tollway.wire.anthropic_messages.citations import citation_of
from tollway.wire.anthropic_messages.details import Carried, carry
from tollway.wire.anthropic_messages.words import FORMAT
from tollway.wire.claude import CLAUDE

Step = dict[str, Any]
"""The data of one `content_block_start`, `content_block_delta` or `content_block_stop`."""

_ENCODER = msgspec.json.Encoder()


class Writer:
    """The blocks of one answer. The format has one choice: what belongs to others is left out."""

    __slots__ = ("_calls", "_key", "_more", "_next", "_open")

    def __init__(self) -> None:
        self._next = 0  # the index that the next block gets
        self._open: str | None = None  # the kind of the open block, which is the last
        self._key: Any = None  # which thought, or which call, it is
        self._calls: dict[int, int] = {}  # a call's index -> its block's
        self._more: dict[str, Any] = {}  # what else its provider said of the next block

    def steps(self, events: Iterable[Event]) -> Iterator[Step]:
        """What these events add, in order. Started, Finished, UsageReported and Failed add nothing."""
        for event in events:
            if getattr(event, "choice", 0):
                continue
            match event:
                case TextDelta(text=text) | RefusalDelta(text=text):
                    yield from self._say(text)
                case ReasoningDelta():
                    yield from self._reason(event)
                case ToolCallDelta():
                    yield from self._call(event)
                case ExtraDelta():
                    yield from self._extra(event)
                case NativeDelta(format=form, value=value):
                    if form == FORMAT:
                        yield from self._native(value)

    def close(self) -> Iterator[Step]:
        """Ends the open block, if any."""
        if self._open is not None:
            self._open = None
            yield {"type": "content_block_stop", "index": self._next - 1}

    def _start(self, block: dict[str, Any], key: Any = None) -> Iterator[Step]:
        yield from self.close()
        if self._more.pop(NEXT, None) == block["type"]:
            block = {**self._more, **block}
        self._more = {}
        self._open, self._key = block["type"], key
        yield {"type": "content_block_start", "index": self._next, "content_block": block}
        self._next += 1

    def _grow(self, delta: dict[str, Any], index: int | None = None) -> Step:
        return {"type": "content_block_delta", "index": self._next - 1 if index is None else index, "delta": delta}

    def _say(self, text: str) -> Iterator[Step]:
        if not text:
            return
        if self._open != "text":
            yield from self._start({"type": "text", "text": ""})
        yield self._grow({"type": "text_delta", "text": text})

    def _reason(self, event: ReasoningDelta) -> Iterator[Step]:
        readable = False
        for raw in event.details:
            detail = msgspec.json.decode(raw)
            if not isinstance(detail, dict):
                continue
            readable |= bool(detail.get("text") or detail.get("summary"))
            yield from self._detail(detail)
        if event.text and not readable:
            yield from self._think(event.text, None)

    def _detail(self, detail: dict[str, Any]) -> Iterator[Step]:
        is_claudes = detail.get("format") == CLAUDE
        text, signature = detail.get("text") or detail.get("summary"), detail.get("signature")
        key = (detail.get("type"), detail.get("index"))
        if isinstance(text, str):
            yield from self._think(text, key)
        if is_claudes and isinstance(signature, str) and signature:
            yield from self._think("", key)
            yield self._grow({"type": "signature_delta", "signature": signature})
        elif is_claudes and isinstance(detail.get("data"), str):
            yield from self._whole({"type": "redacted_thinking", "data": detail["data"]})
        elif signature or detail.get("data"):
            yield from self._whole({"type": "redacted_thinking", "data": carry(Carried(detail=detail))})

    def _think(self, text: str, key: Any) -> Iterator[Step]:
        if self._open != "thinking" or self._key != key:
            yield from self._start({"type": "thinking", "thinking": "", "signature": ""}, key)
        if text:
            yield self._grow({"type": "thinking_delta", "thinking": text})

    def _call(self, event: ToolCallDelta) -> Iterator[Step]:
        extra = None if event.extra_content is None else msgspec.json.decode(event.extra_content)
        own = extra.get("anthropic") if isinstance(extra, dict) else None
        if event.index not in self._calls:
            call_id = event.id or f"call_{event.index}"
            if extra and own is None:
                data = carry(Carried(call=call_id, extra_content=extra))
                yield from self._whole({"type": "redacted_thinking", "data": data})
            block = {"type": "tool_use", "id": call_id, "name": event.name or "", "input": {}}
            yield from self._start({**block, **own} if isinstance(own, dict) else block, call_id)
            self._calls[event.index] = self._next - 1
        elif extra and own is None and event.id:
            data = carry(Carried(call=event.id, extra_content=extra))
            yield from self._whole({"type": "redacted_thinking", "data": data})
        if event.arguments:
            yield self._grow({"type": "input_json_delta", "partial_json": event.arguments}, self._calls[event.index])

    def _extra(self, event: ExtraDelta) -> Iterator[Step]:
        for note in _list(event.annotations):
            if (citation := citation_of(note)) is not None:
                if self._open != "text":
                    yield from self._start({"type": "text", "text": ""})
                yield self._grow({"type": "citations_delta", "citation": citation})
        for image in _list(event.images):
            # The format has no images in answers: Markdown shows them.
            address = image.get("image_url") if isinstance(image, dict) else None
            if isinstance(address, dict) and isinstance(address.get("url"), str):
                yield from self._say(f"\n\n![image]({address['url']})")
        audio = None if event.audio is None else msgspec.json.decode(event.audio)
        if isinstance(audio, dict) and isinstance(audio.get("transcript"), str):
            yield from self._say(audio["transcript"])

    def _native(self, value: Raw | None) -> Iterator[Step]:
        if value is None:
            yield from self.close()
            return
        block = msgspec.json.decode(value)
        if NEXT in block:
            yield from self.close()
            self._more = block
            return
        given = block.get("input")
        if isinstance(given, dict):
            # As the provider streams it: clients read the input from the pieces.
            yield from self._start({**block, "input": {}})
            yield self._grow({"type": "input_json_delta", "partial_json": _ENCODER.encode(given).decode()})
            yield from self.close()
        else:
            yield from self._whole(block)

    def _whole(self, block: dict[str, Any]) -> Iterator[Step]:
        yield from self._start(block)
        yield from self.close()


def _list(raw: Raw | None) -> list[Any]:
    value = None if raw is None else msgspec.json.decode(raw)
    return value if isinstance(value, list) else []


def content_of(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps -> the blocks that they make."""
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    for step in steps:
        if step["type"] == "content_block_start":
            blocks.append(dict(step["content_block"]))
        elif step["type"] == "content_block_delta":
            block, delta = blocks[step["index"]], step["delta"]
            match delta["type"]:
                case "text_delta":
                    block["text"] += delta["text"]
                case "thinking_delta":
                    block["thinking"] += delta["thinking"]
                case "signature_delta":
                    block["signature"] = delta["signature"]
                case "citations_delta":
                    block.setdefault("citations", []).append(delta["citation"])
                case "input_json_delta":
                    inputs[step["index"]] = inputs.get(step["index"], "") + delta["partial_json"]
    for index, text in inputs.items():
        blocks[index]["input"] = _input(text)
    return blocks


def _input(text: str) -> dict[str, Any]:
    """A call's arguments, which the format wants as an object; what is none is shown as it is."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": value}
