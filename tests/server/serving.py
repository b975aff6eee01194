"""A server on a free port of this machine with a handler of the test's, and a client that writes raw bytes."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvloop

from tollway.api.exchange import App, Exchange, Handler, Receive, Scope, Send, as_asgi
from tollway.api.server import serve
from tollway.api.server_limits import ServerLimits

WAYS = ("direct", "asgi")
"""The two ways of a request through the server; a test runs on both."""

PATIENCE_S = 30.0
SMALL = ServerLimits(
    header_s=0.4, body_s=0.4, keep_alive_s=0.4, linger_s=0.4, write_stall_s=0.4, body_bytes=100_000, pipelined_max=20
)
"""Limits that a test can wait for."""


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test on uvloop, as the product runs; what the loop would only have logged is an error here."""
    complaints: list[dict[str, Any]] = []

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(4 * PATIENCE_S):
            await coroutine

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())
    assert not complaints, complaints


async def echo(exchange: Exchange) -> None:
    """Answer with what was asked, as JSON."""
    body = await exchange.body(1_000_000)
    answer = {"method": exchange.method, "path": exchange.path, "query": exchange.query.decode(), "size": len(body)}
    answer["body"] = body[:100].decode()
    await exchange.respond(200, [(b"content-type", b"application/json")], json.dumps(answer).encode())


def application(handler: Handler) -> App:
    """An ASGI application with a lifespan, which gives every request to the handler."""
    requests = as_asgi(handler)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await requests(scope, receive, send)

    return app


@asynccontextmanager
async def serving(
    handler: Handler = echo, *, way: str = "direct", limits: ServerLimits = SMALL, grace_s: float = 0.0
) -> AsyncIterator[int]:
    """The port of a server; "direct" serves /a and /b as hot URLs, "asgi" serves all through ASGI. Nothing may be
    left running when it has stopped.
    """
    before = asyncio.all_tasks()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    hot = {(method, path): handler for method in ("GET", "POST", "HEAD") for path in ("/a", "/b")}
    server = asyncio.create_task(
        serve(
            application(handler),
            port=0,
            hot=hot if way == "direct" else None,
            limits=limits,
            ready=ready.set_result,
            stop=stop,
            shutdown_grace_s=grace_s,
        )
    )
    try:
        yield await first(ready, server)
    finally:
        stop.set()
        await asyncio.wait_for(server, PATIENCE_S)
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before
    assert not left, f"these jobs are still running: {left}"


async def first(ready: asyncio.Future[int], server: asyncio.Task[None]) -> int:
    """The port, or the error for which there will be none."""
    either: list[asyncio.Future[Any]] = [ready, server]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    if server.done():
        await server
    return ready.result()


class Answer(msgspec.Struct, frozen=True):
    """What came back. `headers` are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The message of an error that the server itself answered with."""
        error = json.loads(self.body)["error"]
        assert error["code"] == self.status
        assert self.headers["content-type"] == "application/json"
        assert isinstance(error["message"], str)
        return error["message"]


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(b"".join(parts))

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        lines = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode().split("\r\n")
        fields = [line.split(": ", 1) for line in lines[1:] if line]
        assert len({name for name, _ in fields}) == len(fields), f"a header is there twice: {fields}"
        return int(lines[0].split(" ")[1]), dict(fields)

    async def chunk(self) -> bytes:
        """One chunk of a stream; b"" is its end."""
        size = int((await asyncio.wait_for(self.reader.readuntil(b"\r\n"), PATIENCE_S)).strip(), 16)
        return (await asyncio.wait_for(self.reader.readexactly(size + 2), PATIENCE_S))[:-2]

    async def answer(self, *, bare: bool = False) -> Answer:
        """The next answer; `bare` ones (to HEAD) have no body."""
        status, headers = await self.head()
        body = b""
        if not bare and "content-length" in headers:
            body = await asyncio.wait_for(self.reader.readexactly(int(headers["content-length"])), PATIENCE_S)
        elif not bare and headers.get("transfer-encoding") == "chunked":
            while part := await self.chunk():
                body += part
        return Answer(status, headers, body)

    async def rest(self) -> bytes:
        """Everything until the server hangs up."""
        return await asyncio.wait_for(self.reader.read(-1), PATIENCE_S)

    def reset(self) -> None:
        """Hang up with a reset instead of a FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """A connection to the server."""
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield client
    finally:
        await client.close()


def get(path: str = "/a", *fields: str) -> bytes:
    """A GET request."""
    return request("GET", path, *fields)


def post(body: bytes = b"hello", path: str = "/a", *fields: str) -> bytes:
    """A POST request with a content-length."""
    return request("POST", path, f"Content-Length: {len(body)}", *fields) + body


def request(method: str, path: str, *fields: str) -> bytes:
    """The header of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode()
