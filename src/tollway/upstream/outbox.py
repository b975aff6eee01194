"""What is written in one turn of the event loop, handed to the kernel together (decision 0055)."""

import asyncio
from collections.abc import Callable
from typing import Any


class Outbox:
    """A write to a socket runs the kernel's network code and wakes the peer: one after the other, these get cheap.

    Between two requests they would push our own code out of the processor's caches.
    """

    __slots__ = ("_flushes",)

    def __init__(self) -> None:
        self._flushes: list[Callable[[], None]] = []

    def add(self, flush: Callable[[], None]) -> None:
        """Calls `flush`, which must not raise, when all that is ready in this turn of the loop has run."""
        if not self._flushes:
            asyncio.get_running_loop().call_soon(self._send)
        self._flushes.append(flush)

    def _send(self) -> None:
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            flush()


class Gathered(asyncio.Transport):
    """A transport on which `gather` is a write that may wait for the turn's end. Nothing overtakes what waits."""

    __slots__ = ("_outbox", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, outbox: Outbox) -> None:
        self._transport = transport
        self._outbox = outbox
        self._waiting = b""

    def gather(self, data: bytes) -> None:
        """Write `data`, at the latest when this turn of the loop ends."""
        if self._waiting:
            self._waiting += data
        else:
            self._waiting = data
            self._outbox.add(self._flush)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._waiting:
            self._flush()
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._waiting = b""
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._waiting)

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def _flush(self) -> None:
        data, self._waiting = self._waiting, b""
        if data and not self._transport.is_closing():
            self._transport.write(data)
