"""A header that came before on its connection is known again by its bytes; nobody can tell from the answers."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.serving import PATIENCE_S, SMALL, connected, post, request, run, serving
from tollway.api.exchange import Exchange
from tollway.api.head import Head
from tollway.api.server_limits import ServerLimits
from tollway.domain.errors import TollwayError

FIELDS = (
    (),
    ("X-Title: one",),
    ("X-Title: two",),
    ("X-Title: one", "X-Title: two"),
    ("content-length : 3",),
    ("Content-Length: 5",),
    ("X: \r\n content-length: 1",),
    ("Connection: close",),
    ("Expect: 100-continue",),
    ("Transfer-Encoding: chunked",),
    ("Upgrade: h2c", "Connection: Upgrade"),
    ("Content-Encoding: gzip",),
)
LENGTHS = ("{}", " {}", "  {} ", "0{}", "+{}", "-{}", "{}, {}", "0x{}")


async def tell(exchange: Exchange) -> None:
    """All that a handler can see of a request."""
    try:
        body = await exchange.body(50)
    except TollwayError as error:
        await exchange.respond(error.status, [], type(error).__name__.encode())
        return
    seen: list[Any] = [exchange.method, exchange.path, exchange.query.decode(), exchange.header(b"x-title")]
    seen += [exchange.values(b"x-title"), exchange.carries(frozenset((b"x-title",))), body.decode("latin-1")]
    await exchange.respond(200, [(b"content-type", b"application/json")], json.dumps(seen).encode())


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from([b"", b"abc", b"0123456789", b"\r\n\r\n", b"POST /a HTTP/1.1\r\n\r\n"]))
    length = draw(st.sampled_from(LENGTHS[:1] * 8 + LENGTHS)).format(*[len(body)] * 2)
    fields = draw(st.sampled_from(FIELDS[:3] * 4 + FIELDS))
    path = draw(st.sampled_from(["/a", "/a", "/a", "/a?b=c", "/b", "/other"]))
    name = draw(st.sampled_from(["Content-Length", "Content-Length", "content-length"]))
    line = f"{name}:{length}" if draw(st.booleans()) else f"{name}: {length}"
    return request("POST", path, *((line, *fields) if draw(st.booleans()) else (*fields, line))) + body


def in_chunks(*chunks: bytes) -> bytes:
    """A request in chunks, whose data may look like headers."""
    body = b"".join([b"%x\r\n%b\r\n" % (len(each), each) for each in (*chunks, b"")])
    return request("POST", "/a", "Transfer-Encoding: chunked") + body


CHUNKED = (
    in_chunks(b"abc"),
    in_chunks(b"\r\nContent-Length: 5\r\n\r\n"),
    in_chunks(b"{\r\nContent-Length: 29\r\n\r\n", b"a", b"b", b"c", b"d"),
    in_chunks(b"{\r\nContent-Length: 29\r\n\r\n", b"a", b"b", b"c", b"d").replace(b"29", b"5")[:-30] + b"HELLO",
)


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """What a client writes, in the pieces in which it writes it: mostly a request each, some cut, some joined."""
    chosen = draw(st.lists(requests() | st.sampled_from(CHUNKED), min_size=1, max_size=3))
    said = draw(st.lists(st.sampled_from(chosen), min_size=2, max_size=6))
    pieces: list[bytes] = []
    for each in said:
        match draw(st.sampled_from(["whole", "whole", "whole", "cut", "joined"])):
            case "cut":
                at = draw(st.integers(1, len(each) - 1))
                pieces += [each[:at], each[at:]]
            case "joined" if pieces:
                pieces[-1] += each
            case _:
                pieces.append(each)
    return pieces


class Ear(asyncio.Protocol):
    """Collects everything that the server says, until either side has hung up."""

    def __init__(self) -> None:
        self.heard = b""
        self.over = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set_result(None)


async def heard(port: int, pieces: list[bytes]) -> bytes:
    """Everything that the server says to these, without dates."""
    transport, ear = await asyncio.get_running_loop().create_connection(Ear, "127.0.0.1", port)
    for piece in (*pieces, request("GET", "/a", "Connection: close")):
        if b"connection: close" in ear.heard or transport.is_closing():
            break  # it has refused what came before
        transport.write(piece)
        await asyncio.sleep(0.004)  # so that the server reads what was written at once, at once
    await asyncio.wait_for(ear.over, PATIENCE_S)
    return b"\r\n".join([line for line in ear.heard.split(b"\r\n") if not line.startswith((b"date:", b"server:"))])


@settings(max_examples=150, deadline=None)
@given(conversations())
def test_the_same_answers(pieces: list[bytes]) -> None:
    """As from the URLs of an ASGI application, whose headers are all read."""

    async def main() -> None:
        found = []
        for way in ("direct", "asgi"):
            async with serving(tell, way=way) as port:
                found.append(await heard(port, pieces))
        assert found[0] == found[1]

    run(main())


def test_it_is_known() -> None:
    """What was worked out for one request is there for the next, whatever the length of its body, and for no other."""

    async def main() -> None:
        heads: list[Head | None] = []

        async def handler(exchange: Exchange) -> None:
            heads.append(exchange.head)
            await tell(exchange)

        async with serving(handler) as port, connected(port) as client:
            for body in (b"one", b"thirteen", b"", b"x"):
                client.send(post(body, "/a", "X-Title: t"))
                assert json.loads((await client.answer()).body)[-1] == body.decode()
            client.send(post(b"one", "/a", "X-Title: u"))
            await client.answer()
        assert heads[0] is heads[1] is heads[2] is heads[3]
        assert heads[4] is not heads[0]

    run(main())


def test_what_came_in_chunks_is_not_known() -> None:
    """Else a client could say in the data of a chunk where his next request ends, which a proxy reads otherwise."""
    chunks = (b"{\r\nContent-Length: 29\r\n\r\n", b"a", b"b", b"c", b"d")
    data = in_chunks(*chunks)
    headers = [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
    head = Head("POST", "/a", b"", headers, keep_alive=True, http_10=False)
    assert not head.learn(data, sum(map(len, chunks)))


def test_limits_hold() -> None:
    """A body above the handler's limit, and one above the server's, behind a header that is known."""

    async def main() -> None:
        limits = ServerLimits(body_bytes=100, header_s=SMALL.header_s, linger_s=SMALL.linger_s)
        async with serving(tell, limits=limits) as port, connected(port) as client:
            for size, status in ((20, 200), (60, 413), (20, 200), (101, 413)):
                client.send(post(b"x" * size))
                assert (await client.answer()).status == status, size

    run(main())
