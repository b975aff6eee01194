"""One request and its answer as far as it has come: what a connection fills in and a call reads."""

import asyncio
from enum import IntEnum

from tollway.upstream.faults import UpstreamFault

UNREAD_MAX = 64 * 1024


class Wants(IntEnum):
    """What the call waits for; the connection wakes it for nothing less."""

    HEAD = 0
    PIECE = 1
    WHOLE = 2


# Module constants, because reading a member off the enum costs a lookup more on each arrival of bytes.
HEAD, PIECE, WHOLE = Wants


class Exchange:
    """State only. Bytes are counted in `unread` until the call takes them; past `unread_max` the connection pauses."""

    __slots__ = (
        "answered",
        "complete",
        "fault",
        "head_only",
        "headed",
        "headers",
        "pieces",
        "sent",
        "status",
        "unread",
        "unread_max",
        "waiter",
        "wants",
    )

    def __init__(self, *, head_only: bool = False) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.sent = False
        self.answered = False
        self.headed = False
        self.complete = False
        self.head_only = head_only
        self.pieces: list[bytes] = []
        self.unread = 0
        self.unread_max = UNREAD_MAX
        self.wants = HEAD
        self.waiter: asyncio.Future[None] | None = None
        self.fault: UpstreamFault | None = None

    def abort(self, fault: UpstreamFault | None = None) -> None:
        """Give up at once; whoever waits gets the fault. A call overrides it to close its connection, too."""
        if self.fault is None:
            self.fault = fault
        self.wake()

    def wake(self) -> None:
        """Wake the one who waits. Only results are set, never exceptions: one that nobody reads would be logged."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
