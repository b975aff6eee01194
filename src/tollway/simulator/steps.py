"""What a connection does next, as data: send bytes, wait, stall, reset, hang up."""

from collections.abc import Iterator
from enum import Enum

from msgspec import Struct


class Act(Enum):
    """Something that ends the answer, or never does."""

    STALL = "stall"
    """Nothing more, until the client leaves."""
    RESET = "reset"
    """The connection dies with a TCP reset."""
    HANG_UP = "hang up"
    """The connection is closed, whatever was promised."""


class Pause(Struct, frozen=True):
    """Nothing for a while; 0 lets others run first."""

    seconds: float


class Raw(Struct, frozen=True):
    """Bytes that go out as they are, outside of the body's framing."""

    data: bytes


Step = bytes | Pause | Raw | Act
"""Bytes are a piece of the body (or, once framed, of the connection)."""


class Reply(Struct):
    """An answer before it is framed as HTTP/1.1."""

    status: int
    body: bytes | Iterator[Step]
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    """The Content-Length that is claimed for a body of steps. None: it goes out in chunks."""
    before: tuple[Step, ...] = ()
    """What happens before the status line."""
    trailers: bool = False
    both: bool = False
    """Whether a Content-Length is claimed beside the chunks, against RFC 9112, 6.1."""
    keep_alive: bool = True
    idle_close_s: float = 0
