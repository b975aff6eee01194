"""Cohere's stream -> events: an object with memory and no I/O."""

from typing import Any

import msgspec

from tollway.domain.events import Event, Failed, Finished, Started, UsageReported
from tollway.wire.cohere_chat.reader import Reader
from tollway.wire.cohere_chat.schema import Body, Content, Message, StreamEvent
from tollway.wire.cohere_chat.usage import read_usage
from tollway.wire.provider_errors import failed_body, failed_value, plain_text
from tollway.wire.sse import SseEvent
from tollway.wire.sse_answer import SseAnswer

REASONS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "USER_CANCEL": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "ERROR_LIMIT": "error",
    "TIMEOUT": "error",
}
"""`finish_reason` -> ours. Any other word is "stop"."""

_EVENT = msgspec.json.Decoder(StreamEvent)
_BODY = msgspec.json.Decoder(Body)


class EventDecoder(SseAnswer):
    """`feed` the bytes of an answer as they come; `end` when they end.

    After `Failed` nothing more comes, and nothing after `message-end`. An error that comes when the answer has its
    reason to end takes nothing back.
    """

    __slots__ = ("_finished", "_reader")

    def __init__(self) -> None:
        super().__init__()
        self._reader = Reader()
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
            whole = _BODY.decode(body)
        except (msgspec.MsgspecError, RecursionError):
            self._fail(failed_body(body, 502), events)
            return
        if isinstance(whole.message, Message):
            self.take_whole(whole, events)
        else:
            self._fail(failed_body(body, 502), events)

    def take_whole(self, body: Body, events: list[Event]) -> None:
        """A body that is whole; its `message` is a Message."""
        self._start(body.id, events)
        reader, message = self._reader, body.message
        if isinstance(message, Message):
            _read_content(reader, message, events)
            if message.tool_plan:
                reader.plan(message.tool_plan, events)
            reader.call(None, message.tool_calls, events)
            reader.cite(message.citations, events)
        if body.logprobs:
            reader.content(0, Content(), body.logprobs, events)
        self._end(body.finish_reason, None, body.usage, events)

    def _take(self, event: StreamEvent, came: SseEvent, events: list[Event]) -> None:
        delta = event.delta
        message = None if delta is None else delta.message
        match event.type:
            case "content-delta" | "content-start":
                if message is not None and isinstance(message.content, Content):
                    self._reader.content(event.index or 0, message.content, event.logprobs, events)
            case "tool-plan-delta":
                if message is not None and message.tool_plan:
                    self._reader.plan(message.tool_plan, events)
            case "tool-call-start" | "tool-call-delta":
                if message is not None:
                    self._reader.call(event.index, message.tool_calls, events)
            case "citation-start":
                if message is not None:
                    self._reader.cite(message.citations, events)
            case "message-start":
                self._start(event.id, events)
            case "message-end":
                if delta is not None:
                    self._end(delta.finish_reason, delta.error, delta.usage, events)
                self.saw_done = True
            case _:
                if event.type == "error" or came.name == "error" or isinstance(event.message, str):
                    self._fail_with(msgspec.json.decode(came.data), events)
                # content-end and its like say nothing; other names are of a newer version.

    def _take_odd(self, event: SseEvent, events: list[Event]) -> None:
        """An event that is not of the format: `[DONE]`, an error in other words, or broken."""
        data = event.data.strip()
        if data == b"[DONE]":
            self.saw_done = True
            if not self._finished and self._reader.spoke:
                self._finished = True
                events.append(Finished("tool_calls" if self._reader.calls else "stop"))
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

    def _start(self, id: str | None, events: list[Event]) -> None:  # noqa: A002 - the format's own word
        if not self._started:
            self._started = True
            events.append(Started(upstream_id=id or None))

    def _end(self, native: str | None, error: Any, usage: Any, events: list[Event]) -> None:
        if (known := read_usage(usage)) is not None:
            events.append(UsageReported(known))
        reason = REASONS.get(native or "", "stop")
        if error or reason == "error":
            said = plain_text(error.encode()) if isinstance(error, str) else ""
            status = 504 if native == "TIMEOUT" else 502
            self._fail(Failed(status, said or f"The provider ended its answer with {native!r}."), events)
        elif native is not None and not self._finished:
            self._finished = True
            events.append(Finished(reason, native))

    def _fail_with(self, value: Any, events: list[Event]) -> None:
        self._fail(failed_value(value) or Failed(502, "The provider sent an error without a message."), events)

    def _is_over(self) -> bool:
        return self._finished


def _read_content(reader: Reader, message: Message, events: list[Event]) -> None:
    content = message.content
    if isinstance(content, str):
        content = Content(text=content)
    for index, block in enumerate([content] if isinstance(content, Content) else content or ()):
        reader.content(index, block, None, events)
