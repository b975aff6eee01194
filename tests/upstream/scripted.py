"""A server that writes exactly the bytes that a test tells it to, and counts what reaches it."""

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, Self

from tollway.domain.http import Deadlines, FaultKind, HttpRequest
from tollway.upstream.call import Call
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
QUICK = Deadlines(dns_s=0.2, connect_s=0.2, tls_s=0.5, first_event_s=0.3, idle_s=0.2, total_s=5.0)
PATIENT = Deadlines(dns_s=5.0, connect_s=5.0, tls_s=5.0, first_event_s=8.0, idle_s=8.0, total_s=9.0)


class Certificate(NamedTuple):
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        """A server's context that shows the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))


def make_certificate(folder: Path) -> Certificate:
    """A self-signed certificate for `localhost`, made now."""
    openssl = shutil.which("openssl")
    assert openssl, "the TLS tests need the openssl program"
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-out", str(made.certificate), "-keyout", str(made.key)],
        check=True, capture_output=True, timeout=20,
    )  # fmt: skip
    return made


class Peer:
    """The server's end of one connection; `number` counts connections from 1."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next request's head, with its blank line."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> bytes:
        """The next request, head and body."""
        head = await self.head()
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return head + (await self.reader.readexactly(length) if length else b"")

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        sock = self.writer.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the client has closed its end."""
        while await self.reader.read(65536):
            pass


Script = Callable[[Peer], Awaitable[None]]


class Scripted:
    """Runs `script` for each connection, then closes it."""

    def __init__(self, script: Script, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._ssl_context = ssl_context
        self._jobs: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.connections = 0
        self.open = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._ssl_context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for job in tuple(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await asyncio.sleep(0)

    def url(self, path: str = "/v1/chat/completions") -> str:
        """The address of a path here."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def all_closed(self) -> None:
        """Wait until no connection is open as the server sees it; the test's own deadline ends a wait in vain."""
        while self.open:  # noqa: ASYNC110  # a test may poll
            await asyncio.sleep(0.005)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        job = asyncio.current_task()
        assert job is not None
        self._jobs.add(job)
        self.connections += 1
        self.open += 1
        try:
            await self._script(Peer(self.connections, reader, writer))
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        except RuntimeError:  # uvloop's word for a write after the client went away
            if not writer.is_closing():
                raise
        finally:
            self.open -= 1
            self._jobs.discard(job)
            writer.transport.abort() if writer.is_closing() else writer.close()


def always(answer: bytes) -> Script:
    """Give every request of every connection the same answer."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer)

    return script


def once(answer: bytes) -> Script:
    """One request, one answer, and the connection is closed."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    return script


def post(url: str, body: bytes = b"{}") -> HttpRequest:
    """A request as the gateway makes them."""
    return HttpRequest("POST", url, (("content-type", "application/json"), ("authorization", "Bearer sk-test")), body)


async def fetch(client: UpstreamClient, url: str, deadlines: Deadlines = PATIENT) -> bytes:
    """One call, read to its end."""
    with client.call(post(url), deadlines) as call:
        await call.start()
        return await call.read()


async def stream(call: Call) -> list[bytes]:
    """The chunks of a started call, to the end."""
    chunks: list[bytes] = []
    while piece := await call.chunk():
        chunks.append(piece)
    return chunks


async def fault_of(client: UpstreamClient, url: str, deadlines: Deadlines = PATIENT) -> UpstreamFault:
    """The fault that a call which is read to its end must have."""
    try:
        await fetch(client, url, deadlines)
    except UpstreamFault as fault:
        return fault
    raise AssertionError("the call went well, and should not have")


async def kind_of(client: UpstreamClient, url: str, deadlines: Deadlines = PATIENT) -> FaultKind:
    """Its kind."""
    return (await fault_of(client, url, deadlines)).kind


async def none_open(client: UpstreamClient) -> None:
    """Wait until the client has no socket left; the test's own deadline ends a wait in vain."""
    while client.open_connections:  # noqa: ASYNC110  # a test may poll
        await asyncio.sleep(0.002)


def black_hole(stack: AsyncExitStack, address: tuple[str, int] = ("127.0.0.1", 0)) -> int:
    """A port that drops SYNs: its backlog of 0 is full, and Linux answers no more of them."""
    full = stack.enter_context(socket.socket())
    full.bind(address)
    full.listen(0)
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    port: int = full.getsockname()[1]
    return port
