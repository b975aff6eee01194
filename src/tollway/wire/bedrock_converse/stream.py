"""A provider's ConverseStream -> events: an object with memory and no I/O."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import Event, Failed, Finished, Started, UsageReported
from tollway.wire.bedrock_converse.answer_blocks import Blocks
from tollway.wire.bedrock_converse.schema import Reply, StreamEvent
from tollway.wire.bedrock_converse.usage import read_usage
from tollway.wire.bedrock_converse.words import REASONS, status_of
from tollway.wire.event_stream import MESSAGE_BYTES_MAX, EventStreamParser, Message
from tollway.wire.provider_errors import failed_body, failed_value, is_html

MALFORMED_MAX = 3
"""The third event that is no JSON ends the answer (FAULTS.md U-15)."""

_EVENT = msgspec.json.Decoder(StreamEvent)
_REPLY = msgspec.json.Decoder(Reply)
_ENCODER = msgspec.json.Encoder()


class EventDecoder:
    """`feed` the bytes of an answer as they come; `end` when they end.

    After `Failed` nothing more comes, and nothing after `metadata`, which is the last event and has the usage. An
    error that comes when the answer has its reason to end takes nothing back.
    """

    __slots__ = ("_began", "_blocks", "_body", "_failed", "_finished", "_parser", "_started", "malformed", "saw_done")

    def __init__(self) -> None:
        self.saw_done = False
        """`metadata` was read."""
        self.malformed = 0
        """Events that were no JSON, or not of the format."""
        self._parser = EventStreamParser()
        self._blocks = Blocks()
        self._started = False
        self._finished = False
        self._failed = False
        self._began = False
        self._body: bytearray | None = None  # What comes, where it is no event stream.

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order."""
        events: list[Event] = []
        if self._is_over() or not data:
            return events
        if not self._began:
            self._began = True
            # A message is far shorter than 16 MiB, so that a stream of them begins with a zero.
            self._body = None if data[:1] == b"\0" else bytearray()
        if self._body is not None:
            if len(self._body) < MESSAGE_BYTES_MAX:
                self._body += data
            return events
        for message in self._parser.feed(data):
            self._take(message, events)
            if self._is_over():
                return events
        if self._parser.broken is not None:
            self._fail(Failed(502, f"The provider's event stream can't be read: {self._parser.broken}."), events)
        return events

    def end(self) -> list[Event]:
        """What the end of the bytes says. An answer that was cut says nothing: it lacks its `Finished`."""
        events: list[Event] = []
        if self._failed or self._finished:
            return events
        if self._body:
            # Some proxies answer with one JSON body, an error's or a whole answer's, others with a page.
            whole = read_reply(bytes(self._body))
            if isinstance(whole, Failed):
                self._fail(whole, events)
            else:
                self.take_whole(whole, events)
        elif self.malformed and not self._started:
            self._fail(Failed(502, "The provider sent no event that could be read."), events)
        return events

    def take_whole(self, reply: Reply, events: list[Event]) -> None:
        """A body that is whole."""
        self._start(events)
        message = reply.output.message if reply.output is not None else None
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else ():
            self._blocks.take(block, events)
        self._finish(reply.stop_reason, reply.additional_model_response_fields, events)
        self._account(reply.usage, reply.service_tier, events)

    def _take(self, message: Message, events: list[Event]) -> None:
        kind = message.headers.get(":message-type", "event")
        if kind == "exception":
            self._fail_with(str(message.headers.get(":exception-type", "")), message.payload, events)
            return
        if kind == "error":
            code, text = (str(message.headers.get(name, "")) for name in (":error-code", ":error-message"))
            failed = failed_value(text) or Failed(502, "The provider sent an error without a message.")
            self._fail(Failed(status_of(code, 502), failed.message, code or None), events)
            return
        name = message.headers.get(":event-type")
        try:
            event = _EVENT.decode(message.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            if self.malformed >= MALFORMED_MAX:
                self._fail(Failed(502, "The provider sent events that could not be read."), events)
            return
        match name:
            case "contentBlockDelta":
                if event.delta is not None:
                    self._blocks.grow(event.content_block_index, event.delta, events)
            case "contentBlockStart":
                if event.start is not None:
                    self._blocks.start(event.content_block_index, event.start, events)
            case "contentBlockStop":
                self._blocks.stop(event.content_block_index, events)
            case "messageStart":
                self._start(events)
            case "messageStop":
                self._finish(event.stop_reason, event.additional_model_response_fields, events)
            case "metadata":
                self._finish(None, None, events)
                self._account(event.usage, event.service_tier, events)
            case str() if name.endswith("Exception"):
                self._fail_with(name, message.payload, events)
            # Any other name is of a newer version.

    def _is_over(self) -> bool:
        return self._failed or self.saw_done

    def _start(self, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            events.append(Started())

    def _finish(self, native: str | None, said: Any, events: list[Event]) -> None:
        """The reason; without one, where something was said and the answer is complete, it is a stop."""
        self._blocks.stop_all(events)
        if self._finished or (native is None and not self._blocks.spoke):
            return
        self._finished = True
        reason = REASONS.get(native or "", "stop")
        if native is None and self._blocks.calls:
            reason = "tool_calls"
        elif reason == "tool_calls" and not self._blocks.calls:
            reason = "stop"  # the one call was the answer itself
        if said and not isinstance(said, dict):
            said = {"additionalModelResponseFields": said}
        events.append(Finished(reason, native, details=Raw(_ENCODER.encode(said)) if said else None))

    def _account(self, usage: Any, tier: Any, events: list[Event]) -> None:
        """What the answer took, and the tier that served it: the end."""
        self.saw_done = True
        if (known := read_usage(usage)) is not None:
            events.append(UsageReported(known))
        if isinstance(tier, dict) and isinstance(name := tier.get("type"), str):
            events.append(Started(service_tier=name))

    def _fail_with(self, name: str, payload: bytes, events: list[Event]) -> None:
        """An exception inside the stream: its name says which status it has."""
        failed = failed_body(payload, 502)
        self._fail(Failed(status_of(name, 502), failed.message, name or failed.code), events)

    def _fail(self, failed: Failed, events: list[Event]) -> None:
        if self._finished:
            return
        self._failed = True
        events.append(failed)


def read_reply(body: bytes) -> Reply | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error object (FAULTS.md U-21), a page, cut JSON."""
    try:
        reply = _REPLY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            reply = _REPLY.decode(body.decode("utf-8", "replace").encode())
        except (msgspec.MsgspecError, RecursionError):
            return _broken(body)
    message = reply.output.message if reply.output is not None else None
    return reply if isinstance(message, dict) else _broken(body)


def _broken(body: bytes) -> Failed:
    if is_html(body):
        return failed_body(body, 502)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Failed(502, "The provider's answer is not valid JSON.")
    said = failed_value(value)
    return said or Failed(502, "The provider's answer is not of the Converse format.")
