"""An exchange on our own server: it reads from the connection and writes to the transport, without ASGI's messages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol

import msgspec
from uvicorn.protocols.http.flow_control import FlowControl

from tollway.api.exchange import Callbacks, ClientGone, Exchange, call_all, too_large
from tollway.api.head import Head
from tollway.api.lines import NONE, Headers, Lines, joined
from tollway.upstream.outbox import Gathered

logger = logging.getLogger("tollway.api")

UNREAD_BYTES_MAX = 65536
"""Bytes of a body that nobody has asked for: above it the connection stops reading. Also the most that is read and
thrown away to keep a connection alive after an answer that came before the end of the body."""

JOINED_BYTES_MAX = 65536
"""Up to here head and body are joined and written at once; above it the copy costs more than a second write."""

STATUS_LINES = {code: b"HTTP/1.1 %d \r\n" % code for code in range(200, 600)}
STATUS_LINES |= {s.value: b"HTTP/1.1 %d %b\r\n" % (s.value, s.phrase.encode()) for s in HTTPStatus if s.value >= 200}

JSON_HEADERS = ((b"content-type", b"application/json"),)


def error_body(status: int, message: str) -> bytes:
    """What this layer says for itself, in the shape of every storefront's least error."""
    return msgspec.json.encode({"error": {"code": status, "message": message}})


class Carrier(Protocol):
    """What an exchange needs of its connection."""

    transport: Gathered
    flow: FlowControl
    client_host: str | None
    tasks: set[asyncio.Task[None]]

    def default_head(self) -> bytes:
        """Header lines of every answer, such as the date."""

    def answered(self, exchange: "DirectExchange") -> None:
        """The answer is complete: what comes next on this connection may begin."""


class DirectExchange(Exchange):
    """One request on one of our connections.

    `length` is the declared length of the body in bytes, -1 if it comes in chunks; `body` is all of it, where it came
    together with its header. `complete` says that the body has arrived, `finished` that the answer has left.
    """

    head: Head
    job: asyncio.Task[None]
    """Runs the handler, and outlives the connection, so that the carrier's server keeps it till it ends."""
    _body: bytes | bytearray = b""
    _expects_continue = False
    _limit = -1
    _held = b""
    _chunked = False
    _left = -1

    def __init__(
        self, carrier: Carrier, head: Head, length: int, body: bytes | None = None, expects_continue: bool = False
    ) -> None:
        self.carrier = carrier
        self.head = head
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.client_host = carrier.client_host
        self.started = self.gone = self.complete = self.finished = False
        self.received = 0
        self.keep_alive = head.keep_alive
        self._headers = head.headers
        self._first = head.first
        self._length = length
        self._changed: asyncio.Event | None = None
        self._callbacks: Callbacks = ()
        if body is not None:
            self._body, self.received, self.complete = body, length, True
        if expects_continue:
            self._expects_continue = True

    # The connection calls these.

    def feed(self, data: bytes) -> None:
        """A part of the body has arrived."""
        self.received += len(data)
        if self.finished or self.gone or self.received > self._limit >= 0:
            self._body = b""
        elif not self._body:
            self._body = data
        elif isinstance(self._body, bytearray):
            self._body += data
        else:
            self._body = bytearray(self._body + data)
        if self._limit < 0 and len(self._body) > UNREAD_BYTES_MAX:
            self.carrier.flow.pause_reading()
        self.wake()

    def wake(self) -> None:
        """Let whoever waits for this exchange look at it again."""
        if self._changed is not None:
            self._changed.set()

    def lose(self) -> None:
        """The client has gone, or has been refused: nothing more can be written."""
        if self.gone or self.finished:
            return
        self.gone = True
        callbacks, self._callbacks = self._callbacks, ()
        call_all(callbacks)
        self.wake()

    async def run(self, handler: Callable[["DirectExchange"], Awaitable[None]]) -> None:
        """Let the handler answer; answer 500, or cut the stream, if it does not."""
        try:
            await handler(self)
        except ClientGone:
            if not self.gone:
                await self._fail("A handler gave up on a client that is still there")
        except Exception:  # whatever it was, the client gets an answer and the connection goes on or ends in order
            logger.exception("%s %s has failed", self.method, self.path)
            await self._fail(None)
        except BaseException:  # cancelled, or a panic of a library that is no Exception: nobody will answer any more
            if not self.finished:
                self.carrier.transport.close()
            raise
        else:
            if not self.finished and not self.gone:
                await self._fail("A handler returned before its answer was complete")
        finally:
            self.carrier.tasks.discard(self.job)

    async def _fail(self, why: str | None) -> None:
        if why is not None:
            logger.error("%s: %s %s", why, self.method, self.path)
        if self.finished or self.gone:
            return
        self.keep_alive = False
        if self.started and not self._held:
            self.carrier.transport.close()  # Without its last chunk the client can tell that the answer was cut.
            return
        self.started, self._held = False, b""
        await self.respond(500, JSON_HEADERS, error_body(500, "Internal server error. The server's log says why."))

    # Reading.

    def ask_for_body(self) -> None:
        """Let the body come: say "100 Continue" if the client waits for it, and read on."""
        if self._expects_continue:
            self._expects_continue = False
            if not self.complete and not self.received and not self.gone and not self.started:
                self.carrier.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.complete:
            self.carrier.flow.resume_reading()

    async def changed(self) -> None:
        """Wait for more of the body, its end, a disconnect, or the end of the answer."""
        if self._changed is None:
            self._changed = asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    def take(self) -> bytes:
        """The part of the body that has arrived since the last call."""
        body, self._body = self._body, b""
        return body if type(body) is bytes else bytes(body)

    def carries(self, names: frozenset[bytes]) -> bool:
        """As `Exchange.carries`, found out once for a header that comes again."""
        carried = self.head.carried.get(names)
        if carried is None:
            carried = self.head.carried[names] = super().carries(names)
        return carried

    def check_body(self, limit: int) -> None:
        """As `Exchange.check_body`; the length has been read already."""
        if self._first is None or b"content-encoding" in self._first:
            super().check_body(limit)
        if self._length > limit:
            raise too_large(limit)

    async def body(self, limit: int) -> bytes:
        """The whole body, as `Exchange.body` has it."""
        self.check_body(limit)
        if not self.complete:
            self._limit = limit
            self.ask_for_body()
        while not self.complete and not self.gone and self.received <= limit:
            await self.changed()
        if self.received > limit:
            raise too_large(limit)
        if not self.complete:
            raise ClientGone
        return self.take()

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the client leaves before the answer is complete; at once if it already has."""
        if self.gone:
            callback()
        elif not self.finished:
            self._callbacks += (callback,)

    # Writing.

    async def respond(self, status: int, headers: Headers, body: bytes, usual: Lines = NONE) -> None:
        """The whole answer, in one write."""
        bare = status in (204, 304)
        head = self._head(status, headers, b"" if bare else b"content-length: %d\r\n" % len(body), usual)
        if self.gone:
            return
        transport = self.carrier.transport
        if bare or self.method == "HEAD":
            transport.write(head)
        elif len(body) <= JOINED_BYTES_MAX:
            transport.gather(head + body)
        else:
            transport.write(head)
            transport.write(body)
        if self.carrier.flow.write_paused:
            await self.carrier.flow.drain()
        self._finish()

    async def start(self, status: int, headers: Headers) -> None:
        """Begin a stream. `headers` may declare a content-length, else it is chunked (HTTP/1.0: until it closes)."""
        kept, left = [], -1
        for name, value in headers:
            match name.lower():
                case b"content-length":
                    left = int(value)
                    kept.append((name, value))
                case b"connection":
                    self.keep_alive = self.keep_alive and b"close" not in value.lower()
                case b"transfer-encoding":
                    continue  # The framing is this layer's own business.
                case _:
                    kept.append((name, value))
        bare = self.method == "HEAD" or status in (204, 304)
        chunked = left < 0 and not bare and not self.head.http_10
        self._held = self._head(status, kept, b"transfer-encoding: chunked\r\n" if chunked else b"")
        self._chunked = chunked
        self._left = 0 if bare else left

    async def write(self, data: bytes) -> None:
        """Send a part of the stream; returns when the client keeps up."""
        if self.gone or self.finished:
            return
        out = self._frame(data)
        if out:
            self.carrier.transport.write(out)
        if self.carrier.flow.write_paused:
            await self.carrier.flow.drain()

    async def end(self, data: bytes = b"") -> None:
        """Send the last part and complete the answer."""
        if self.gone or self.finished:
            return
        out = self._frame(data)
        if self._chunked:
            out += b"0\r\n\r\n"
        elif self._left > 0:
            raise RuntimeError(f"The answer ends {self._left} bytes before its content-length.")
        if out:
            self.carrier.transport.write(out)
        if self.carrier.flow.write_paused:
            await self.carrier.flow.drain()
        self._finish()

    def _head(self, status: int, headers: Headers, framing: bytes, usual: Lines = NONE) -> bytes:
        if self.started:
            raise RuntimeError("The answer has already been started.")
        lines = joined(headers)
        self.started, self.status = True, status
        if not self.complete and (
            # More of an unwanted body is to come than a new connection costs; or the client may or may not send it now.
            not 0 <= self._length - self.received <= UNREAD_BYTES_MAX or self._expects_continue
        ):
            self.keep_alive = False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        return b"".join((STATUS_LINES[status], self.carrier.default_head(), usual.joined, lines, framing, end))

    def _frame(self, data: bytes) -> bytes:
        if not self.started:
            raise RuntimeError("start() comes before write() and end().")
        held, self._held = self._held, b""
        if not data:
            return held
        if self._chunked:
            return b"%b%x\r\n%b\r\n" % (held, len(data), data)
        if self.method == "HEAD":
            return held
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0:
                raise RuntimeError("The answer is longer than its content-length.")
        return held + data if held else data

    def _finish(self) -> None:
        # After the drain: a client that pipelines but does not read must not fill memory with answers.
        if self.gone:
            return
        self.finished = True
        self._callbacks = ()
        if self._changed is not None:
            self._changed.set()
        self.carrier.answered(self)
