"""One socket to a provider: writes a request in one piece, parses the answer strictly, notices every kind of end."""

import asyncio
import select
import socket
from collections.abc import Callable

import httptools

from tollway.domain.http import FaultKind
from tollway.upstream.exchange import HEAD, PIECE, WHOLE, Exchange
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.outbox import Outbox

HEAD_BYTES_MAX = 64 * 1024
_WATCHED = frozenset({b"transfer-encoding", b"content-encoding"})
_FRAMING = frozenset({b"transfer-encoding", b"content-length"})
_UNENCODED = frozenset({b"", b"identity"})
_VERSIONS = frozenset({"1.1", "1.0"})


class Connection(asyncio.Protocol):
    """At most one exchange at a time (no pipelining). `gone` is told once, when the socket has closed."""

    __slots__ = (
        "_feed",
        "_headers",
        "_interim",
        "_outbox",
        "_parser",
        "_poll",
        "_quiet",
        "_reusable",
        "_transfer",
        "_unsent",
        "_usual",
        "_write",
        "closed",
        "exchange",
        "gone",
        "idle_since_s",
        "name",
        "paused",
        "transport",
        "writing",
    )

    def __init__(self, name: str, outbox: Outbox) -> None:
        self.name = name
        self._outbox = outbox
        self._unsent = b""
        self.gone: Callable[[Connection], None] | None = None
        self.exchange: Exchange | None = None
        self.transport: asyncio.Transport | None = None
        self.idle_since_s = 0.0
        self.closed = False
        self.paused = False
        self.writing = False
        self._write: Callable[[bytes], object] = _nowhere
        self._poll: Callable[[float], list[tuple[int, int]]] = _never
        self._parser = httptools.HttpResponseParser(self)
        self._feed: Callable[[bytes], object] = self._parser.feed_data
        self._headers: list[tuple[bytes, bytes]] = []
        self._interim = False
        self._transfer: bytes | None = None
        self._usual = False
        self._reusable = False
        self._quiet = 0

    # -- its life ----------------------------------------------------------------------------------------------------

    def attach(self, transport: asyncio.Transport) -> None:
        """Take over an open transport (after TCP, and TLS where there is TLS)."""
        self.transport = transport
        self._write = transport.write
        encrypted = transport.get_extra_info("ssl_object") is not None
        # With the lowest mark, pause_writing and resume_writing say exactly when the kernel has the last byte. asyncio
        # pauses a plain transport above the mark, and one with TLS at the mark (sslproto, "_control_app_writing").
        transport.set_write_buffer_limits(high=1 if encrypted else 0)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = _poll_of(sock.fileno(), encrypted=encrypted)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.attach(transport)  # type: ignore[arg-type]  # create_connection gives a full Transport

    def close(self) -> None:
        """Close at once, whatever is unsent or unread. `gone` follows in the loop's next turn."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def is_stale(self) -> bool:
        """The peer has closed or spoken while we were idle; asks the kernel, for the loop may not have read it yet."""
        return self.closed or self.transport is None or self.transport.is_closing() or bool(self._poll(0))

    @property
    def reusable(self) -> bool:
        """After a complete answer: may the next request use this socket?"""
        return self._reusable and not (self.closed or self.paused or self.writing)

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, exchange: Exchange, data: bytes) -> None:
        """Write the whole request, at the end of the loop's turn; what comes back goes into `exchange`."""
        self.exchange = exchange
        self._headers = exchange.headers
        self._transfer = None
        self._reusable = False
        self._quiet = 0
        self._unsent = data
        self._outbox.add(self._flush)

    def _flush(self) -> None:
        data, self._unsent = self._unsent, b""
        if self.closed:
            return  # given up before a byte of it has left
        self._write(data)
        if self.exchange is not None:
            self.exchange.sent = not self.writing

    def pause_writing(self) -> None:
        self.writing = True

    def resume_writing(self) -> None:
        self.writing = False
        if self.exchange is not None:
            self.exchange.sent = True

    # -- receiving ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.close()  # bytes that nobody asked for would become the next caller's answer
            return
        if not exchange.answered:
            exchange.answered = True
            self._usual = data.startswith(b"HTTP/1.1 ")
        pieces = exchange.pieces
        before = len(pieces)
        self._quiet += len(data)
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._broken(exchange, error)
        if len(pieces) - before > 1:
            # One object per arrival: 64 MB in chunks of two bytes would otherwise take 1.5 GB of small objects.
            pieces[before:] = (b"".join(pieces[before:]),)
        if exchange.complete:
            exchange.wake()
            return
        if self._quiet > HEAD_BYTES_MAX:
            self._fail(exchange, FaultKind.TOO_LARGE, f"more than {HEAD_BYTES_MAX} bytes of header fields or framing")
        elif exchange.unread > exchange.unread_max:
            self._too_much(exchange)
        wants = exchange.wants
        if (wants is PIECE and pieces) or (wants is HEAD and exchange.headed) or exchange.fault is not None:
            exchange.wake()

    def resume(self) -> None:
        """The call has taken what was unread: read on."""
        if self.paused and self.transport is not None and not self.closed:
            self.paused = False
            self.transport.resume_reading()

    def _too_much(self, exchange: Exchange) -> None:
        if exchange.wants is WHOLE:
            self._fail(exchange, FaultKind.TOO_LARGE, f"the body is larger than {exchange.unread_max} bytes")
        elif not self.paused and self.transport is not None and not self.closed:
            self.paused = True
            self.transport.pause_reading()

    # -- what the parser calls ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        exchange = self.exchange
        if exchange is None or exchange.complete:
            self._reusable = False
            raise UpstreamFault(FaultKind.PROTOCOL, f"{self.name} sent a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._headers.append((name, value))
        if name in _WATCHED:
            self._watch(name, value)

    def _watch(self, name: bytes, value: bytes) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.headed:
            return  # a trailer; it frames nothing (RFC 9110, 6.5.1)
        if name == b"transfer-encoding":
            # RFC 9112, 6.3: an encoding that we cannot undo, or one named twice, leaves the end of the body unknown.
            if self._transfer is not None or value.strip().lower() != b"chunked":
                raise UpstreamFault(FaultKind.PROTOCOL, f"{self.name} answered with an unknown Transfer-Encoding")
            self._transfer = value
        elif value.strip().lower() not in _UNENCODED:
            raise UpstreamFault(
                FaultKind.ENCODED, f"{self.name} answered with a Content-Encoding although identity was asked for"
            )

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        exchange = self.exchange
        if exchange is None or exchange.complete:
            return
        known = self._usual or self._parser.get_http_version() in _VERSIONS
        if not known or not 100 <= status <= 599 or status == 101:
            raise UpstreamFault(FaultKind.PROTOCOL, f"{self.name} answered with status {status} or an unknown version")
        if status < 200:
            self._interim = True
            self._usual = False  # what follows has a version of its own
            return
        exchange.status = status
        exchange.headed = True
        if exchange.head_only:
            exchange.complete = True

    def on_body(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is not None:
            exchange.pieces.append(data)
            exchange.unread += len(data)
            self._quiet = 0

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            self._headers.clear()
            self._transfer = None
            return
        if self.exchange is not None:
            self.exchange.complete = True
            self._reusable = self._parser.should_keep_alive()

    # -- the ends ----------------------------------------------------------------------------------------------------

    def _broken(self, exchange: Exchange, error: Exception) -> None:
        self._reusable = False
        if exchange.complete:
            self.close()  # the answer itself is sound; what follows it is not
            return
        cause = error.__context__
        if isinstance(cause, UpstreamFault):
            self._fail(exchange, cause.kind, cause.message)
        else:
            # The parser's words name the rule that was broken; they never hold the provider's bytes.
            upgrade = isinstance(error, httptools.HttpParserUpgrade)
            reason = "an upgrade that we did not ask for" if upgrade else str(error)
            self._fail(exchange, FaultKind.PROTOCOL, f"{self.name} does not speak HTTP/1.1: {reason}")

    def _fail(self, exchange: Exchange, kind: FaultKind, message: str) -> None:
        if exchange.fault is None:
            exchange.fault = UpstreamFault(kind, message)
        self.close()

    def eof_received(self) -> None:
        self._ended(None)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._ended(exc)
        gone, self.gone = self.gone, None
        # The parser's callbacks refer to us, and we to it: without this each closed connection waits for the collector.
        self._feed = _deaf
        del self._parser
        if gone is not None:
            gone(self)

    def _ended(self, error: Exception | None) -> None:
        exchange = self.exchange
        if exchange is None or exchange.complete or exchange.fault is not None:
            return
        self._reusable = False
        if error is None and exchange.headed and _lasts_until_eof(exchange):
            exchange.complete = True
        elif exchange.answered:
            exchange.fault = UpstreamFault(FaultKind.TRUNCATED, f"{self.name} closed the connection inside its answer")
        elif exchange.sent:
            exchange.fault = UpstreamFault(
                FaultKind.UNKNOWN_OUTCOME,
                f"{self.name} closed the connection after the request was sent and before it answered; "
                "it may have done the work",
            )
        else:
            exchange.fault = UpstreamFault(
                FaultKind.RESET, f"{self.name} closed the connection while the request was being sent"
            )
        exchange.wake()


def _lasts_until_eof(exchange: Exchange) -> bool:
    """Whether the end of the connection is the end of the answer: its head does not say where it ends."""
    return exchange.status not in (204, 304) and not any(name in _FRAMING for name, _ in exchange.headers)


def _nowhere(data: bytes) -> None:
    raise RuntimeError("The connection has no transport yet; attach() comes first.")


def _deaf(data: bytes) -> None:
    raise httptools.HttpParserError("bytes after the end of the connection")


def _never(timeout_ms: float) -> list[tuple[int, int]]:
    return []


def _poll_of(fd: int, *, encrypted: bool) -> Callable[[float], list[tuple[int, int]]]:
    """Poll one descriptor. An idle plain socket must be silent; TLS may still bring session tickets (RFC 8446, 4.6.1).

    Where the system cannot tell a closed peer from readable bytes (no POLLRDHUP), TLS relies on the loop alone.
    """
    if not hasattr(select, "poll"):
        return _never
    hung_up: int = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
    poll = select.poll()
    poll.register(fd, hung_up if encrypted else hung_up | select.POLLIN)
    return poll.poll
