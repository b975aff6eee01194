"""Clients that keep the server waiting are let go in time, and others do not notice (FAULTS.md C-1, C-11)."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from tests.server.serving import SMALL, WAYS, Client, connected, get, post, request, run, serving
from tollway.api.direct import DirectExchange
from tollway.api.exchange import ClientGone, Exchange
from tollway.api.server_limits import ServerLimits

both_ways = pytest.mark.parametrize("way", WAYS)

LATEST_S = 1.5
"""Every limit in SMALL is 0.4 s, and is looked at every 0.1 s; the rest is for a busy machine."""


async def closed_within(client: Client, least_s: float, most_s: float = LATEST_S) -> bytes:
    """What the server said until it hung up, no sooner and no later than that."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    said = await client.rest()
    waited_s = loop.time() - began_s
    assert least_s <= waited_s <= most_s, waited_s
    return said


def test_silent_connection() -> None:
    """A connection without a byte is closed without a word: a browser that connected early would show the word."""

    async def main() -> None:
        async with serving() as port, connected(port) as client:
            assert await closed_within(client, 0.25) == b""

    run(main())


def test_slow_header() -> None:
    """Slowloris: a byte now and then does not prolong the header's time; 408 says why."""

    async def drip(client: Client) -> None:
        for i in range(100):
            client.send(b"X-%d: y\r\n" % i)
            await asyncio.sleep(0.05)

    async def main() -> None:
        async with serving() as port, connected(port) as client:
            client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n")
            dripping = asyncio.create_task(drip(client))
            answer = await client.answer()
            assert answer.status == 408
            assert "header" in answer.message
            await closed_within(client, 0.0)
            dripping.cancel()

    run(main())


@both_ways
def test_slow_body(way: str) -> None:
    """A body that stalls is answered 408, and its handler sees the client go."""
    gone: list[str] = []

    async def handler(exchange: Exchange) -> None:
        exchange.on_gone(lambda: gone.append("told"))
        try:
            await exchange.body(1000)
        except ClientGone:
            gone.append("raised")
            raise

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(request("POST", "/a", "Content-Length: 100"), b"x")
            answer = await client.answer()
            assert answer.status == 408
            assert "body" in answer.message
        assert gone == ["told", "raised"]

    run(main())


@both_ways
def test_steady_body_has_its_time(way: str) -> None:
    """A body that arrives at the agreed pace may take longer than the first allowance, and is answered."""
    limits = msgspec.structs.replace(SMALL, body_bytes_per_s=1000)

    async def main() -> None:
        async with serving(way=way, limits=limits) as port, connected(port) as client:
            client.send(request("POST", "/a", "Content-Length: 2000"))
            for _ in range(20):
                client.send(b"x" * 100)
                await asyncio.sleep(0.04)
            assert json.loads((await client.answer()).body)["size"] == 2000

    run(main())


@both_ways
def test_slow_handler_is_not_the_clients_fault(way: str) -> None:
    """No deadline of the client's runs while it is the server that works, or that does not read."""

    async def handler(exchange: Exchange) -> None:
        if exchange.method == "POST":
            await asyncio.sleep(0.8)
            body = await exchange.body(1_000_000)
            await exchange.respond(200, [], str(len(body)).encode())
            return
        await exchange.start(200, [])
        for _ in range(4):
            await exchange.write(b"x")
            await asyncio.sleep(0.2)
        await exchange.end()

    limits = msgspec.structs.replace(SMALL, body_bytes=1_000_000, body_bytes_per_s=1 << 30)

    async def main() -> None:
        async with serving(handler, way=way, limits=limits) as port, connected(port) as one, connected(port) as two:
            one.send(get())
            two.send(post(b"x" * 900_000))
            assert (await one.answer()).body == b"xxxx"
            assert (await two.answer()).body == b"900000"

    run(main())


def test_unread_body_stays_with_the_client() -> None:
    """While a handler has not asked for the body, the server takes in little of it, however much the client sends."""
    received: list[int] = []

    async def handler(exchange: Exchange) -> None:
        assert isinstance(exchange, DirectExchange)
        await asyncio.sleep(0.3)
        received.append(exchange.received)
        received.append(len(await exchange.body(10_000_000)))
        await exchange.respond(204, [], b"")

    async def main() -> None:
        async with serving(handler, limits=ServerLimits()) as port, connected(port) as client:
            client.send(post(b"x" * 10_000_000))
            assert (await client.answer()).status == 204

    run(main())
    assert 0 < received[0] < 1_000_000
    assert received[1] == 10_000_000


@both_ways
def test_idle_after_an_answer(way: str) -> None:
    """A kept connection is closed, in silence, when its time without a request is over; a request starts it anew."""

    async def main() -> None:
        # 2 s, so that a busy machine's pauses do not end the connection before the test asks again.
        limits = msgspec.structs.replace(SMALL, keep_alive_s=2.0)
        async with serving(way=way, limits=limits) as port, connected(port) as client:
            for _ in range(4):
                client.send(get())
                assert (await client.answer()).status == 200
                await asyncio.sleep(0.7)
            assert await closed_within(client, 0.5, 2.0 + LATEST_S) == b""

    run(main())


def test_a_refused_client_that_goes_on_is_dropped() -> None:
    """After a refusal the connection is drained for a while, then closed, whatever the client still sends."""

    async def main() -> None:
        async with serving() as port, connected(port) as client:
            client.send(request("POST", "/a", "Content-Length: 100000000000"))
            assert (await client.answer()).status == 413

            async def go_on() -> None:
                while True:
                    client.send(b"x" * 1000)
                    await client.writer.drain()
                    await asyncio.sleep(0.02)

            with pytest.raises(ConnectionError):
                await asyncio.wait_for(go_on(), LATEST_S)

    run(main())


@both_ways
def test_two_hundred_slow_clients(way: str) -> None:
    """C-1: 200 connections that wait, in a header or in nothing, do not keep others from their answers."""

    async def main() -> None:
        async with serving(way=way, limits=ServerLimits()) as port, AsyncExitStack() as stack:
            for i in range(200):
                client = await stack.enter_async_context(connected(port))
                client.send((b"", b"GET /a HTT", b"GET /a HTTP/1.1\r\nHost: x\r\n", get("/b"))[i % 4])
            async with asyncio.timeout(2):
                async with connected(port) as client:
                    for _ in range(200):
                        client.send(get())
                        assert (await client.answer()).status == 200

    run(main())


@both_ways
def test_connection_caps(way: str) -> None:
    """Above the cap per address 429, above the total 503; a connection that closes makes room."""

    async def main() -> None:
        for limits, status in (
            (msgspec.structs.replace(SMALL, keep_alive_s=60, connections_per_ip=3), 429),
            (msgspec.structs.replace(SMALL, keep_alive_s=60, connections_max=3), 503),
        ):
            async with serving(way=way, limits=limits) as port, AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(connected(port)) for _ in range(3)]
                for client in clients:
                    client.send(get())
                    assert (await client.answer()).status == 200
                async with connected(port) as client:
                    assert (await client.answer()).status == status
                    assert await client.rest() == b""
                await clients[0].close()
                await asyncio.sleep(0.1)
                async with connected(port) as client:
                    client.send(get())
                    assert (await client.answer()).status == 200

    run(main())


@asynccontextmanager
async def slow_reader(port: int, buffer_bytes: int = 4096) -> AsyncIterator[socket.socket]:
    """A connection that has asked, and will not read of itself; its own buffer is small."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", port))
        await loop.sock_sendall(raw, get())
        yield raw


@both_ways
def test_slow_reader_of_a_stream(way: str) -> None:
    """C-11: a client that does not read stops the handler within the two buffers, and is dropped after the stall."""
    written: list[int] = []
    gone_after_s: list[float] = []
    told = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        exchange.on_gone(lambda: gone_after_s.append(loop.time() - began_s))
        exchange.on_gone(told.set)
        await exchange.start(200, [])
        while not exchange.gone:
            await exchange.write(b"x" * 4096)
            written.append(4096)
        await exchange.write(b"nobody reads this")
        await exchange.end()

    async def main() -> None:
        async with serving(handler, way=way) as port, slow_reader(port):
            await asyncio.wait_for(told.wait(), LATEST_S)
            assert len(gone_after_s) == 1
            assert gone_after_s[0] >= 0.3
            assert sum(written) < 600_000, "64 KB in the server, twice 128 KB in its kernel, some in the client's"

    run(main())


@both_ways
def test_slow_reader_of_a_whole_answer(way: str) -> None:
    """The same for one large answer: its connection does not hold the answer for ever."""
    told = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        exchange.on_gone(told.set)
        await exchange.respond(200, [], b"x" * 2_000_000)

    async def main() -> None:
        async with serving(handler, way=way) as port, slow_reader(port):
            await asyncio.wait_for(told.wait(), LATEST_S)

    run(main())


@both_ways
def test_slow_but_steady_reader_is_served(way: str) -> None:
    """A client that reads a little at a time, more slowly than the stall limit allows for the whole, gets it all."""

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, [(b"content-length", b"1000000")])
        for _ in range(10):
            await exchange.write(b"x" * 100_000)
        await exchange.end()

    async def main() -> None:
        async with serving(handler, way=way) as port, slow_reader(port, 1 << 16) as raw:
            loop = asyncio.get_running_loop()
            size, began_s = 0, loop.time()
            while size < 1_000_000:
                part = await asyncio.wait_for(loop.sock_recv(raw, 1 << 15), 30)
                assert part, f"closed after {size} bytes"
                size += len(part)
                await asyncio.sleep(0.04)
            assert loop.time() - began_s > 0.6

    run(main())


def test_socket_options() -> None:
    """Accepted sockets send without delay, and the kernel buffers what the limit says, which Linux doubles."""
    seen: list[tuple[int, int]] = []

    async def handler(exchange: Exchange) -> None:
        assert isinstance(exchange, DirectExchange)
        raw = exchange.carrier.transport.get_extra_info("socket")
        buffer = raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        seen.append((raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), buffer))
        await exchange.respond(204, [], b"")

    async def main() -> None:
        async with serving(handler) as port, connected(port) as client:
            client.send(get())
            answer = await client.answer()
            assert answer.status == 204
            assert "content-length" not in answer.headers

    run(main())
    [(no_delay, buffer)] = seen
    assert no_delay
    assert 128 * 1024 <= buffer <= 2 * 128 * 1024
