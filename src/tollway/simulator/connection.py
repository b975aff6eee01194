"""One connection: requests parsed, replies played on callbacks, and the client's leaving noticed at once."""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import cast

import httptools
from msgspec import Struct

from tollway.simulator.framing import framed
from tollway.simulator.stats import Record, Stats
from tollway.simulator.steps import Act, Pause, Raw, Reply, Step

BODY_MAX = 64 * 1024 * 1024
HEADERS_MAX = 64 * 1024
_PIPELINE_MAX = 16
_WRITES_IN_A_ROW = 64  # then others get their turn
_LINGER_NEVER = struct.pack("ii", 1, 0)


class Request(Struct, frozen=True):
    """A request as it came. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    chunks: bool
    """Whether the client knows chunked answers (HTTP/1.1)."""
    keep_alive: bool
    reused: bool
    """Whether its connection has served a request before."""


Handle = Callable[[Request], tuple[Reply, Record | None]]


class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1 with one client. Requests that arrive during an answer wait their turn (RFC 9112, 9.3.2)."""

    def __init__(self, handle: Handle, stats: Stats, open_connections: set["Connection"]) -> None:
        self._handle = handle
        self._stats = stats
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._steps: Iterator[Step] | None = None
        self._record: Record | None = None
        self._timer: asyncio.Handle | None = None
        self._full = False
        self._last = False
        self._served = 0
        self._idle_close_s = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done once the connection is gone."""
        self._start_message()

    # What the event loop tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._open.add(self)
        self._stats.connections_open += 1
        self._stats.connections += 1

    def data_received(self, data: bytes) -> None:
        if self._idle_close_s and self._steps is None and not self._waiting:
            self._cancel_timer()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.transport.is_closing():
                self._refuse(400, "this is not an HTTP/1.1 request that the simulator can read")

    def eof_received(self) -> bool:
        """The client has closed its side: for a model's answer nobody is left."""
        if self._steps is not None:
            self._abort()
            self.transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._abort()
        self._waiting.clear()
        self._open.discard(self)
        self._stats.connections_open -= 1
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._steps is not None and self._timer is None:
            self._advance()

    # What the parser tells us.

    def on_message_begin(self) -> None:
        self._start_message()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue" and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > BODY_MAX:
            self._refuse(413, f"the body is over {BODY_MAX} bytes")
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self.transport.is_closing():
            return
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(
            method=self._parser.get_method().decode(),
            path=path,
            query=query,
            headers=self._headers,
            body=b"".join(self._body),
            chunks=self._parser.get_http_version() != "1.0",
            keep_alive=self._parser.should_keep_alive(),
            reused=self._served > 0,
        )
        self._served += 1
        self._waiting.append(request)
        if len(self._waiting) > _PIPELINE_MAX:
            self.transport.abort()
        elif self._steps is None:
            self._next()

    def _start_message(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._headers_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    def _count(self, size: int) -> None:
        self._headers_bytes += size
        if self._headers_bytes > HEADERS_MAX:
            self._refuse(431, f"the headers are over {HEADERS_MAX} bytes")

    def _refuse(self, status: int, why: str) -> None:
        """An answer outside of any format, and the end of the connection."""
        if self._steps is None and not self.transport.is_closing():
            body = (
                b'{"error":{"message":"Bad request: %b.","type":"invalid_request_error","param":null,"code":null}}'
                % why.encode()
            )
            for step in framed(
                Reply(status, body, (("content-type", "application/json"),)), chunks=True, keep_alive=False
            ):
                self.transport.write(cast(bytes, step))
        self.transport.close()

    # Playing a reply.

    def _next(self) -> None:
        """Begins with the next request, if one waits."""
        self._timer = None
        if not self._waiting or self._steps is not None or self.transport.is_closing():
            return
        request = self._waiting.popleft()
        reply, self._record = self._handle(request)
        keep_alive = request.keep_alive and reply.keep_alive
        self._last = not keep_alive
        self._idle_close_s = reply.idle_close_s
        self._steps = framed(reply, chunks=request.chunks, keep_alive=keep_alive)
        self._advance()

    def _advance(self) -> None:
        """Takes steps until one has to be waited for. A mistake of ours ends the connection; the loop reports it."""
        self._timer = None
        try:
            self._take_steps()
        except Exception:  # whatever it is, the client must not wait for the rest; it is raised again
            self.transport.abort()
            raise

    def _take_steps(self) -> None:
        steps, record, transport = self._steps, self._record, self.transport
        if steps is None:
            return
        writes = 0
        while not self._full:
            step = next(steps, None)
            if isinstance(step, bytes):
                transport.write(step)
                if record is not None:
                    record.bytes += len(step)
                writes += 1
                if writes == _WRITES_IN_A_ROW:
                    self._timer = self._loop.call_soon(self._advance)
                    return
            elif step is None:
                self._end(aborted=False)
                return
            elif isinstance(step, Pause):
                later = self._loop.call_later if step.seconds > 0 else None
                self._timer = later(step.seconds, self._advance) if later else self._loop.call_soon(self._advance)
                return
            elif isinstance(step, Raw):
                transport.write(step.data)
                if record is not None:
                    record.bytes += len(step.data)
            else:
                self._act(step)
                return

    def _act(self, act: Act) -> None:
        if act is Act.STALL:
            self._steps = repeat(Act.STALL)  # so that the client's leaving counts as an abort
            return
        self._last = True
        if act is Act.RESET:
            _no_lingering(self.transport)
            self._end(aborted=False)
            self.transport.abort()
        else:
            self._end(aborted=False)

    def _end(self, *, aborted: bool) -> None:
        """The reply is over: its record is closed, and the connection goes on, idles, or closes."""
        record, self._record, self._steps = self._record, None, None
        if record is not None:
            self._stats.end(record, aborted=aborted, now=self._loop.time())
        if aborted:
            return
        if self._last:
            self.transport.close()
        elif self._waiting:
            self._timer = self._loop.call_soon(self._next)
        elif self._idle_close_s:
            self._timer = self._loop.call_later(self._idle_close_s, self.transport.close)

    def _abort(self) -> None:
        self._cancel_timer()
        if self._steps is not None:
            self._end(aborted=True)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _no_lingering(transport: asyncio.Transport) -> None:
    """Makes the coming close a TCP reset (SO_LINGER 0). The descriptor is borrowed: not every loop's transport gives a
    socket with `setsockopt`."""
    number = transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(number)) as borrowed:
        borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NEVER)
