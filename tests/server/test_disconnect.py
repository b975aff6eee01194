"""Who works for a client learns at once that it has gone, and loses nothing by it (FAULTS.md finding 1, C-10)."""

import asyncio
import logging
import socket

import pytest

from tests.server.serving import WAYS, connected, get, post, request, run, serving
from tollway.api.exchange import ClientGone, Exchange
from tollway.api.server_limits import ServerLimits

both_ways = pytest.mark.parametrize("way", WAYS)
NOTICE_S = 0.25


class Witness:
    """A handler that streams for ever, and what it saw."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.calls = 0
        self.settled = 0

    async def __call__(self, exchange: Exchange) -> None:
        """Stream, quietly, until the client goes; then settle, with an await in between."""
        exchange.on_gone(self.told)
        await exchange.body(1000)
        await exchange.start(200, [(b"content-type", b"text/event-stream")])
        await exchange.write(b"data: 1\n\n")
        self.begun.set()
        await self.gone.wait()
        assert exchange.gone
        await exchange.write(b"data: 2\n\n")
        await exchange.end()
        await asyncio.sleep(0.01)
        self.settled += 1

    def told(self) -> None:
        """The callback."""
        self.calls += 1
        self.gone.set()


@both_ways
@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
def test_mid_stream(way: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A silent stream's handler is told once, within 250 ms, and runs on to settle; nothing is logged."""

    async def main() -> None:
        witness = Witness()
        async with serving(witness, way=way, grace_s=1) as port, connected(port) as client:
            client.send(post(b"x"))
            await client.head()
            assert await client.chunk() == b"data: 1\n\n"
            await witness.begun.wait()
            match how:
                case "reset":
                    client.reset()
                case "close":
                    await client.close()
                case _:
                    client.writer.write_eof()
            async with asyncio.timeout(NOTICE_S):
                await witness.gone.wait()
        assert witness.calls == 1
        assert witness.settled == 1

    with caplog.at_level(logging.WARNING):
        run(main())
    assert not caplog.records


@both_ways
def test_half_close_of_one_that_does_not_read(way: str) -> None:
    """A client that has said goodbye is gone, even while the connection still holds bytes that it does not read."""

    async def main() -> None:
        gone = asyncio.Event()

        async def handler(exchange: Exchange) -> None:
            exchange.on_gone(gone.set)
            await exchange.respond(200, [], b"x" * 20_000_000)

        async with serving(handler, way=way, limits=ServerLimits()) as port:
            loop = asyncio.get_running_loop()
            with socket.socket() as raw:
                raw.setblocking(False)
                await loop.sock_connect(raw, ("127.0.0.1", port))
                await loop.sock_sendall(raw, get())
                await asyncio.sleep(0.1)
                raw.shutdown(socket.SHUT_WR)
                async with asyncio.timeout(NOTICE_S):
                    await gone.wait()

    run(main())


@both_ways
def test_while_the_body_arrives(way: str) -> None:
    """A client that leaves in the middle of its body raises ClientGone where the body is awaited; that is no error."""
    raised = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        try:
            await exchange.body(1000)
        except ClientGone:
            raised.set()
            raise

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(request("POST", "/a", "Content-Length: 100"), b"x")
            await asyncio.sleep(0.05)
            client.reset()
            async with asyncio.timeout(NOTICE_S):
                await raised.wait()

    run(main())


@both_ways
def test_before_the_answer_and_after(way: str) -> None:
    """One who registers late is told at once; one whose answer is complete is not told at all."""
    late: list[str] = []
    done = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        await exchange.body(1000)
        if exchange.query == b"late":
            first = asyncio.Event()
            exchange.on_gone(first.set)
            await first.wait()
            exchange.on_gone(lambda: late.append("late"))
            await exchange.respond(200, [], b"dropped")
            done.set()
            return
        exchange.on_gone(lambda: late.append("early"))
        await exchange.respond(200, [], b"ok")
        exchange.on_gone(lambda: late.append("after the end"))

    async def main() -> None:
        async with serving(handler, way=way) as port:
            async with connected(port) as client:
                client.send(get("/a"))
                assert (await client.answer()).body == b"ok"
            async with connected(port) as client:
                client.send(get("/a?late"))
                await asyncio.sleep(0.05)
            async with asyncio.timeout(NOTICE_S):
                await done.wait()
            await asyncio.sleep(0.05)
        assert late == ["late"]

    run(main())


@both_ways
def test_a_failing_callback_does_not_silence_the_others(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each callback is called, though one before it raises; the failure is logged."""
    told = asyncio.Event()

    def broken() -> None:
        raise ValueError("broken")

    async def handler(exchange: Exchange) -> None:
        exchange.on_gone(broken)
        exchange.on_gone(told.set)
        await told.wait()

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(get())
            await asyncio.sleep(0.05)
            client.reset()
            async with asyncio.timeout(NOTICE_S):
                await told.wait()

    run(main())
    assert [record.exc_info is not None for record in caplog.records] == [True]


@both_ways
def test_three_hundred_at_once(way: str) -> None:
    """300 streams whose clients leave together: all handlers are told, and all settle."""

    async def main() -> None:
        witnesses: list[Witness] = []

        async def handler(exchange: Exchange) -> None:
            witness = Witness()
            witnesses.append(witness)
            await witness(exchange)

        async with serving(handler, way=way, limits=ServerLimits()) as port:
            streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
            for _, writer in streams:
                writer.write(get())
            for reader, _ in streams:
                await reader.readuntil(b"data: 1\n\n")
            for _, writer in streams:
                writer.transport.abort()
            async with asyncio.timeout(2):
                for witness in witnesses:
                    await witness.gone.wait()
        assert [witness.calls for witness in witnesses] == [1] * 300
        assert [witness.settled for witness in witnesses] == [1] * 300

    run(main())


@both_ways
def test_pipelined_stream(way: str) -> None:
    """With a request waiting behind it the server does not read; the stream's own writes then show that the client has
    gone. The one that waited is never begun.
    """
    gone = asyncio.Event()
    begun: list[str] = []

    async def handler(exchange: Exchange) -> None:
        begun.append(exchange.path)
        exchange.on_gone(gone.set)
        await exchange.start(200, [])
        while not exchange.gone:
            await exchange.write(b"data: 1\n\n")
            await asyncio.sleep(0.02)

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(get("/a"), get("/b"))
            await client.head()
            await client.chunk()
            client.reset()
            async with asyncio.timeout(NOTICE_S):
                await gone.wait()
            await asyncio.sleep(0.05)
        assert begun == ["/a"]

    run(main())
