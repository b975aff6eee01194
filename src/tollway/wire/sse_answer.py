"""What decoders of event streams have in common: events out of bytes, bodies that are no streams, and failing once."""

from tollway.domain.events import Event, Failed
from tollway.wire.sse import EVENT_BYTES_MAX, SseEvent, SseParser

MALFORMED_MAX = 3
"""The event at which a provider that sends what can't be read has failed (FAULTS.md U-15)."""
_FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:")


class SseAnswer:
    """`feed` the bytes of an answer as they come; `end` when they end. After `Failed` nothing more comes.

    A format says what an event is (`_take_event`), what a body means that is no stream (`_take_body`), and when an
    error takes nothing back any more (`_is_over`).
    """

    __slots__ = ("_failed", "_head", "_sse", "_started", "malformed", "saw_done")

    LINES_MAY_BE_LONG = False
    """Whether a body that is no stream may be one line of any length."""

    def __init__(self) -> None:
        self.saw_done = False
        """The format's own end was read."""
        self.malformed = 0
        """Events that were no JSON, or not of the format."""
        self._sse = SseParser()
        self._started = False
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
            self._take_event(event, events)
            if events and type(events[-1]) is Failed:
                return events
        if self._sse.too_large and (self._head is None or not self.LINES_MAY_BE_LONG):
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
        # No event stream at all: some answer with one JSON body, an error's or a whole answer's, others with a page.
        head = bytes(self._head.strip())
        if head and not head.startswith(_FIELDS):
            self._take_body(head, events)
        return events

    def _take_event(self, event: SseEvent, events: list[Event]) -> None:
        raise TypeError(f"{type(self).__name__} does not say what an event is")

    def _take_body(self, body: bytes, events: list[Event]) -> None:
        raise TypeError(f"{type(self).__name__} does not say what a body is")

    def _is_over(self) -> bool:
        """Whether the answer has all that it needs."""
        return False

    def _skip(self, events: list[Event]) -> None:
        """An event could not be read."""
        self.malformed += 1
        if self.malformed >= MALFORMED_MAX:
            self._fail(Failed(502, "The provider sent events that could not be read."), events)

    def _fail(self, failed: Failed, events: list[Event]) -> None:
        if not self._is_over():
            self._failed = True
            events.append(failed)
