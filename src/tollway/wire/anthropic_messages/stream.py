"""A provider's Messages stream -> events: an object with memory and no I/O."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import Event, Failed, Finished, NativeFields, Started, UsageReported
from tollway.wire.anthropic_messages.answer_blocks import DELTAS, Blocks
from tollway.wire.anthropic_messages.schema import Delta, Message, StreamEvent
from tollway.wire.anthropic_messages.usage import merged, read_usage, usage_rest
from tollway.wire.anthropic_messages.words import FORMAT, REASONS, TIERS
from tollway.wire.native_fields import marked, of_format, rest
from tollway.wire.provider_errors import failed_body, failed_value, plain_text
from tollway.wire.sse import SseEvent
from tollway.wire.sse_answer import SseAnswer

_EVENT = msgspec.json.Decoder(StreamEvent)
_ENCODER = msgspec.json.Encoder()
_DELTA_EVENT = frozenset({"type", "index", "delta", "usage", "context_management"})
_END = frozenset({"type", "stop_reason", "stop_sequence", "stop_details", "container"})


class EventDecoder(SseAnswer):
    """`feed` the bytes of an answer as they come; `end` when they end.

    After `Failed` nothing more comes, and nothing after `message_stop`. An error that comes when the answer has its
    reason to end takes nothing back.
    """

    __slots__ = ("_blocks", "_finished", "_tier", "_usage")

    def __init__(self) -> None:
        super().__init__()
        self._blocks = Blocks()
        self._usage: dict[str, Any] = {}
        self._tier: str | None = None
        self._finished = False

    def _take_event(self, event: SseEvent, events: list[Event]) -> None:
        if self.saw_done:
            return
        try:
            value = _EVENT.decode(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._take_odd(event, events)
        else:
            self._take(value, event, events)

    def _take_body(self, body: bytes, events: list[Event]) -> None:
        body = body.decode("utf-8", "replace").encode()
        try:
            message = Message.of(msgspec.json.decode(body))
        except (msgspec.MsgspecError, RecursionError):
            self._fail(failed_body(body, 502), events)
            return
        if message.error is not None or message.content is None:
            self._fail(failed_body(body, 502), events)
        else:
            self.take_whole(message, events)

    def take_whole(self, message: Message, events: list[Event]) -> None:
        """A body that is whole."""
        self._start(message, events)
        for block in message.content or ():
            self._blocks.open(block, events)
        self._blocks.close(events)
        self._report(message.usage, events)
        self._besides(message.rest, events)
        if message.stop_reason is not None:
            self._finish(message.stop_reason, message, message.context_management, events)
        self._stop(events)

    def _take(self, event: StreamEvent, came: SseEvent, events: list[Event]) -> None:
        match event.type:
            case "content_block_delta":
                if event.delta is not None:
                    more = None if event.delta.type in DELTAS else _whole(came.data).get("delta")
                    self._blocks.grow(event.delta, events, more)
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
                value = _whole(came.data)
                self._besides({**rest(value, _DELTA_EVENT), **rest(_object(value.get("delta")), _END)}, events)
                if event.delta is not None and event.delta.stop_reason is not None:
                    self._finish(event.delta.stop_reason, event.delta, event.context_management, events)
            case "message_stop":
                self._stop(events)
            case "ping":
                pass
            case _:
                if event.type == "error" or came.name == "error" or event.error is not None:
                    self._fail_with(_whole(came.data), events)
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
        self._skip(events)

    def _take_start(self, event: StreamEvent, events: list[Event]) -> None:
        try:
            message = Message.of(event.message)
        except msgspec.ValidationError:
            self.malformed += 1
            return
        self._start(message, events)
        self._usage = merged(self._usage, message.usage)
        if message.rest:
            events.append(NativeFields(FORMAT, Raw(_ENCODER.encode(message.rest))))
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

    def _besides(self, fields: dict[str, Any], events: list[Event]) -> None:
        """What only this format says of the whole, and the counters that ours has not."""
        counts = usage_rest(self._usage)
        if (native := of_format(FORMAT, {**fields, "usage": counts} if counts else fields)) is not None:
            events.append(native)

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
        reason = REASONS.get(native, "stop")
        if reason == "tool_calls" and not self._blocks.calls:
            reason = "stop"  # the one call was the answer itself (`Quirks.structured_output`)
        events.append(Finished(reason, native, details=marked(FORMAT, said)))

    def _stop(self, events: list[Event]) -> None:
        self.saw_done = True
        self._blocks.close(events)
        if not self._finished and self._blocks.spoke:
            self._finished = True
            events.append(Finished("tool_calls" if self._blocks.calls else "stop"))

    def _fail_with(self, value: Any, events: list[Event]) -> None:
        self._fail(failed_value(value) or Failed(502, "The provider sent an error without a message."), events)

    def _is_over(self) -> bool:
        return self._finished


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(data: bytes) -> dict[str, Any]:
    """All of an event of which the usual fields were read: what was skipped may not even be text."""
    try:
        value = msgspec.json.decode(data.decode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
