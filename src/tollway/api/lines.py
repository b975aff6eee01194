"""Header lines of answers: checked and joined, once for those that many answers have."""

from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]


class Lines:
    """Header lines that many answers have. ValueError: one holds a line break or a NUL."""

    __slots__ = ("headers", "joined")

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.joined = joined(headers)


def joined(headers: Headers) -> bytes:
    """The lines as they are sent. ValueError: one holds a line break or a NUL.

    A line break inside a name or value would let its author write headers, or a whole answer (FAULTS.md, C-9).
    """
    lines = b""
    for name, value in headers:
        line = name + b": " + value
        if 10 in line or 13 in line or 0 in line:
            raise ValueError("A header of the answer holds a line break or a NUL.")
        lines += line + b"\r\n"
    return lines


NONE = Lines(())
