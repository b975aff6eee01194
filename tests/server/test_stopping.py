"""Starting and stopping: streams are finished within the grace, handlers settle before the application ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.serving import PATIENCE_S, Client, connected, echo, get, run
from tollway.api import server
from tollway.api.exchange import App, Exchange, Handler, Receive, Scope, Send, as_asgi
from tollway.api.server import serve

ROOT = Path(__file__).parents[2]


class House:
    """An application that writes down what happens to it."""

    def __init__(self, handler: Handler) -> None:
        self.diary: list[str] = []
        self.requests: App = as_asgi(handler)
        self.broken = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "lifespan":
            await self.requests(scope, receive, send)
            return
        await receive()
        if self.broken:
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        self.diary.append("up")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.diary.append("down")
        await send({"type": "lifespan.shutdown.complete"})


class Stopping:
    """A server with one stream on it, which is told to stop."""

    def __init__(self, handler: Handler, grace_s: float) -> None:
        self.house = House(handler)
        self.stop = asyncio.Event()
        self.ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.job = asyncio.create_task(
            serve(self.house, port=0, ready=self.ready.set_result, stop=self.stop, shutdown_grace_s=grace_s)
        )

    async def end(self) -> None:
        """Wait until it has stopped."""
        await asyncio.wait_for(self.job, PATIENCE_S)


async def begin(client: Client) -> None:
    """Ask for a stream, and see it begin."""
    client.send(get())
    await client.head()
    assert await client.chunk() == b"1"


def test_a_stream_may_finish() -> None:
    """Within the grace a running stream is finished, idle connections are closed at once, new ones are not accepted."""
    go_on = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"1")
        await go_on.wait()
        await exchange.end(b"2")

    async def main() -> None:
        stopping = Stopping(handler, grace_s=4)
        port = await stopping.ready
        async with connected(port) as client, connected(port) as idle:
            await begin(client)
            stopping.stop.set()
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert stopping.house.diary == ["up"]
            go_on.set()
            assert await client.chunk() == b"2"
            assert await client.chunk() == b""
            assert await client.rest() == b""
        await stopping.end()
        assert stopping.house.diary == ["up", "down"]

    run(main())


def test_the_grace_ends_as_a_disconnect() -> None:
    """Who is left at the end of the grace is disconnected; handlers see it, and settle while the application is up."""

    async def handler(exchange: Exchange) -> None:
        gone = asyncio.Event()
        exchange.on_gone(gone.set)
        await exchange.start(200, [])
        await exchange.write(b"1")
        await gone.wait()
        await asyncio.sleep(0.1)
        houses[0].diary.append("settled")

    houses: list[House] = []

    async def main() -> None:
        stopping = Stopping(handler, grace_s=0.1)
        houses.append(stopping.house)
        async with connected(await stopping.ready) as client:
            await begin(client)
            stopping.stop.set()
            assert await client.rest() == b"", "no last chunk: the client can tell that its stream was cut"
        await stopping.end()
        assert stopping.house.diary == ["up", "settled", "down"]

    run(main())


def test_a_deaf_handler_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not hear that its client has gone is cancelled, before the application ends."""
    monkeypatch.setattr(server, "CLOSING_S", 0.2)
    houses: list[House] = []

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"1")
        try:
            await asyncio.sleep(60)
        finally:
            houses[0].diary.append("cancelled")

    async def main() -> None:
        stopping = Stopping(handler, grace_s=0)
        houses.append(stopping.house)
        async with connected(await stopping.ready) as client:
            await begin(client)
            stopping.stop.set()
            await stopping.end()
        assert stopping.house.diary == ["up", "cancelled", "down"]

    run(main())


def test_cancelling_stops_in_order() -> None:
    """A cancelled server closes its connections and ends the application, without any grace."""

    async def main() -> None:
        stopping = Stopping(echo, grace_s=60)
        async with connected(await stopping.ready) as client:
            client.send(get())
            assert (await client.answer()).status == 200
            stopping.job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stopping.end()
            assert await client.rest() == b""
        assert stopping.house.diary == ["up", "down"]

    run(main())


def test_what_keeps_it_from_starting() -> None:
    """A port in use is OSError; an application that does not start is RuntimeError, and the port is free again."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use") as refused:
                await serve(House(echo), port=port)
        assert f"127.0.0.1:{port}: Address already in use. Set another server.host or " in str(refused.value)
        house = House(echo)
        house.broken = True
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(RuntimeError, match="did not start"):
                await serve(house, sockets=[listener])
        with socket.create_server(("127.0.0.1", port)):
            assert house.diary == []

    run(main())


PROGRAM = """
import asyncio, gc
from tollway.api.exchange import as_asgi
from tollway.api.server import run

async def handler(exchange):
    await exchange.start(200, [])
    await exchange.write(b"1")
    gone = asyncio.Event()
    exchange.on_gone(gone.set)
    await asyncio.wait([asyncio.ensure_future(gone.wait())], timeout=0.3 if exchange.path == "/short" else 60)
    await exchange.end(b"2")

run(as_asgi(handler), port=0, hot={("GET", "/short"): handler}, shutdown_grace_s=20,
    ready=lambda port: print(port, gc.get_freeze_count() > 1000, flush=True))
print("stopped in order", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("path", ["/short", "/long"])
def test_signals(number: signal.Signals, path: str) -> None:
    """In a process of its own: the first signal lets a stream finish, a second ends the wait; both exit with 0."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    ) as process:
        try:
            assert process.stdout is not None
            port, frozen = process.stdout.readline().split()
            assert frozen == "True"
            with socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE_S) as raw:
                raw.sendall(get(path))
                first = raw.recv(65536)
                assert first.endswith(b"1\r\n1\r\n")
                process.send_signal(number)
                if path == "/short":
                    assert raw.recv(65536) == b"1\r\n2\r\n0\r\n\r\n"
                else:
                    raw.settimeout(0.3)
                    with pytest.raises(TimeoutError):
                        raw.recv(1)
                    process.send_signal(number)
            out, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert out == "stopped in order\n", errors
    assert process.returncode == 0
