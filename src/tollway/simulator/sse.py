"""Server-sent events as they are, and in every odd way that the WHATWG text allows."""

from collections.abc import Iterator

from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats.base import Frame, Kind, Write

_LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


def writer(behaviour: Behaviour) -> Write:
    """How a frame becomes bytes. The result may remember (a byte order mark comes once): one for each answer."""
    odd = behaviour.line_end != "lf" or behaviour.bom or not behaviour.space or behaviour.pings
    return _OddWriter(behaviour) if odd or behaviour.multiline or behaviour.fields else plain


def plain(frame: Frame) -> bytes:
    """An event as most providers write it."""
    if frame.event:
        return b"event: " + frame.event.encode() + b"\ndata: " + frame.data + b"\n\n"
    return b"data: " + frame.data + b"\n\n"


class _OddWriter:
    """Events with other line ends, comments, further fields, data in several lines."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._count = 0

    def __call__(self, frame: Frame) -> bytes:
        told = self._behaviour
        lines: list[bytes] = []
        if told.pings and self._count % told.pings == 0:
            lines += [b": SIMULATED PING", b""]
        if told.fields:
            lines += [b"id: %d" % self._count, b"retry: 3000"]
        if frame.event or told.fields:
            lines.append(b"event: " + (frame.event.encode() or b"message"))
        data, comma, rest = frame.data.partition(b',"') if told.multiline else (frame.data, b"", b"")
        name = b"data: " if told.space else b"data:"
        # The line break that joins two data lines is white space to JSON, so it may follow a comma.
        lines += [name + data + b",", name + b'"' + rest] if comma else [name + data]
        end = _LINE_ENDS[told.line_end]
        mark = b"\xef\xbb\xbf" if told.bom and self._count == 0 else b""
        self._count += 1
        return mark + end.join([*lines, b"", b""])


def dressed(frames: Iterator[Frame], behaviour: Behaviour) -> Iterator[Frame]:
    """The frames, without their end or with more after it, as told."""
    last: Frame | None = None
    for frame in frames:
        if frame.kind is Kind.CONTENT:
            last = frame
        if frame.kind is not Kind.DONE or behaviour.done:
            yield frame
    if behaviour.after_done and last is not None:
        yield Frame(Kind.CONTENT, last.data, 0, last.event)
