"""One request and its answer as far as it has come: what a connection fills in and a call reads."""

import asyncio
from enum import IntEnum

from msgspec import Struct

from tollway.upstream.faults import UpstreamFault

UNREAD_MAX = 64 * 1024


class Wants(IntEnum):
    """What the call waits for; the connection wakes it for nothing less."""

    HEAD = 0
    PIECE = 1
    WHOLE = 2


# Module constants, because reading a member off the enum costs a lookup more on each arrival of bytes.
HEAD, PIECE, WHOLE = Wants


class Exchange(Struct, eq=False, kw_only=True):
    """State only. Bytes are counted in `unread` until the call takes them; past `unread_max` the connection pauses.

    A Struct, because that fills in what is not known yet four times faster than assignments do.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    sent: bool = False
    answered: bool = False
    headed: bool = False
    complete: bool = False
    head_only: bool = False
    pieces: list[bytes] = []
    unread: int = 0
    unread_max: int = UNREAD_MAX
    wants: Wants = HEAD
    waiter: asyncio.Future[None] | None = None
    fault: UpstreamFault | None = None

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
