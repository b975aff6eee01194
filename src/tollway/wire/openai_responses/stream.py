"""A provider's stream of a response -> events: an object with memory and no I/O."""

from typing import Any

import msgspec
from msgspec import Struct

from tollway.domain.events import Event, Failed
from tollway.wire.openai_responses.reader import AnswerReader, failure
from tollway.wire.provider_errors import failed_body, failed_value, plain_text
from tollway.wire.sse import EVENT_BYTES_MAX, SseEvent, SseParser

MALFORMED_MAX = 3
"""The third event that is no JSON ends the answer (FAULTS.md U-15)."""


class StreamEvent(Struct):
    """What we read of an event; each type has some of these fields."""

    type: str | None = None
    delta: Any = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: Any = None
    response: Any = None
    logprobs: Any = None
    annotation: Any = None
    error: Any = None


_EVENT = msgspec.json.Decoder(StreamEvent)
_ENDS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}


class EventDecoder:
    """`feed` the bytes of an answer as they come; `end` when they end.

    After `Failed` nothing more comes, and nothing is read behind the event that ends a response. Types that we do not
    know are carried where they tell how a tool gets on that the provider runs, else skipped: what they announce comes
    with the item that is done.
    """

    __slots__ = ("_failed", "_head", "_reader", "_sse", "malformed", "saw_done")

    def __init__(self) -> None:
        self.saw_done = False
        self.malformed = 0
        """Events that were no JSON, or not of the format."""
        self._sse = SseParser()
        self._reader = AnswerReader()
        self._failed = False
        self._head: bytearray | None = bytearray()  # What came before the first event; None once there was one.

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order."""
        events: list[Event] = []
        if self._failed:
            return events
        parsed = self._sse.feed(data)
        if self._head is not None:
            if parsed:
                self._head = None
            elif len(self._head) < EVENT_BYTES_MAX:
                self._head += data
        for event in parsed:
            if not self.saw_done:
                self._take(event, events)
            if events and type(events[-1]) is Failed:
                self._failed = True
                return events
        if self._sse.too_large and not self.saw_done:
            self._fail(Failed(502, "The provider sent an event that is too large."), events)
        return events

    def end(self) -> list[Event]:
        """What the end of the bytes says. An answer that was cut says nothing: it lacks its `Finished`."""
        events: list[Event] = []
        head = bytes(self._head or b"").strip()
        if self._failed or not head or head[:1] == b":":
            return events
        # Some answer a request for a stream with one JSON body, an error's or a whole answer's, others with a page.
        events, failed = read_body(head)
        if failed is not None:
            self._fail(failed, events)
        else:
            self.saw_done = True
        return events

    def _take(self, event: SseEvent, events: list[Event]) -> None:
        data = event.data.strip()
        if not data or data == b"[DONE]":
            return
        try:
            body = _EVENT.decode(data.decode("utf-8", "replace"))
        except (msgspec.MsgspecError, RecursionError):
            self._take_odd(event.name, data, events)
            return
        kind = body.type or event.name
        if kind == "error" or (body.error is not None and body.response is None):
            self._fail_with(data, events)
        elif (status := _ENDS.get(kind)) is not None:
            self.saw_done = status != "failed"
            self._reader.finish(body.response, status, events)
        else:
            self._take_piece(kind, body, data, events)

    def _take_piece(self, kind: str, body: StreamEvent, data: bytes, events: list[Event]) -> None:
        reader, index = self._reader, body.output_index
        match kind.removeprefix("response."):
            case "output_text.delta":
                reader.text(index, body.content_index, body.delta, body.logprobs, events)
            case "function_call_arguments.delta" | "custom_tool_call_input.delta":
                reader.arguments(index, body.delta, events)
            case "reasoning_summary_text.delta":
                reader.reasoning(index, "summary", body.summary_index, body.delta, events)
            case "reasoning_text.delta":
                reader.reasoning(index, "text", body.content_index, body.delta, events)
            case "refusal.delta":
                reader.refusal(index, body.content_index, body.delta, events)
            case "output_text.annotation.added":
                reader.note(index, body.content_index, body.annotation, events)
            case "output_item.added":
                reader.add(index, body.item, events)
            case "output_item.done":
                reader.whole(index, body.item, events)
            case "created" | "in_progress" | "queued":
                reader.start(body.response, events)
            case _ if reader.is_running(index):
                reader.progress(index, msgspec.json.decode(data.decode("utf-8", "replace")), events)
            case _:
                pass

    def _take_odd(self, name: str, data: bytes, events: list[Event]) -> None:
        """An event that is not of the format: an error in other words, or broken."""
        if name == "error":
            self._fail_with(data, events)
            return
        self.malformed += 1
        if self.malformed >= MALFORMED_MAX:
            self._fail(Failed(502, "The provider sent events that could not be read."), events)

    def _fail_with(self, data: bytes, events: list[Event]) -> None:
        try:
            value = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            value = plain_text(data)
        if isinstance(value, dict):
            inner = value.get("error")
            # The event's own "type" is "error": it says nothing about which.
            value = inner if inner else {name: item for name, item in value.items() if name != "type"}
        self._fail(failure(value, "The provider sent an error without a message."), events)

    def _fail(self, failed: Failed, events: list[Event]) -> None:
        self._failed = True
        events.append(failed)


def read_body(body: bytes) -> tuple[list[Event], Failed | None]:
    """A whole body -> the events that it would have streamed, or why it is no answer."""
    try:
        value = msgspec.json.decode(body.decode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        return [], failed_body(body, 502) if body[:1] == b"<" else Failed(
            502, "The provider's answer is not valid JSON."
        )
    if not isinstance(value, dict) or not isinstance(value.get("output"), list):
        known = failed_value(value) if isinstance(value, dict) else None
        return [], known or Failed(502, "The provider's answer is not a response.")
    events: list[Event] = []
    AnswerReader().finish(value, None, events)
    if events and isinstance(last := events[-1], Failed):
        return events[:-1], last
    return events, None
