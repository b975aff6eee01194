"""A provider's Messages stream -> events: an object with memory and no I/O."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import Event, Failed, Finished, Started, UsageReported
from tollway.wire.anthropic_messages.answer_blocks import Blocks
from tollway.wire.anthropic_messages.schema import Delta, Message, StreamEvent
from tollway.wire.anthropic_messages.usage import merged, read_usage
from tollway.wire.anthropic_messages.words import REASONS, TIERS
from tollway.wire.provider_errors import failed_body, failed_value, plain_text
from tollway.wire.sse import EVENT_BYTES_MAX, SseEvent, SseParser

MALFORMED_MAX = 3
"""The third event that is no JSON ends the answer (FAULTS.md U-15)."""

_EVENT = msgspec.json.Decoder(StreamEvent)
_MESSAGE = msgspec.json.Decoder(Message)
_ENCODER = msgspec.json.Encoder()


class EventDecoder:
    """`feed` the bytes of an answer as they come; `end` when they end.

    After `Failed` nothing more comes, and nothing after `message_stop`. An error that comes when the answer has its
    reason to end takes nothing back.
    """

    __slots__ = (
        "_blocks",
        "_failed",
        "_finished",
        "_head",
        "_sse",
        "_started",
        "_tier",
        "_usage",
        "malformed",
        "saw_done",
    )

    def __init__(self) -> None:
        self.saw_done = False
        """`message_stop` was read."""
        self.malformed = 0
        """Events that were no JSON, or not of the format."""
        self._sse = SseParser()
        self._blocks = Blocks()
        self._usage: dict[str, Any] = {}
        self._tier: str | None = None
        self._started = False
        self._finished = False
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
            if self.saw_done:
                break
            try:
                value = _EVENT.decode(event.data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                self._take_odd(event, events)
            else:
                self._take(value, event, events)
            if events and type(events[-1]) is Failed:
                return events
        if self._sse.too_large:
            self._fail(Failed(502, "The provider sent an event that is too large."), events)
        return events

    def end(self) -> list[Event]:
        """What the end of the bytes says. An answer that was cut says nothing: it lacks its `Finished`."""
        events: list[Event] = []
        if self._failed or self._started or self.saw_done:
            return events
        if self._head is None:
            if self.malformed:
                self._fail(Failed(502, "The provider sent no event that could be read."), events)
            return events
        head = bytes(self._head.strip()).decode("utf-8", "replace").encode()
        if not head or head.startswith((b":", b"data:", b"event:", b"id:", b"retry:")):
            return events
        # No event stream at all: some answer with one JSON body, an error's or a whole answer's, others with a page.
        try:
            message = _MESSAGE.decode(head)
        except (msgspec.MsgspecError, RecursionError):
            self._fail(failed_body(head, 502), events)
            return events
        if message.error is not None or message.content is None:
            self._fail(failed_body(head, 502), events)
        else:
            self.take_whole(message, events)
        return events

    def take_whole(self, message: Message, events: list[Event]) -> None:
        """A body that is whole."""
        self._start(message, events)
        for block in message.content or ():
            self._blocks.open(block, events)
        self._blocks.close(events)
        self._report(message.usage, events)
        if message.stop_reason is not None:
            self._finish(message.stop_reason, message, message.context_management, events)
        self._stop(events)

    def _take(self, event: StreamEvent, came: SseEvent, events: list[Event]) -> None:
        match event.type:
            case "content_block_delta":
                if event.delta is not None:
                    self._blocks.grow(event.delta, events)
            case "content_block_start":
                if event.content_block is not None:
                    self._blocks.open(event.content_block, events)
            case "content_block_stop":
                self._blocks.close(events)
            case "message_start":
                self._take_start(event, events)
            case "message_delta":
                self._blocks.close(events)
                self._report(event.usage, events)
                if event.delta is not None and event.delta.stop_reason is not None:
                    self._finish(event.delta.stop_reason, event.delta, event.context_management, events)
            case "message_stop":
                self._stop(events)
            case "ping":
                pass
            case _:
                if event.type == "error" or came.name == "error" or event.error is not None:
                    self._fail_with(msgspec.json.decode(came.data), events)
                # Any other name is of a newer version (docs: versioning, "we may add new event types").

    def _take_odd(self, event: SseEvent, events: list[Event]) -> None:
        """An event that is not of the format: `[DONE]`, which some proxies add, an error in other words, or broken."""
        data = event.data.strip()
        if data == b"[DONE]":
            self._stop(events)
            return
        if not data:
            return
        if event.name == "error":
            try:
                value: Any = msgspec.json.decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                value = plain_text(data)
            self._fail_with(value, events)
            return
        self.malformed += 1
        if self.malformed >= MALFORMED_MAX:
            self._fail(Failed(502, "The provider sent events that could not be read."), events)

    def _take_start(self, event: StreamEvent, events: list[Event]) -> None:
        try:
            message = msgspec.convert(event.message, Message)
        except msgspec.ValidationError:
            self.malformed += 1
            return
        self._start(message, events)
        self._usage = merged(self._usage, message.usage)
        for block in message.content or ():
            self._blocks.open(block, events)

    def _start(self, message: Message, events: list[Event]) -> None:
        if self._started:
            return
        self._started = True
        tier = message.usage.get("service_tier") if isinstance(message.usage, dict) else None
        self._tier = TIERS.get(tier, tier) if isinstance(tier, str) else None
        events.append(Started(upstream_id=message.id or None, model=message.model or None, service_tier=self._tier))

    def _report(self, usage: Any, events: list[Event]) -> None:
        if usage is None:
            return
        self._usage = merged(self._usage, usage)
        if (known := read_usage(self._usage)) is not None:
            events.append(UsageReported(known))

    def _finish(self, native: str, end: Message | Delta, managed: Any, events: list[Event]) -> None:
        if self._finished:
            return
        self._finished = True
        said = {
            "stop_sequence": end.stop_sequence,
            "stop_details": end.stop_details,
            "container": end.container,
            "context_management": managed,
        }
        said = {name: value for name, value in said.items() if value is not None}
        reason = REASONS.get(native, "stop")
        if reason == "tool_calls" and not self._blocks.calls:
            reason = "stop"  # the one call was the answer itself (`Quirks.structured_output`)
        events.append(Finished(reason, native, details=Raw(_ENCODER.encode(said)) if said else None))

    def _stop(self, events: list[Event]) -> None:
        self.saw_done = True
        self._blocks.close(events)
        if not self._finished and self._blocks.spoke:
            self._finished = True
            events.append(Finished("tool_calls" if self._blocks.calls else "stop"))

    def _fail_with(self, value: Any, events: list[Event]) -> None:
        self._fail(failed_value(value) or Failed(502, "The provider sent an error without a message."), events)

    def _fail(self, failed: Failed, events: list[Event]) -> None:
        if self._finished:
            return
        self._failed = True
        events.append(failed)
