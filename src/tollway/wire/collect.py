"""Fold the events of an answer into the whole answer."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import (
    Answer,
    Choice,
    Event,
    ExtraDelta,
    Failed,
    Finished,
    NativeDelta,
    NativeFields,
    NativePiece,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    UpstreamBody,
    UsageReported,
)
from tollway.domain.generation import Usage
from tollway.wire.native_fields import both


def collect(events: Iterable[Event]) -> Answer:
    """All events of one answer, in order -> the answer, its choices in order of index.

    The first `Finished` of a choice and the last `UsageReported` win (FAULTS.md U-19). `Failed` ends every choice
    that had not finished with the reason "error"; what had come of it stays.
    """
    choices: dict[int, _Choice] = {}
    started = Started()
    usage: Usage | None = None
    native: NativeFields | None = None
    failed = False
    for event in events:
        match event:
            case Started():
                started = _merged(started, event)
            case UsageReported():
                usage = event.usage
            case NativeFields():
                native = both(native, event)
            case Failed():
                failed = True
            case UpstreamBody():
                pass
            case _:
                choice = choices.get(event.choice)
                if choice is None:
                    choice = choices[event.choice] = _Choice()
                choice.add(event)
    return Answer(
        choices=tuple(choices[index].whole(index, failed) for index in sorted(choices)),
        usage=usage,
        upstream_id=started.upstream_id,
        model=started.model,
        system_fingerprint=started.system_fingerprint,
        service_tier=started.service_tier,
        native=native,
    )


class _Call:
    """A tool call in the making."""

    __slots__ = ("arguments", "custom", "extra_content", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.extra_content: Raw | None = None
        self.custom = False

    def add(self, piece: ToolCallDelta) -> None:
        self.id = self.id or piece.id or ""
        self.name = self.name or piece.name or ""
        self.arguments.append(piece.arguments)
        self.custom = self.custom or piece.custom
        if piece.extra_content is not None:
            self.extra_content = piece.extra_content

    def whole(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.arguments), self.extra_content, self.custom)


class _Choice:
    """A choice in the making."""

    __slots__ = (
        "annotations",
        "audio",
        "calls",
        "details",
        "finished",
        "images",
        "logprobs",
        "natives",
        "reasoning",
        "refusal",
        "text",
    )

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.details = _Details()
        self.refusal: list[str] = []
        self.calls: dict[int, _Call] = {}
        self.logprobs: list[Raw] = []
        self.images: list[Raw] = []
        self.audio: list[Raw] = []
        self.annotations: list[Raw] = []
        self.natives: list[NativePiece] = []
        self.finished: Finished | None = None

    def add(
        self, event: TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | ExtraDelta | NativeDelta | Finished
    ) -> None:
        match event:
            case TextDelta():
                self.text.append(event.text)
                if event.logprobs is not None:
                    self.logprobs.append(event.logprobs)
            case ReasoningDelta():
                if event.text is not None:
                    self.reasoning.append(event.text)
                for detail in event.details:
                    self.details.add(detail)
            case RefusalDelta():
                self.refusal.append(event.text)
            case ToolCallDelta():
                self.calls.setdefault(event.index, _Call()).add(event)
            case ExtraDelta():
                for pieces, piece in (
                    (self.images, event.images),
                    (self.audio, event.audio),
                    (self.annotations, event.annotations),
                ):
                    if piece is not None:
                        pieces.append(piece)
            case NativeDelta(passing=True):
                pass
            case NativeDelta(format=form, value=value):
                said = sum(map(len, self.text))
                self.natives.append(NativePiece(form, value, said, len(self.details.items), len(self.calls)))
            case Finished():
                self.finished = self.finished or event

    def whole(self, index: int, failed: bool) -> Choice:
        finished = self.finished
        return Choice(
            index=index,
            text="".join(self.text) if self.text else None,
            reasoning="".join(self.reasoning) if self.reasoning else None,
            reasoning_details=self.details.whole(),
            refusal="".join(self.refusal) if self.refusal else None,
            tool_calls=tuple(self.calls[position].whole() for position in sorted(self.calls)),
            logprobs=_joined(self.logprobs, _join_objects_of_lists),
            images=_joined(self.images, _join_lists),
            audio=_joined(self.audio, _join_audio),
            annotations=_joined(self.annotations, _join_lists),
            finish_reason=finished.reason if finished else ("error" if failed else None),
            native_finish_reason=finished.native if finished else None,
            finish_details=finished.details if finished else None,
            natives=tuple(self.natives),
        )


class _Details:
    """`reasoning_details` in the making: the pieces of one item, which share its `index`, become that item again."""

    __slots__ = ("_last", "items")

    def __init__(self) -> None:
        self.items: list[Raw | dict[str, Any]] = []
        """As it came, or put together from pieces."""
        self._last: dict[str, Any] | None = None

    def add(self, detail: Raw) -> None:
        value = msgspec.json.decode(detail)
        if self._last is not None and _continues(self._last, value):
            self._last = self.items[-1] = _grown(self._last, value)
            return
        self.items.append(detail)
        self._last = value if isinstance(value, dict) else None

    def whole(self) -> tuple[Raw, ...]:
        return tuple(item if isinstance(item, Raw) else Raw(msgspec.json.encode(item)) for item in self.items)


_GROWING = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""The types whose pieces are text that grows."""


def _continues(first: dict[str, Any], later: Any) -> bool:
    return (
        isinstance(later, dict)
        and first.get("type") in _GROWING
        and all(later.get(name) == first.get(name) for name in ("type", "format"))
        and first.get("index") is not None
        and first["index"] == later.get("index")
        and later.get("id") in (None, first.get("id"))
        and not (first.get("signature") and later.get("text"))
    )


def _grown(first: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Text, then signature, then the rest, so that an item reads the same however it was cut."""
    name = _GROWING[first["type"]]
    whole: dict[str, Any] = {"type": first["type"], name: (first.get(name) or "") + (later.get(name) or "")}
    if signature := later.get("signature") or first.get("signature"):
        whole["signature"] = signature
    rest = {**first, **{key: value for key, value in later.items() if value is not None}}
    return {**whole, **{key: value for key, value in rest.items() if key not in (name, "signature")}}


def _merged(first: Started, later: Started) -> Started:
    return Started(
        upstream_id=first.upstream_id or later.upstream_id,
        model=first.model or later.model,
        system_fingerprint=first.system_fingerprint or later.system_fingerprint,
        # The tier that was served comes last, and is the one that is billed (OPENROUTER.md 9.3).
        service_tier=later.service_tier or first.service_tier,
    )


def _joined(pieces: list[Raw], join: Any) -> Raw | None:
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    return Raw(msgspec.json.encode(join([msgspec.json.decode(piece) for piece in pieces])))


def _join_lists(values: list[Any]) -> list[Any]:
    return [item for value in values if isinstance(value, list) for item in value]


def _join_objects_of_lists(values: list[Any]) -> dict[str, Any]:
    """`{"content": [...], "refusal": null}` and its like: list by list."""
    whole: dict[str, Any] = {}
    for value in values:
        for name, items in value.items() if isinstance(value, dict) else ():
            if isinstance(items, list) and isinstance(whole.get(name), list):
                whole[name] = whole[name] + items
            elif items is not None or name not in whole:
                whole[name] = items
    return whole


def _join_audio(values: list[Any]) -> dict[str, Any]:
    """OpenAI's audio pieces: `data` and `transcript` grow, the rest is replaced."""
    whole: dict[str, Any] = {}
    data: list[str] = []
    for value in values:
        for name, item in value.items() if isinstance(value, dict) else ():
            if name == "data" and isinstance(item, str):
                data.append(item)
            elif name == "transcript" and isinstance(item, str):
                whole[name] = whole.get(name, "") + item
            elif item is not None or name not in whole:
                whole[name] = item
    if data:
        whole["data"] = _join_base64(data)
    return whole


def _join_base64(pieces: list[str]) -> str:
    """Each piece may end in padding of its own, so their bytes are joined and not their text."""
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()
    except (binascii.Error, ValueError):
        return "".join(pieces)
