"""What handlers may rely on: framed answers, contained mistakes, and the same behaviour on a foreign ASGI server."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.server.serving import PATIENCE_S, WAYS, application, connected, echo, get, post, request, run, serving
from tollway.api.exchange import App, Exchange, Handler, as_asgi
from tollway.api.server import serve

both_ways = pytest.mark.parametrize("way", WAYS)
EVENTS = [(b"content-type", b"text/event-stream")]


@both_ways
def test_headers_leave_with_the_first_event(way: str) -> None:
    """Headers and first event are one packet; an empty write sends headers alone."""

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, EVENTS)
        await asyncio.sleep(0.01)
        if exchange.path == "/b":
            await exchange.write(b"")
            await asyncio.sleep(0.05)
        await exchange.write(b"data: 1\n\n")
        await asyncio.sleep(0.05)
        await exchange.end(b"data: [DONE]\n\n")

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(get("/a"))
            first = await client.reader.read(65536)
            assert first.startswith(b"HTTP/1.1 200 OK\r\n")
            assert first.endswith(b"\r\n\r\n9\r\ndata: 1\n\n\r\n")
            assert await client.reader.read(65536) == b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
            client.send(get("/b"))
            assert (await client.reader.read(65536)).endswith(b"transfer-encoding: chunked\r\n\r\n")
            assert await client.reader.read(65536) == b"9\r\ndata: 1\n\n\r\n"
            assert await client.reader.readuntil(b"0\r\n\r\n")

    run(main())


async def raises(exchange: Exchange) -> None:
    """Fails before it answers."""
    raise ValueError("a secret")


async def raises_held(exchange: Exchange) -> None:
    """Fails when headers are set, but have not left."""
    await exchange.start(200, EVENTS)
    raise ValueError("a secret")


async def forgets(exchange: Exchange) -> None:
    """Does not answer."""


async def starts_twice(exchange: Exchange) -> None:
    """Begins a second answer within the first."""
    await exchange.start(200, EVENTS)
    await exchange.start(500, EVENTS)


@pytest.mark.parametrize("handler", [raises, raises_held, forgets, starts_twice])
@both_ways
def test_mistakes_before_the_answer(handler: Handler, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """They become one whole 500 which shows nothing of the error; the log has it."""

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(get())
            answer = await client.answer()
            assert answer.status == 500
            assert "secret" not in answer.message
            assert await client.rest() == b""

    run(main())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("between", [b"\r\n", b"\n", b"\r", b"\0"])
def test_headers_cannot_be_injected(between: bytes) -> None:
    """C-9: a value with a line break or a NUL ends in a 500, not in a header of its author's choice."""

    async def handler(exchange: Exchange) -> None:
        headers = [(b"x-title", b"a" + between + b"set-cookie: b")]
        with pytest.raises(ValueError, match="line break"):
            await exchange.respond(200, headers, b"")
        with pytest.raises(ValueError, match="line break"):
            await exchange.start(200, headers)
        await exchange.respond(200, [], b"as if nothing had happened")

    async def main() -> None:
        async with serving(handler) as port, connected(port) as client:
            client.send(get())
            answer = await client.answer()
            assert answer.body == b"as if nothing had happened"
            assert "set-cookie" not in answer.headers

    run(main())


@both_ways
@pytest.mark.parametrize("mistake", ["raises", "forgets", "too short", "too long"])
def test_mistakes_within_the_answer(mistake: str, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """The answer is cut so that the client can tell: no last chunk, or fewer bytes than were declared."""
    declared = [(b"content-length", b"10")]

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, declared if mistake.startswith("too") else EVENTS)
        await exchange.write(b"12345")
        match mistake:
            case "raises":
                raise ValueError("oh")
            case "too short":
                await exchange.end(b"678")
            case "too long":
                await exchange.write(b"6789 and more")

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(get())
            assert (await client.head())[0] == 200
            rest = await client.rest()
            assert b"12345" in rest
            assert b"0\r\n\r\n" not in rest
            assert len(rest) < 13

    run(main())
    assert len(caplog.records) == 1


@both_ways
def test_answer_before_the_end_of_the_body(way: str) -> None:
    """A small rest of an unwanted body is read and dropped, and the connection kept; a large one ends it, but only when
    the client has had its answer.
    """

    async def handler(exchange: Exchange) -> None:
        await exchange.respond(401, [], b"no")

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            for _ in range(3):
                client.send(request("POST", "/a", "Content-Length: 1000"))
                answer = await client.answer()
                assert (answer.status, answer.body) == (401, b"no")
                assert "connection" not in answer.headers
                client.send(b"x" * 1000)
            client.send(request("POST", "/a", "Content-Length: 90000"))
            client.send(b"x" * 1000)
            answer = await client.answer()
            assert answer.headers["connection"] == "close"
            client.send(b"x" * 50_000)
            assert await client.rest() == b""

    run(main())


@both_ways
def test_a_client_that_goes_on_sending_is_heard_out(way: str) -> None:
    """One that first sends its whole body, and only then reads, is not thrown off the connection while it sends."""

    async def handler(exchange: Exchange) -> None:
        await exchange.respond(401, [], b"no")

    async def main() -> None:
        async with serving(handler, way=way) as port:
            loop = asyncio.get_running_loop()
            with socket.socket() as raw:
                raw.setblocking(False)
                await loop.sock_connect(raw, ("127.0.0.1", port))
                await loop.sock_sendall(raw, request("POST", "/a", "Content-Length: 90000"))
                for _ in range(3):
                    await asyncio.sleep(0.05)
                    await loop.sock_sendall(raw, b"x" * 30_000)
                assert (await loop.sock_recv(raw, 65536)).startswith(b"HTTP/1.1 401 ")

    run(main())


def test_the_end_of_an_answer_is_no_disconnect() -> None:
    """A server says "http.disconnect" once an answer is complete, perhaps before its send() returns: nobody is told."""
    told: list[str] = []
    complete = asyncio.Event()
    asked: list[str] = []

    async def receive() -> dict[str, Any]:
        if not asked:
            asked.append("body")
            return {"type": "http.request"}
        await complete.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            complete.set()
            await asyncio.sleep(0.01)

    async def handler(exchange: Exchange) -> None:
        exchange.on_gone(lambda: told.append("gone"))
        assert await exchange.body(10) == b""
        await asyncio.sleep(0)
        await exchange.respond(200, [], b"ok")
        assert not exchange.gone

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "client": None,
    }

    async def main() -> None:
        await as_asgi(handler)(scope, receive, send)

    run(main())
    assert told == []


@asynccontextmanager
async def foreign(app: App) -> AsyncIterator[int]:
    """The port of plain uvicorn with its own connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        before = asyncio.all_tasks()
        job = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait_for(job, PATIENCE_S)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


def test_on_a_foreign_server() -> None:
    """On uvicorn's own connections the same handler answers, streams, is told of a disconnect, and leaves no job."""
    gone = asyncio.Event()
    seen: list[str] = []

    async def handler(exchange: Exchange) -> None:
        exchange.on_gone(lambda: seen.append(exchange.path))
        if exchange.path == "/stream":
            exchange.on_gone(gone.set)
            await exchange.body(100)
            await exchange.start(200, EVENTS)
            await exchange.write(b"data: 1\n\n")
            await gone.wait()
            await exchange.write(b"data: 2\n\n")
            assert exchange.gone
            return
        if exchange.path == "/whole":
            await exchange.start(200, EVENTS)
            await exchange.write(b"a")
            await exchange.end(b"b")
            await exchange.end(b"c")
            return
        await echo(exchange)

    async def main() -> None:
        async with foreign(application(handler)) as port:
            async with connected(port) as client:
                client.send(post(b"hello"), get("/whole"))
                assert json.loads((await client.answer()).body)["body"] == "hello"
                assert (await client.answer()).body == b"ab"
            async with connected(port) as client:
                client.send(get("/stream"))
                await client.head()
                await client.chunk()
                client.reset()
                async with asyncio.timeout(0.25):
                    await gone.wait()
        assert seen == ["/stream"]

    run(main())


def test_starlette_on_our_server() -> None:
    """An ordinary Starlette application works: bodies, streams, background work, disconnects, errors."""
    done = asyncio.Event()
    left = asyncio.Event()

    async def size(http: Request) -> Response:
        return JSONResponse({"size": len(await http.body()), "host": http.client.host if http.client else None})

    async def parts(http: Request) -> Response:
        async def three() -> AsyncIterator[bytes]:
            for part in (b"a", b"b", b"c"):
                yield part

        async def after() -> None:
            done.set()

        return StreamingResponse(three(), background=BackgroundTask(after))

    async def endless(http: Request) -> Response:
        async def ticks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"tick"
                    await asyncio.sleep(0.01)
            finally:
                left.set()

        return StreamingResponse(ticks())

    app = Starlette(
        routes=[Route("/size", size, methods=["POST"]), Route("/parts", parts), Route("/endless", endless)],
    )

    async def main() -> None:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        job = asyncio.create_task(serve(app, port=0, ready=ready.set_result, stop=stop))
        async with connected(await ready) as client:
            client.send(post(b"x" * 300_000, "/size"), get("/parts"), get("/none"), get("/size"))
            assert json.loads((await client.answer()).body) == {"size": 300_000, "host": "127.0.0.1"}
            assert (await client.answer()).body == b"abc"
            assert [(await client.answer()).status for _ in range(2)] == [404, 405]
            assert done.is_set()
            client.send(get("/endless"))
            await client.head()
            assert await client.chunk() == b"tick"
            client.reset()
            async with asyncio.timeout(PATIENCE_S):
                await left.wait()
        stop.set()
        await asyncio.wait_for(job, PATIENCE_S)

    run(main())


@pytest.mark.parametrize("order", [["body"], ["start", "start"], ["start", "end", "end"]])
def test_asgi_messages_out_of_order(order: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """An application that breaks ASGI's order is stopped with a sentence, as on uvicorn."""
    messages: dict[str, dict[str, Any]] = {
        "start": {"type": "http.response.start", "status": 200, "headers": []},
        "body": {"type": "http.response.body", "body": b"x", "more_body": True},
        "end": {"type": "http.response.body", "body": b"x"},
    }
    raised: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        try:
            for name in order:
                await send(messages[name])
        except RuntimeError as error:
            raised.append(str(error))
            raise

    async def main() -> None:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        job = asyncio.create_task(serve(app, port=0, ready=ready.set_result, stop=stop))
        async with connected(await ready) as client:
            client.send(get())
            assert (await client.answer()).status == (200 if "end" in order else 500)
        stop.set()
        await asyncio.wait_for(job, PATIENCE_S)

    run(main())
    assert len(raised) == 1
    assert "out of order" in raised[0]
