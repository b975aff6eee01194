"""Connections: reuse, staleness, limits, deaths before and after sending, and what each of them is called."""

import asyncio
import socket
import threading
from contextlib import AsyncExitStack

import pytest

from tests.support import absent
from tests.upstream.conftest import Run
from tests.upstream.scripted import (
    OK,
    PATIENT,
    QUICK,
    SSE_HEAD,
    Peer,
    Scripted,
    always,
    black_hole,
    fetch,
    kind_of,
    none_open,
    post,
    stream,
)
from tollway.domain.http import FaultKind, HttpRequest
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault


def test_keep_alive_is_used(run: Run) -> None:
    """Twenty calls one after the other take one connection, with TCP_NODELAY set."""

    async def main() -> None:
        async with Scripted(always(OK)) as server:
            client = UpstreamClient()
            for _ in range(20):
                assert await fetch(client, server.url()) == b"ok"
            assert (server.connections, client.open_connections, client.idle_connections) == (1, 1, 1)
            with client.call(post(server.url()), PATIENT) as call:
                await call.start()
                assert call._connection is not None
                assert call._connection.transport is not None
                sock = call._connection.transport.get_extra_info("socket")
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await client.close()
            await server.all_closed()
            assert client.open_connections == 0

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\n",
        OK + b"junk",
        OK + OK,
    ],
    ids=["close", "http/1.0", "half of a second", "junk", "a second"],
)
def test_unsound_connections_are_not_used_again(run: Run, answer: bytes) -> None:
    """After `close`, HTTP/1.0, or bytes beyond the answer, the next call gets a fresh connection and its own answer."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(answer)
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            for _ in range(3):
                assert await fetch(client, server.url()) == b"ok"
            assert server.connections == 3
            await server.all_closed()
            await client.close()

    run(main())


def test_bytes_while_idle_close_the_connection(run: Run) -> None:
    """An answer that nobody asked for is never the next caller's answer."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await asyncio.sleep(0.02)
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            assert await fetch(client, server.url()) == b"ok"
            await none_open(client)
            assert await fetch(client, server.url()) == b"ok"
            await client.close()

    run(main())


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["closed", "spoke"])
def test_u6_the_kernel_is_asked_before_a_socket_is_used(run: Run, last_words: bytes) -> None:
    """U-6 at its narrowest: the peer closed or spoke since the loop's last turn, and the very next call notices."""
    answered, ended = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        first, _ = listener.accept()
        with first:
            first.recv(65536)
            first.sendall(OK)
            answered.wait(5)
            first.sendall(last_words)
            first.shutdown(socket.SHUT_WR)
            ended.set()
            second, _ = listener.accept()
            with second:
                second.recv(65536)
                second.sendall(OK)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            client = UpstreamClient()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            assert await fetch(client, url) == b"ok"
            answered.set()
            assert ended.wait(5)  # blocks the loop on purpose
            assert await fetch(client, url) == b"ok"
            thread.join(5)
            assert not thread.is_alive()
            await client.close()

    run(main())


def test_u6_closed_while_idle_is_not_seen_by_the_caller(run: Run) -> None:
    """U-6: a peer that closes idle connections costs a new connection, never an error."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)

        async with Scripted(script) as server:
            client = UpstreamClient()
            for _ in range(20):
                assert await fetch(client, server.url()) == b"ok"
                await asyncio.sleep(0.005)
            assert server.connections == 20
            await client.close()

    run(main())


def test_u7_reused_connection_dies_after_sending(run: Run) -> None:
    """U-7: the request was sent, nothing came back: UNKNOWN_OUTCOME, and it is not sent a second time."""

    async def main() -> None:
        requests = 0

        async def script(peer: Peer) -> None:
            nonlocal requests
            await peer.request()
            requests += 1
            await peer.send(OK)
            await peer.request()
            requests += 1
            if peer.number == 1:
                peer.reset()

        async with Scripted(script) as server:
            client = UpstreamClient()
            for _ in range(2):
                assert await fetch(client, server.url()) == b"ok"
                with client.call(post(server.url()), PATIENT) as call:
                    with pytest.raises(UpstreamFault) as caught:
                        await call.start()
                    assert call.sent
                assert caught.value.kind is FaultKind.UNKNOWN_OUTCOME
            assert (server.connections, requests) == (2, 4)
            await client.close()

    run(main())


def test_u5_reset_while_sending(run: Run) -> None:
    """U-5: the connection dies while a large request is under way: RESET, and `sent` says that it was not sent."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.head()
            peer.reset()

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url(), b"x" * 32 * 2**20), PATIENT) as call:
                with pytest.raises(UpstreamFault) as caught:
                    await call.start()
                assert not call.sent
            assert caught.value.kind is FaultKind.RESET
            await client.close()

    run(main())


def test_large_request_arrives_whole(run: Run) -> None:
    """A body larger than the socket's buffers arrives; `sent` turns true when the kernel has it all."""

    async def main() -> None:
        body = bytes(range(256)) * 2**15

        async def script(peer: Peer) -> None:
            await asyncio.sleep(0.05)
            assert (await peer.request()).endswith(b"\r\n\r\n" + body)
            await peer.send(OK)
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url(), body), PATIENT) as call:
                await call.start()
                assert call.sent
                assert await call.read() == b"ok"
            assert client.idle_connections == 1
            await client.close()

    run(main())


def test_answer_before_the_request_is_sent(run: Run) -> None:
    """A provider may refuse a large request early: its answer is read, and the half-used connection is not kept."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await asyncio.sleep(5)

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url(), b"x" * 32 * 2**20), PATIENT) as call:
                await call.start()
                assert (call.status, call.sent) == (413, False)
                assert await call.read() == b"no"
            assert client.idle_connections == 0
            await client.close()

    run(main())


def test_u2_refused(run: Run) -> None:
    """U-2: a closed port is CONNECT_REFUSED, at once, and holds no slot."""

    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            client = UpstreamClient()
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
            assert await kind_of(client, url) is FaultKind.CONNECT_REFUSED
            assert client.open_connections == 0
            await client.close()

    run(main())


def test_u3_connect_timeout(run: Run) -> None:
    """U-3: a host that drops our SYN is CONNECT_TIMEOUT after connect_s."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            client = UpstreamClient()
            url = f"http://127.0.0.1:{black_hole(stack)}/"
            assert await kind_of(client, url, QUICK) is FaultKind.CONNECT_TIMEOUT
            assert client.open_connections == 0
            await client.close()

    run(main())


def test_addresses_are_tried_in_turn(run: Run) -> None:
    """A name with a dead address first still connects, through the next."""

    async def main() -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.9", "127.0.0.1"]

        async with Scripted(always(OK)) as server:
            client = UpstreamClient(resolve=resolve)
            assert await fetch(client, f"http://provider.test:{server.port}/") == b"ok"
            await client.close()

    run(main())


def test_a_hundred_at_once(run: Run) -> None:
    """100 concurrent calls take 100 connections, get their own answers, and leave the connections for the next 100."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            while True:
                request = await peer.request()
                body = request.split(b"\r\n\r\n", 1)[1]
                await asyncio.sleep(0.02)
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

        async with Scripted(script) as server:
            client = UpstreamClient()

            async def one(number: int) -> bytes:
                with client.call(post(server.url(), b"%d" % number), PATIENT) as call:
                    await call.start()
                    return await call.read()

            for _ in range(2):
                answers = await asyncio.gather(*map(one, range(100)))
                assert answers == [b"%d" % number for number in range(100)]
            assert (server.connections, client.idle_connections) == (100, 100)
            await client.close()
            await server.all_closed()

    run(main())


def test_the_limit_is_kept_in_turn(run: Run) -> None:
    """With 3 connections, 30 calls wait their turn: never more than 3 at once, first come first served."""

    async def main() -> None:
        at_once = most = 0
        order: list[bytes] = []

        async def script(peer: Peer) -> None:
            nonlocal at_once, most
            while True:
                request = await peer.request()
                order.append(request.split(b"\r\n\r\n", 1)[1])
                at_once += 1
                most = max(most, at_once)
                await asyncio.sleep(0.005)
                at_once -= 1
                closing = len(order) % 5 == 0
                await peer.send(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") if closing else OK)
                if closing:
                    return

        async with Scripted(script) as server:
            client = UpstreamClient(connections_per_origin=3)

            async def one(number: int) -> None:
                with client.call(post(server.url(), b"%02d" % number), PATIENT) as call:
                    await call.start()
                    await call.read()

            await asyncio.gather(*map(one, range(30)))
            assert most == 3
            assert [int(number) // 6 for number in sorted(order)] == [number // 6 for number in range(30)]
            assert max(abs(place - int(number)) for place, number in enumerate(order)) <= 3
            assert client.open_connections <= 3
            await client.close()
            assert client.open_connections == 0

    run(main())


def test_waiting_for_a_connection_counts(run: Run) -> None:
    """A call that waits for others' connections ends at its own deadline; the next in the queue is not harmed."""

    async def main() -> None:
        release = asyncio.Event()

        async def script(peer: Peer) -> None:
            while True:
                await peer.request()
                await release.wait()
                await peer.send(OK)

        async with Scripted(script) as server:
            client = UpstreamClient(connections_per_origin=1)
            holder = asyncio.ensure_future(fetch(client, server.url()))
            await asyncio.sleep(0.02)
            waiter = asyncio.ensure_future(fetch(client, server.url()))
            hurried = asyncio.ensure_future(kind_of(client, server.url(), QUICK))
            assert await hurried is FaultKind.FIRST_EVENT_TIMEOUT
            release.set()
            assert await holder == await waiter == b"ok"
            assert server.connections == 1
            await client.close()

    run(main())


def test_idle_connections_expire(run: Run) -> None:
    """An idle connection is closed after idle_s, also when nobody calls again."""

    async def main() -> None:
        async with Scripted(always(OK)) as server:
            client = UpstreamClient(idle_s=0.5)
            with client.call(post(server.url()), PATIENT) as call:
                await asyncio.gather(*[fetch(client, server.url()) for _ in range(3)])
                assert client.idle_connections == 3
                await call.start()
                await call.read()
                await asyncio.sleep(0.1)
            assert client.idle_connections == 3  # the last one's time begins later than the others'
            await none_open(client)
            await server.all_closed()
            await client.close()

    run(main())


def test_last_used_is_used_first(run: Run) -> None:
    """Reuse is last in, first out, so that surplus connections grow old and close."""

    async def main() -> None:
        used: list[int] = []

        async def script(peer: Peer) -> None:
            while True:
                await peer.request()
                used.append(peer.number)
                await asyncio.sleep(0.01)
                await peer.send(OK)

        async with Scripted(script) as server:
            client = UpstreamClient()
            await asyncio.gather(*[fetch(client, server.url()) for _ in range(4)])
            used.clear()
            for _ in range(5):
                await fetch(client, server.url())
            assert len(set(used)) == 1
            await client.close()

    run(main())


def test_unfinished_body_is_not_reused(run: Run) -> None:
    """Leaving the block before the end of the body closes the connection at once."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(SSE_HEAD + b"2\r\nok\r\n")
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), PATIENT) as call:
                await call.start()
                assert await call.chunk() == b"ok"
            await server.all_closed()
            await none_open(client)
            await client.close()

    run(main())


def test_ipv6_literal(run: Run) -> None:
    """An IPv6 literal is connected to, and bracketed in Host."""

    async def main() -> None:
        seen: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await writer.drain()
            writer.close()

        try:
            server = await asyncio.start_server(serve, "::1", 0)
        except OSError:
            absent("this machine has no IPv6 loopback")
        port = server.sockets[0].getsockname()[1]
        client = UpstreamClient()
        with client.call(HttpRequest("GET", f"http://[::1]:{port}/x"), PATIENT) as call:
            await call.start()
            assert b"".join(await stream(call)) == b"ok"
        assert seen[0].startswith(b"GET /x HTTP/1.1\r\nhost: [::1]:%d\r\n" % port)
        await client.close()
        server.close()

    run(main())
