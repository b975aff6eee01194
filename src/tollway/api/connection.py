"""One client's connection: HTTP/1.1 with deadlines and caps, requests handed on in order (FAULTS.md, section 3)."""

import asyncio
import logging
import urllib.parse
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tollway.api.asgi import Bridge
from tollway.api.direct import JSON_HEADERS, STATUS_LINES, DirectExchange, error_body
from tollway.api.exchange import Handler
from tollway.api.head import FRAMING, WATCHED, Head, body_too_large, fault_of, header_too_large
from tollway.api.lines import NONE, Lines, joined
from tollway.api.mounts import Mounts
from tollway.api.server_limits import ServerLimits
from tollway.upstream.outbox import Gathered, Outbox

logger = logging.getLogger("tollway.api")


class Phase(Enum):
    """What a connection waits for."""

    OPENED = "the first byte"
    HEADER = "the rest of a header"
    BODY = "the rest of a body"
    ANSWER = "us"
    IDLE = "another request"
    LINGER = "the client, to hang up"


# Module constants: to read a member off its class costs as much as a call.
OPENED, HEADER, BODY, ANSWER, IDLE, LINGER = Phase


class Connections:
    """What all connections of one server share: limits, hot URLs, the count per address, one clock and one sweep.

    A timer per request costs more than the request's own parsing; one pass per second over all connections does not.
    """

    def __init__(
        self,
        limits: ServerLimits,
        hot: Mapping[tuple[str, str], Handler] | None = None,
        mounts: Mounts | None = None,
    ) -> None:
        self.limits = limits
        self.hot = {(method.encode(), path.encode()): handler for (method, path), handler in (hot or {}).items()}
        self.mounts = mounts
        self.live: set[Protocol] = set()
        self.per_ip: dict[str, int] = {}
        self.outbox = Outbox()
        self.now = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.default_lines = NONE

    def default_of(self, headers: list[tuple[bytes, bytes]]) -> Lines:
        """uvicorn's default headers; it makes a new list each second, with a new date."""
        self.default_lines = Lines(headers)
        return self.default_lines

    def add(self, connection: "Protocol") -> None:
        """Count the connection in, and keep watch while there are any."""
        self.live.add(connection)
        host = connection.client_host or ""
        self.per_ip[host] = self.per_ip.get(host, 0) + 1
        if self._timer is None:
            self.now = connection.loop.time()
            self._timer = connection.loop.call_later(self.limits.sweep_s, self._sweep, connection.loop)

    def remove(self, connection: "Protocol") -> None:
        """Count the connection out."""
        self.live.discard(connection)
        host = connection.client_host or ""
        left = self.per_ip.get(host, 1) - 1
        if left:
            self.per_ip[host] = left
        else:
            self.per_ip.pop(host, None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time()
        for connection in list(self.live):
            connection.check(self.now)
        self._timer = loop.call_later(self.limits.sweep_s, self._sweep, loop) if self.live else None


_LEARNED_MAX = 8
"""So many different headers on one connection: the next ones will differ, too, and are not learned."""


class Protocol(HttpToolsProtocol):
    """uvicorn's connection, with limits, and with exchanges of ours in the place of its request/response cycles.

    A hot URL goes straight to its handler; every other one goes to the ASGI application.
    """

    transport: Gathered

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        shared: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.shared = shared
        self.client_host: str | None = None
        self.phase = OPENED
        self.since = 0.0
        self.deaf = False  # nothing that still arrives is a request to us
        self.reading: DirectExchange | None = None  # its body has not all arrived
        self.running: DirectExchange | None = None  # its answer is being made
        self.queue: deque[tuple[DirectExchange, Callable[[DirectExchange], Awaitable[None]]]] = deque()
        self.refusal: tuple[int, str] | None = None  # to be sent when earlier answers have left
        self.watched: list[tuple[bytes, bytes]] = []
        self.known: Head | None = None  # the last one of a hot URL
        self.learned = 0
        self.header_bytes = 0
        self.header_complete = False
        self.messages_begun = 0
        self.read_bytes = 0
        self.upgrading = False
        self.discarded_bytes = 0
        self.unsent_bytes = 0
        self.unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A client has connected."""
        super().connection_made(Gathered(transport, self.shared.outbox))
        self.client_host = self.client[0] if self.client else None
        shared = self.shared
        shared.add(self)
        self.since = shared.now
        most = shared.limits.connections_max
        if len(shared.live) > most + most // 8 + 1:
            transport.abort()  # A flood is not argued with: even a refusal holds its connection for a while.
        elif len(shared.live) > most:
            self._refuse(503, "The server has as many connections as it may hold. Try again later.")
        elif shared.per_ip[self.client_host or ""] > shared.limits.connections_per_ip:
            self._refuse(429, "Your address has as many connections as it may hold. Close some, or reuse them.")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed: whoever works for it is told at once."""
        self.connections.discard(self)
        self.shared.remove(self)
        self._lose()
        self.parser = None  # type: ignore[assignment]  # breaks the cycle with the parser, as in uvicorn

    def eof_received(self) -> None:
        """The client has sent its last byte. As in uvicorn, that closes the connection: it counts as a disconnect."""
        self._lose()

    def resume_writing(self) -> None:
        """The transport has sent enough of what it held."""
        self.unsent_bytes = 0
        super().resume_writing()

    def shutdown(self) -> None:
        """The server stops: what is being answered is finished, what has only been queued is not begun."""
        self.queue.clear()
        self.deaf = True
        if self.running is None:
            self.transport.close()
        else:
            self.running.keep_alive = False

    def default_head(self) -> bytes:
        """Header lines of every answer."""
        lines, headers = self.shared.default_lines, self.server_state.default_headers
        return lines.joined if lines.headers is headers else self.shared.default_of(headers).joined

    # Deadlines.

    def check(self, now: float) -> None:
        """Close the connection if its client has kept us waiting too long."""
        limits = self.shared.limits
        self._check_sending(now, limits.write_stall_s)
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.since = now  # The client cannot go on while we do not read.
            return
        waited_s = now - self.since
        match self.phase:
            case Phase.HEADER if waited_s > limits.header_s and not self.deaf:
                self._refuse(408, f"The request's header was not complete within {limits.header_s:g} s.")
            case Phase.BODY if self.reading is not None and not self.deaf:
                if waited_s > limits.body_s + self.reading.received / limits.body_bytes_per_s:
                    self._refuse(408, "The request's body came too slowly.")
            case Phase.OPENED if waited_s > limits.header_s:
                self.transport.close()
            case Phase.IDLE if waited_s > limits.keep_alive_s:
                self.transport.close()
            case Phase.LINGER if waited_s > limits.linger_s:
                self.transport.close()
            case _:
                return

    def _check_sending(self, now: float, stall_s: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        # While a handler may still write, the buffer can be refilled between two looks; only once writing is paused, or
        # the answer is complete, does "not less than before" mean that the client reads nothing.
        if not unsent or not (self.flow.write_paused or self.running is None):
            self.unsent_bytes = 0
        elif not self.unsent_bytes or unsent < self.unsent_bytes:
            self.unsent_bytes, self.unsent_since = unsent, now
        elif now - self.unsent_since >= stall_s:
            self.transport.abort()

    # Reading: the parser calls the on_* methods from within feed_data.

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self.deaf:
            if self.phase is LINGER:
                self.discarded_bytes += len(data)
                if self.discarded_bytes > 2 * self.shared.limits.body_bytes:
                    self.transport.abort()
            return
        known, limits = self.known, self.shared.limits
        if known is not None and self.phase is IDLE and self.running is None:
            body = known.body_of(data)
            if body is not None and len(body) <= limits.body_bytes and known.handler is not None:
                self.phase = ANSWER
                self.since = self.shared.now
                self._run(DirectExchange(self, known, len(body), body), known.handler)
                return
        fresh = self.phase is IDLE or self.phase is OPENED
        self.messages_begun = 0
        size = self.read_bytes = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError:
            logger.exception("A request could not be handed on")
            self.transport.abort()
            return
        except httptools.HttpParserError as error:
            if not self.deaf:
                self._refuse(400, f"This is not a valid HTTP/1.1 request: {error}.")
            return
        if fresh and self.messages_begun == 1 and size <= limits.header_bytes and self.learned < _LEARNED_MAX:
            self._learn(data)
        if self.phase is HEADER and not self.deaf:
            # Bytes of one header that is longer than one read; the part in a read that it shares is counted at its end.
            if self.messages_begun == 0 or (fresh and self.messages_begun == 1):
                self.header_bytes += size
            if self.header_bytes > limits.header_bytes:
                self._refuse(431, header_too_large(limits))

    def _learn(self, data: bytes) -> None:
        """Know the header again, if `data` was one whole request to a hot URL."""
        running = self.running
        if running is None or not (running.complete and running.received) or self.deaf or self.upgrading:
            return
        if running.head.handler is not None and running.head.learn(data, running.received):
            self.known = running.head
            self.learned += 1

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # We speak nothing else, and go on as if it had not been asked for (RFC 9110, 7.8). Java's HttpClient
                # asks for h2c with its first request, whatever that is; the parser then leaves the body to us.
                data = data[upgrade.args[0] :]
                if self.upgrading:
                    self.upgrading = False
                    self._parse_body()

    def _parse_body(self) -> None:
        """Put in a new parser, which stands where the body of the present request begins."""
        framing = [b"%b: %b\r\n" % line for line in self.watched if line[0] in FRAMING]
        self.parser = httptools.HttpRequestParser(self)
        self.deaf, was_deaf = True, self.deaf
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))
        self.deaf = was_deaf

    def on_message_begin(self) -> None:
        """A request begins."""
        if self.deaf:
            return
        self.url = b""
        self.headers = []
        self.watched = []
        self.header_bytes = 0
        self.header_complete = False
        self.messages_begun += 1
        self.phase = HEADER
        self.since = self.shared.now

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line, or one trailer line: trailers are dropped, lest they pass for headers."""
        if self.deaf or self.header_complete:
            return
        name = name.lower()
        line = (name, value)
        self.headers.append(line)
        if name in WATCHED:
            self.watched.append(line)

    def on_headers_complete(self) -> None:
        """The header is there: judge it, and hand the request on, with its body still to come."""
        if self.deaf:
            return
        self.header_complete = True
        parser = self.parser
        method, version = parser.get_method(), parser.get_http_version()
        limits = self.shared.limits
        short = self.messages_begun > 0 and self.read_bytes <= limits.header_bytes
        fault = fault_of(method, version, self.url, self.headers, self.watched, limits, short=short)
        if fault is not None:
            self._refuse(*fault)
            return
        watched = dict(self.watched)
        length = -1 if b"transfer-encoding" in watched else int(watched.get(b"content-length", b"0"))
        self.upgrading = length != 0 and parser.should_upgrade()
        if self.shared.mounts is not None:
            self.url = self.shared.mounts.target(watched.get(b"host", b""), self.url)
        path, _, query = self.url.partition(b"?")
        hot = self.shared.hot.get((method, path))
        if hot is None:
            try:
                scope = self._scope(method.decode(), version)
            except httptools.HttpParserInvalidURLError:
                self._refuse(400, "The request's target is neither a path nor a URL.")
                return
            handler: Callable[[DirectExchange], Awaitable[None]] = Bridge(self.app, scope)
            name, query = scope["path"], scope["query_string"]
        else:
            handler, name = hot, path.decode()
        head = Head(
            method.decode(),
            name,
            query,
            self.headers,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            http_10=version == "1.0",
            handler=hot,
        )
        exchange = DirectExchange(self, head, length, expects_continue=b"expect" in watched)
        self.reading = exchange
        self.phase = BODY
        if self.running is None:
            self._run(exchange, handler)
        elif len(self.queue) < self.shared.limits.pipelined_max:
            self.queue.append((exchange, handler))
            self.flow.pause_reading()
        else:
            self._refuse(429, "Too many requests are waiting on one connection. Wait for answers, or open another one.")

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if self.deaf or self.reading is None:
            return
        self.reading.feed(body)
        # A handler has its own cap and its own words; this one holds for those that read without counting.
        if self.reading.received > self.shared.limits.body_bytes + 1024 * 1024 and not self.reading.finished:
            self._refuse(413, body_too_large(self.shared.limits))

    def on_message_complete(self) -> None:
        """The whole request has arrived."""
        exchange = self.reading
        if self.deaf or self.upgrading or exchange is None:
            return
        self.reading = None
        exchange.complete = True
        exchange.wake()
        self.phase = IDLE if self.running is None else ANSWER
        self.since = self.shared.now

    # Handing on.

    def _scope(self, method: str, version: str) -> dict[str, Any]:
        url = httptools.parse_url(self.url)
        raw_path = url.path or b"/"
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": method,
            "scheme": self.scheme,
            "path": urllib.parse.unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": url.query or b"",
            "root_path": "",
            "headers": self.headers,
            "server": self.server,
            "client": self.client,
            "state": self.app_state.copy(),
        }

    # Answering.

    def _run(self, exchange: DirectExchange, handler: Callable[[DirectExchange], Awaitable[None]]) -> None:
        self.running = exchange
        exchange.job = job = self.loop.create_task(exchange.run(handler))
        self.tasks.add(job)

    def answered(self, exchange: DirectExchange) -> None:
        """An answer is complete: what comes next on this connection may begin."""
        self.server_state.total_requests += 1
        self.running = None
        self.unsent_bytes = 0
        if self.transport.is_closing():
            return
        if not exchange.keep_alive:
            self._close(linger=not exchange.complete)
            return
        if self.queue:
            self._run(*self.queue.popleft())
        elif self.refusal is not None:
            self._send_refusal(*self.refusal)
            return
        elif self.phase is ANSWER:
            self.phase = IDLE
            self.since = self.shared.now
        if self.flow.read_paused and not self.queue:
            self.flow.resume_reading()

    def _refuse(self, status: int, message: str) -> None:
        """Take no more requests on this connection. The refusal leaves in its turn, if it still can."""
        self.deaf = True
        at_fault, self.reading = self.reading, None
        if at_fault is not None and at_fault.finished:
            self._close(linger=True)  # Its answer left before its body came: there is nothing to be said twice.
        elif self.running is None:
            self._send_refusal(status, message)
        elif at_fault is not self.running:
            if self.queue and self.queue[-1][0] is at_fault:
                self.queue.pop()
            self.refusal = (status, message)
        else:
            self.running = None
            started = at_fault.started
            at_fault.lose()
            if started:
                self.transport.abort()
            else:
                self._send_refusal(status, message)

    def _send_refusal(self, status: int, message: str) -> None:
        body = error_body(status, message)
        fields = (*JSON_HEADERS, (b"content-length", b"%d" % len(body)), (b"connection", b"close"))
        self.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINES[status], self.default_head(), joined(fields), body))
        self._close(linger=True)

    def _close(self, *, linger: bool) -> None:
        """Hang up. A client that may still be sending is heard out for a while: closing with bytes unread makes the
        kernel send a reset, which can overtake the answer (RFC 9112, 9.6).
        """
        self.deaf = True
        self.queue.clear()
        if linger and self.transport.can_write_eof():
            self.phase = LINGER
            self.since = self.shared.now
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _lose(self) -> None:
        self.deaf = True
        self.queue.clear()
        running, self.running, self.reading = self.running, None, None
        if running is not None:
            running.lose()
        self.flow.resume_writing()
