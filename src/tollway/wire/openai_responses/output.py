"""Events -> output items, and what a stream says about them while they grow."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.catalog import WireFormat
from tollway.domain.events import (
    Event,
    ExtraDelta,
    Finished,
    NativeDelta,
    NativeFields,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
)
from tollway.wire.native_fields import both
from tollway.wire.openai_responses.notes import from_chat, logprobs_from_chat
from tollway.wire.openai_responses.reader import BEGUN
from tollway.wire.openai_responses.result import INCOMPLETE
from tollway.wire.openai_responses.thoughts import ReasoningItem

Say = Callable[..., None]
"""`say(type, **fields)`: one event of the stream."""

_HEADS = frozenset({"message", "function_call", "custom_tool_call"})


class Output:
    """Takes events; `items` is the response's output as far as it has come. Only the first choice is written.

    At most one message or reasoning item is open at a time; calls stay open beside it until the choice finishes,
    since some providers send the pieces of several at once.
    """

    def __init__(self, response_id: str, say: Say) -> None:
        self.items: list[dict[str, Any]] = []
        self.finish_reason: str | None = None
        self.service_tier: str | None = None
        self._id = response_id
        self._say = say
        self._head: dict[str, Any] = {}
        self._message: _Message | None = None
        self._reasoning: ReasoningItem | None = None
        self._calls: dict[int, _Call] = {}
        self._notes: list[dict[str, Any]] = []
        self._characters = 0
        self._has_image = False
        self._running: dict[str, int] = {}  # The id of an item that the provider works on -> its place.
        self.native: NativeFields | None = None

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Started():
                    self.service_tier = event.service_tier or self.service_tier
                case TextDelta(choice=0):
                    self._text(event)
                case ReasoningDelta(choice=0):
                    self._think(event)
                case RefusalDelta(choice=0) if event.text:
                    self._open_message().refuse(event.text)
                case ToolCallDelta(choice=0):
                    self._call(event)
                case ExtraDelta(choice=0):
                    self._extra(event)
                case NativeDelta(choice=0, format=WireFormat.OPENAI_RESPONSES, passing=True) if event.value is not None:
                    self._work(msgspec.json.decode(event.value))
                case NativeDelta(choice=0, format=WireFormat.OPENAI_RESPONSES) if event.value is not None:
                    self._native(msgspec.json.decode(event.value))
                case NativeFields():
                    self.native = both(self.native, event)
                case Finished(choice=0) if self.finish_reason is None:
                    self.finish_reason = event.reason
                    self.close("incomplete" if event.reason in INCOMPLETE else "completed")
                case _:
                    pass

    def close(self, status: str, *, silently: bool = False) -> None:
        """End every item that is open. `silently`: the answer failed, and its items are only marked."""
        if silently:
            self._say = _nothing
        elif self._head.get("type") == "message":
            self._open_message()  # One without content.
        self._close_text(status)
        for call in self._calls.values():
            call.close(status, self._say)
        self._calls.clear()

    def _text(self, event: TextDelta) -> None:
        tokens = None if event.logprobs is None else logprobs_from_chat(msgspec.json.decode(event.logprobs))
        if not event.text and not tokens:
            return
        message = self._open_message()
        if message.say(event.text, tokens or [], self._characters):
            for note in self._notes:
                message.note(note)
            self._notes.clear()
        self._characters += len(event.text)

    def _think(self, event: ReasoningDelta) -> None:
        details = [value for raw in event.details if isinstance(value := msgspec.json.decode(raw), dict)]
        if event.text and not any(detail.get("text") or detail.get("summary") for detail in details):
            # The text stands alone: its provider says nothing about what it is.
            details.insert(0, {"type": "reasoning.text", "text": event.text, "format": "unknown"})
        for detail in details:
            item = self._reasoning
            if item is None or not item.continues(detail):
                self._close_text("completed")
                own = detail.get("id")
                item = ReasoningItem(own if isinstance(own, str) and own else self._new_id("rs"), detail)
                self._reasoning = item
                self._begin(item.value, item.place_at)
            item.take(detail, self._say)

    def _open_message(self) -> "_Message":
        if self._message is None or self._head.get("type") == "message":
            self._close_text("completed")
            head, self._head = (self._head, {}) if self._head.get("type") == "message" else ({}, self._head)
            self._message = _Message({"id": self._new_id("msg"), **head}, self._say)
            self._begin(self._message.value, self._message.place_at)
        return self._message

    def _call(self, event: ToolCallDelta) -> None:
        call = self._calls.get(event.index)
        if call is None:
            self._close_text("completed")
            head, self._head = self._head, {}
            kind = "custom_tool_call" if event.custom else "function_call"
            named = {"id": self._new_id("ctc" if event.custom else "fc"), **head, "type": kind}
            call = self._calls[event.index] = _Call(named, event)
            self._begin(call.value, call.place_at)
        call.grow(event.arguments, self._say)

    def _extra(self, event: ExtraDelta) -> None:
        for note in _list(event.annotations):
            mine = from_chat(note, self._message.start if self._message is not None else 0)
            if mine is None:
                continue
            if self._message is not None and self._message.has_text:
                self._message.note(mine)
            else:
                self._notes.append(mine)
        for image in () if self._has_image else _list(event.images):
            inside = image.get("image_url") if isinstance(image, dict) else None
            url = inside.get("url") if isinstance(inside, dict) else None
            if isinstance(url, str) and url.startswith("data:"):
                self._whole(
                    {
                        "type": "image_generation_call",
                        "id": self._new_id("ig"),
                        "status": "completed",
                        "result": url.partition(",")[2],
                    }
                )

    def _native(self, value: Any) -> None:
        """An item of this format, or the head of one whose content follows as events."""
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            return
        if kind in _HEADS:
            if self._head.get("type") == "message":
                self._open_message()  # One without content.
            self._head = value
        elif kind == "annotation":
            if self._message is not None and self._message.has_text:
                self._message.note(value["annotation"])
        elif kind == "part" and isinstance(value.get("part"), dict):
            self._open_message().add(value["part"])
        elif kind == "reasoning" and "more" in value:
            if self._reasoning is not None:
                self._reasoning.value |= value["more"]
        elif (index := self._running.pop(str(value.get("id")), None)) is not None:
            self.items[index] = value
            self._say("response.output_item.done", output_index=index, item=value)
        else:
            self._has_image = self._has_image or kind == "image_generation_call"
            self._whole(value)

    def _work(self, value: dict[str, Any]) -> None:
        """A tool that the provider runs: how its item begins, and how it gets on, as it came."""
        if value["type"] == BEGUN:
            self._close_text("completed")
            self._has_image = self._has_image or value["item"].get("type") == "image_generation_call"
            self._begin(value["item"], lambda place: self._running.update({value["at"]: place}))
        elif (index := self._running.get(value["at"])) is not None:
            fields = {name: item for name, item in value["event"].items() if name != "type"}
            self._say(value["event"]["type"], **fields, output_index=index)

    def _whole(self, value: dict[str, Any]) -> None:
        self._close_text("completed")
        index = len(self.items)
        self.items.append(value)
        begun = {**value, "status": "in_progress"} if "status" in value else value
        if "result" in begun:
            begun = {**begun, "result": None}
        self._say("response.output_item.added", output_index=index, item=begun)
        self._say("response.output_item.done", output_index=index, item=value)

    def _begin(self, value: dict[str, Any], place_at: Callable[[int], None]) -> None:
        place_at(len(self.items))
        self.items.append(value)
        self._say("response.output_item.added", output_index=len(self.items) - 1, item=value)

    def _close_text(self, status: str) -> None:
        if self._reasoning is not None:
            self._reasoning.close(status, self._say)
            self._reasoning = None
        if self._message is not None:
            self._message.close(status, self._say)
            self._message = None

    def _new_id(self, prefix: str) -> str:
        seed = f"{self._id}:{prefix}:{len(self.items)}"
        return f"{prefix}_{blake2b(seed.encode(), digest_size=16).hexdigest()}"


class _Message:
    """A message in the making: texts and refusals, one part after the other."""

    def __init__(self, head: dict[str, Any], say: Say) -> None:
        self.value = {**head, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        self.start = 0
        """The characters of the answer before the part that is open."""
        self._part: dict[str, Any] | None = None
        self._index = 0
        self._pieces: list[str] = []
        self._say = say

    def place_at(self, index: int) -> None:
        self._index = index

    @property
    def has_text(self) -> bool:
        return self._part is not None and self._part["type"] == "output_text"

    def say(self, text: str, tokens: list[dict[str, Any]], start: int) -> bool:
        """A piece of text; whether a part began with it."""
        begins = not self.has_text
        if begins:
            self._begin({"type": "output_text", "text": "", "annotations": [], "logprobs": []})
            self.start = start
        if self._part is not None and tokens:
            self._part["logprobs"] += tokens
        self._pieces.append(text)
        self._say("response.output_text.delta", **self._where(), delta=text, logprobs=tokens)
        return begins

    def refuse(self, text: str) -> None:
        if self._part is None or self._part["type"] != "refusal":
            self._begin({"type": "refusal", "refusal": ""})
        self._pieces.append(text)
        self._say("response.refusal.delta", **self._where(), delta=text)

    def note(self, note: dict[str, Any]) -> None:
        if self._part is None:
            return
        notes = self._part["annotations"]
        notes.append(note)
        self._say(
            "response.output_text.annotation.added", **self._where(), annotation_index=len(notes) - 1, annotation=note
        )

    def add(self, part: dict[str, Any]) -> None:
        """A part that only this format has, or what else it says of the open one."""
        if self._part is not None and self._part["type"] == part.get("type"):
            self._part.update({name: value for name, value in part.items() if name not in self._part})
            return
        self._end_part()
        self.value["content"].append(part)
        for kind in ("added", "done"):
            self._say(f"response.content_part.{kind}", **self._where(), part=part)

    def close(self, status: str, say: Say) -> None:
        self._say = say
        self._end_part()
        self.value["status"] = status
        say("response.output_item.done", output_index=self._index, item=self.value)

    def _begin(self, part: dict[str, Any]) -> None:
        self._end_part()
        self._part = part
        self.value["content"].append(part)
        self._say("response.content_part.added", **self._where(), part=part)

    def _end_part(self) -> None:
        part = self._part
        if part is None:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        where = self._where()
        if part["type"] == "output_text":
            part["text"] = text
            self._say("response.output_text.done", **where, text=text, logprobs=part["logprobs"])
        else:
            part["refusal"] = text
            self._say("response.refusal.done", **where, refusal=text)
        self._say("response.content_part.done", **where, part=part)
        self._part = None

    def _where(self) -> dict[str, Any]:
        content_index = len(self.value["content"]) - 1
        return {"item_id": self.value["id"], "output_index": self._index, "content_index": content_index}


class _Call:
    """A call in the making, of a function or of a tool with free text."""

    def __init__(self, head: dict[str, Any], event: ToolCallDelta) -> None:
        self._field = "input" if event.custom else "arguments"
        self._type = "custom_tool_call_input" if event.custom else "function_call_arguments"
        self.value: dict[str, Any] = {
            **head,
            "call_id": event.id or head["id"],
            "name": event.name or "",
            self._field: "",
            "status": "in_progress",
        }
        self._pieces: list[str] = []
        self._index = 0

    def place_at(self, index: int) -> None:
        self._index = index

    def grow(self, arguments: str, say: Say) -> None:
        if arguments:
            self._pieces.append(arguments)
            say(f"response.{self._type}.delta", **self._where(), delta=arguments)

    def close(self, status: str, say: Say) -> None:
        whole = "".join(self._pieces)
        self.value |= {self._field: whole, "status": status}
        say(f"response.{self._type}.done", **self._where(), **{self._field: whole, "name": self.value["name"]})
        say("response.output_item.done", output_index=self._index, item=self.value)

    def _where(self) -> dict[str, Any]:
        return {"item_id": self.value["id"], "output_index": self._index}


def _list(value: Raw | None) -> list[Any]:
    items = None if value is None else msgspec.json.decode(value)
    return items if isinstance(items, list) else []


def _nothing(kind: str, /, **fields: Any) -> None:
    """What an answer that failed says about its items."""
