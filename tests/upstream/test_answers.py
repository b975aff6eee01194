"""Answers: framing by length, by chunks and by the end of the connection; split anywhere; strict where it matters."""

import asyncio
from collections.abc import Callable

import pytest

from tests.upstream.conftest import Run
from tests.upstream.scripted import (
    OK,
    PATIENT,
    QUICK,
    SSE_HEAD,
    Peer,
    Scripted,
    always,
    fault_of,
    fetch,
    kind_of,
    none_open,
    once,
    post,
    stream,
)
from tollway.domain.http import FaultKind, HttpRequest
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

CHUNKED = SSE_HEAD + b"5\r\nhello\r\n7;note=x\r\n, world\r\n0\r\nx-trailer: t\r\nx-empty:\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Empty:\r\nX-Name: Value\r\n\r\nhello, world"


def test_request_goes_out_whole_and_as_asked(run: Run) -> None:
    """The bytes on the wire are the head that we write and the caller's fields and body, nothing else."""

    async def main() -> None:
        seen: list[bytes] = []

        async def script(peer: Peer) -> None:
            seen.append(await peer.request())
            await peer.send(LENGTH)

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url("/v1/chat?x=1"), b'{"a":1}'), PATIENT) as call:
                sent = [call.sent]
                await call.start()
                assert [*sent, call.sent] == [False, True]
                assert call.status == 200
                assert call.header("x-name") == "Value"
                assert call.header("x-empty") == ""
                assert call.header("x-none") is None
                assert call.headers[0] == (b"content-length", b"12")
                assert call.started_s > 0
                assert await call.read() == b"hello, world"
                assert await call.chunk() == b""
            await client.close()
            assert seen == [
                b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept-encoding: identity\r\n"
                b"content-type: application/json\r\nauthorization: Bearer sk-test\r\nuser-agent: tollway\r\n"
                b'content-length: 7\r\n\r\n{"a":1}' % server.port
            ]

    run(main())


@pytest.mark.parametrize("answer", [CHUNKED, LENGTH], ids=["chunked", "length"])
def test_split_at_every_byte(run_once: Run, answer: bytes) -> None:
    """An answer cut in two at every byte is the same answer, on one kept connection."""

    async def main() -> None:
        cuts = iter(range(1, len(answer)))

        async def script(peer: Peer) -> None:
            for cut in cuts:
                await peer.request()
                await peer.send(answer[:cut])
                await asyncio.sleep(0.001)
                await peer.send(answer[cut:])

        async with Scripted(script) as server:
            client = UpstreamClient()
            for _ in range(1, len(answer)):
                with client.call(post(server.url()), PATIENT) as call:
                    await call.start()
                    assert b"".join(await stream(call)) == b"hello, world"
                    assert call.header("x-trailer") is None or call.complete
            assert server.connections == 1
            await client.close()

    run_once(main())


def test_one_byte_at_a_time(run: Run) -> None:
    """The same, a byte for each arrival."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            for position in range(len(CHUNKED)):
                await peer.send(CHUNKED[position : position + 1])
                await asyncio.sleep(0)

        async with Scripted(script) as server:
            client = UpstreamClient()
            assert await fetch(client, server.url()) == b"hello, world"
            await client.close()

    run(main())


@pytest.mark.parametrize("answer", [CHUNKED, LENGTH], ids=["chunked", "length"])
def test_u10_u11_u12_cut_at_every_byte(run_once: Run, answer: bytes) -> None:
    """U-10, U-11, U-12: an answer that ends early anywhere is TRUNCATED, with what had come before delivered."""

    async def main() -> None:
        cuts = iter(range(1, len(answer)))

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(answer[: next(cuts)])

        async with Scripted(script) as server:
            client = UpstreamClient()
            for _ in range(1, len(answer)):
                got = b""
                with client.call(post(server.url()), PATIENT) as call, pytest.raises(UpstreamFault) as caught:  # noqa: PT012  # the fault may come from either await
                    await call.start()
                    while piece := await call.chunk():
                        got += piece
                assert caught.value.kind is FaultKind.TRUNCATED
                assert b"hello, world".startswith(got)
            await client.close()
            assert client.open_connections == 0

    run_once(main())


def test_u10_what_had_come_is_delivered_before_the_fault(run: Run) -> None:
    """U-10: the pieces that arrived together with the end are read first, then the fault is raised, and again."""

    async def main() -> None:
        async with Scripted(once(SSE_HEAD + b"5\r\nhello\r\n")) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), PATIENT) as call:
                await call.start()
                await server.all_closed()
                await asyncio.sleep(0.02)
                assert await call.chunk() == b"hello"
                for _ in range(2):
                    with pytest.raises(UpstreamFault) as caught:
                        await call.chunk()
                    assert caught.value.kind is FaultKind.TRUNCATED
            await client.close()

    run(main())


def test_body_until_the_end_of_the_connection(run: Run) -> None:
    """Without length and chunks the end of the connection is the end of the body; a reset is not."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")
            if peer.number == 2:
                await asyncio.sleep(0.03)
                peer.reset()

        async with Scripted(script) as server:
            client = UpstreamClient()
            assert await fetch(client, server.url()) == b"all of it"
            assert await kind_of(client, server.url()) is FaultKind.TRUNCATED
            await client.close()

    run(main())


def test_u36_interim_answers_are_skipped(run: Run) -> None:
    """U-36: 100 and 103 come before the answer and are not it; the connection is kept."""

    async def main() -> None:
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\ncontent-length: 9\r\n\r\n"
        async with Scripted(always(interim + OK)) as server:
            client = UpstreamClient()
            for _ in range(3):
                with client.call(post(server.url()), PATIENT) as call:
                    await call.start()
                    assert call.status == 200
                    assert call.header("link") is None
                    assert await call.read() == b"ok"
            assert server.connections == 1
            await client.close()

    run(main())


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN: dict[str, tuple[bytes, FaultKind]] = {
    "length and chunks": (
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", FaultKind.PROTOCOL,
    ),
    "chunks and length": (
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n", FaultKind.PROTOCOL,
    ),
    "two lengths": (HEAD + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok", FaultKind.PROTOCOL),
    "signed length": (HEAD + b"content-length: +2\r\n\r\nok", FaultKind.PROTOCOL),
    "huge length": (HEAD + b"content-length: 99999999999999999999999\r\n\r\nok", FaultKind.PROTOCOL),
    "unknown transfer coding": (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", FaultKind.PROTOCOL),
    "chunked twice": (
        HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", FaultKind.PROTOCOL,
    ),
    "chunked not last": (HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", FaultKind.PROTOCOL),
    "bad chunk size": (HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n", FaultKind.PROTOCOL),
    "not http": (b"SSH-2.0-OpenSSH_9.2\r\n", FaultKind.PROTOCOL),
    "http/2": (b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", FaultKind.PROTOCOL),
    "status 000": (b"HTTP/1.1 000 No\r\ncontent-length: 0\r\n\r\n", FaultKind.PROTOCOL),
    "status 700": (b"HTTP/1.1 700 No\r\ncontent-length: 0\r\n\r\n", FaultKind.PROTOCOL),
    "upgrade": (b"HTTP/1.1 101 Go\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", FaultKind.PROTOCOL),
    "folded header": (HEAD + b"a: b\r\n c\r\n\r\n", FaultKind.PROTOCOL),
    "nul in a header": (HEAD + b"a: \x00\r\n\r\n", FaultKind.PROTOCOL),
    "bare lf": (HEAD + b"a: b\n\n", FaultKind.PROTOCOL),
    "gzip": (HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b", FaultKind.ENCODED),
    "zstd": (HEAD + b"content-encoding: zstd\r\ntransfer-encoding: chunked\r\n\r\n", FaultKind.ENCODED),
    "br after identity": (HEAD + b"content-encoding: identity, br\r\n\r\nx", FaultKind.ENCODED),
    "endless header": (HEAD + b"a: " + b"x" * 70_000, FaultKind.TOO_LARGE),
    "endless headers": (HEAD + b"a: b\r\n" * 20_000, FaultKind.TOO_LARGE),
    "endless interim": (b"HTTP/1.1 103 E\r\nlink: abc\r\n\r\n" * 4_000, FaultKind.TOO_LARGE),
    "endless trailer": (SSE_HEAD + b"2\r\nok\r\n0\r\nx: " + b"x" * 200_000, FaultKind.TOO_LARGE),
    "endless chunk extension": (SSE_HEAD + b"2;" + b"x" * 70_000, FaultKind.TOO_LARGE),
    "nothing": (b"", FaultKind.UNKNOWN_OUTCOME),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_u30_u31_u36_broken_answers(run: Run, name: str) -> None:
    """U-30, U-31, U-36: an answer against RFC 9112, encoded, or endless is a fault, and its connection is closed."""
    answer, kind = BROKEN[name]

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(answer)
            if answer:
                await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            fault = await fault_of(client, server.url())
            assert fault.kind is kind
            assert "sk-test" not in fault.message
            assert "/v1" not in fault.message
            await server.all_closed()
            await none_open(client)
            await client.close()

    run(main())


@pytest.mark.parametrize("status", [204, 301, 302, 304, 307, 308, 404, 429, 500, 529])
def test_u33_every_status_is_just_returned(run_once: Run, status: int) -> None:
    """U-33: redirects are not followed, errors are not raised: the caller sees status, headers and body."""
    bodyless = status in (204, 304)
    answer = b"HTTP/1.1 %d X\r\nlocation: http://127.0.0.1:9/\r\n" % status
    answer += b"\r\n" if bodyless else b"content-length: 2\r\n\r\nno"

    async def main() -> None:
        async with Scripted(always(answer)) as server:
            client = UpstreamClient()
            for _ in range(2):
                with client.call(post(server.url()), PATIENT) as call:
                    await call.start()
                    assert call.status == status
                    assert call.header("location") == "http://127.0.0.1:9/"
                    assert await call.read() == (b"" if bodyless else b"no")
            assert server.connections == 1
            await client.close()

    run_once(main())


def test_head_request_has_no_body(run: Run) -> None:
    """The answer to HEAD says a length and sends nothing; its connection is not used again."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(HttpRequest("HEAD", server.url()), PATIENT) as call:
                await call.start()
                assert await call.read() == b""
            await server.all_closed()
            await client.close()

    run(main())


def in_one_piece(size: int) -> bytes:
    """A body by its length."""
    return HEAD + b"content-length: %d\r\n\r\n" % size + b"x" * size


def in_small_chunks(size: int) -> bytes:
    """The same in chunks of two bytes."""
    return SSE_HEAD + b"2\r\nxx\r\n" * (size // 2) + b"0\r\n\r\n"


@pytest.mark.parametrize("frame", [in_one_piece, in_small_chunks])
def test_u31_body_cap_counts_body_bytes(run: Run, frame: Callable[[int], bytes]) -> None:
    """U-31: read() takes exactly body_max bytes, and not two more."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(frame(200_000 if peer.number == 1 else 200_002))
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient(body_max=200_000)
            assert len(await fetch(client, server.url())) == 200_000
            await client.close()
            client = UpstreamClient(body_max=200_000)
            assert await kind_of(client, server.url()) is FaultKind.TOO_LARGE
            await client.close()

    run(main())


def test_unread_bytes_stop_the_provider(run: Run) -> None:
    """Backpressure: what is not read is not taken from the network, and the rest comes when it is."""

    async def main() -> None:
        size, sent = 24 * 2**20, 0

        async def script(peer: Peer) -> None:
            nonlocal sent
            await peer.request()
            await peer.send(HEAD + b"content-length: %d\r\n\r\n" % size)
            for _ in range(size // 65536):
                await peer.send(b"x" * 65536)
                sent += 65536
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), PATIENT) as call:
                await call.start()
                await asyncio.sleep(0.2)
                assert call.unread < 1_000_000
                assert sent < size  # the kernel's buffers on both sides hold the difference
                assert sum(map(len, await stream(call))) == size
            assert client.idle_connections == 1
            await client.close()

    run(main())


def test_chunks_come_as_they_arrive(run: Run) -> None:
    """A stream's pieces are handed on one by one, not kept until the end."""

    async def main() -> None:
        next_one = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(SSE_HEAD)
            for number in range(5):
                await next_one.wait()
                next_one.clear()
                await peer.send(b"8\r\ndata: %d\n\r\n" % number)
            await peer.send(b"0\r\n\r\n")
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), PATIENT) as call:
                await call.start()
                for number in range(5):
                    next_one.set()
                    assert await call.chunk() == b"data: %d\n" % number
                    call.progress()
                assert await call.chunk() == b""
            assert client.idle_connections == 1
            await client.close()

    run(main())


def test_misuse_is_named(run_once: Run) -> None:
    """Two starts, a chunk before start and after the end are the caller's mistakes, and said to be."""

    async def main() -> None:
        async with Scripted(always(OK)) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), QUICK) as call:
                with pytest.raises(RuntimeError):
                    await call.chunk()
                with pytest.raises(RuntimeError):
                    await call.read()
                await call.start()
                with pytest.raises(RuntimeError):
                    await call.start()
            call.abort()
            await client.close()
            with client.call(post(server.url()), QUICK) as call, pytest.raises(UpstreamFault) as caught:
                await call.start()
            assert caught.value.kind is FaultKind.ABORTED

    run_once(main())
