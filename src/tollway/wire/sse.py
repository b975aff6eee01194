"""Server-sent events: an incremental parser on bytes, by WHATWG's rules."""

from msgspec import Struct

EVENT_BYTES_MAX = 8 * 1024 * 1024
"""Of one line, and of one event's data (FAULTS.md U-31: images come as data URLs)."""

_BOM = b"\xef\xbb\xbf"
# As numbers: CPython 3.11 looks for a number in bytes at once, and for bytes only after an exception of its own.
_LF, _CR = b"\n\r"


class SseEvent(Struct, frozen=True, gc=False):
    """One event: its data, lines joined by LF, and the value of its `event` field ("" if there was none)."""

    data: bytes
    name: str = ""


class SseParser:
    """Bytes in, whole events out (html.spec.whatwg.org, "Interpreting an event stream").

    Only LF, CR and CRLF end a line, so U+2028 and its like stay inside data (FAULTS.md U-14). `data` stays bytes:
    a reader that meets invalid UTF-8 replaces it, which equals decoding first, since no line end is part of a
    multi-byte sequence. `id` and `retry` are for reconnecting, which nobody does here. An event that the end of
    the stream cuts is never returned, as the specification has it.
    """

    __slots__ = (
        "_clean",
        "_data",
        "_data_bytes",
        "_line",
        "_line_bytes",
        "_name",
        "_start",
        "_swallow_lf",
        "too_large",
    )

    def __init__(self) -> None:
        self.too_large = False
        """A line or an event passed EVENT_BYTES_MAX: the stream is worth nothing more, and `feed` returns nothing."""
        self._start: bytes | None = b""  # What has come of a byte order mark; None once that is settled.
        self._swallow_lf = False  # The last byte was a CR: an LF now is the same line end.
        self._clean = True  # Nothing of an event is pending.
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes, in order."""
        if self._start is not None:
            data = self._without_bom(data)
        if not data or self.too_large:
            return []
        if self._swallow_lf or _CR in data:
            data = self._with_lf(data)
        events: list[SseEvent] = []
        if not self._clean:
            # Up to the first blank line the slow way; what follows starts afresh.
            cut = data.find(b"\n\n") + 2
            if cut == 1:
                self._lines(data, events)
                return events
            self._lines(data[:cut], events)
            data = data[cut:]
        if data[-2:] == b"\n\n":
            self._events(data, events)
        elif data:
            cut = data.rfind(b"\n\n") + 2
            if cut > 1:
                self._events(data[:cut], events)
                data = data[cut:]
            self._lines(data, events)
        return events

    def _events(self, data: bytes, events: list[SseEvent]) -> None:
        """Whole events, ended by a blank line: the way that nearly all bytes go."""
        for block in data[:-2].split(b"\n\n"):
            if block[:6] == b"data: " and _LF not in block and len(block) <= EVENT_BYTES_MAX:
                events.append(SseEvent(block[6:]))
            else:
                self._lines(block + b"\n\n", events)

    def _lines(self, data: bytes, events: list[SseEvent]) -> None:
        """Line by line, with memory of what came before."""
        first, *rest = data.split(b"\n")
        if rest:
            self._finish_line(first, events)
            last = rest.pop()
            for line in rest:
                self._take_line(line, events)
        else:
            last = first
        if last:
            self._line.append(last)
            self._line_bytes += len(last)
            self.too_large |= self._line_bytes > EVENT_BYTES_MAX
        self._clean = not (self._line or self._data or self._name)

    def _finish_line(self, end: bytes, events: list[SseEvent]) -> None:
        if self._line:
            self._line.append(end)
            end = b"".join(self._line)
            self._line.clear()
            self._line_bytes = 0
        self._take_line(end, events)

    def _take_line(self, line: bytes, events: list[SseEvent]) -> None:
        if not line:
            if self._data and not self.too_large:
                events.append(SseEvent(b"\n".join(self._data), self._name))
            self._data.clear()
            self._data_bytes = 0
            self._name = ""
            return
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
            self.too_large |= self._data_bytes > EVENT_BYTES_MAX
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _without_bom(self, data: bytes) -> bytes:
        start = (self._start or b"") + data
        if len(start) < 3 and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _with_lf(self, data: bytes) -> bytes:
        if self._swallow_lf and data[:1] == b"\n":
            data = data[1:]
            self._swallow_lf = False
        if data:
            self._swallow_lf = data[-1:] == b"\r"
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
