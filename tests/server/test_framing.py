"""What is a request, and what is refused before a handler sees it (FAULTS.md C-2, C-9, C-12, C-13)."""

import asyncio
import json

import pytest

from tests.server.serving import SMALL, WAYS, connected, echo, get, post, request, run, serving
from tollway.api.connection import Protocol
from tollway.api.direct import DirectExchange
from tollway.api.exchange import Exchange
from tollway.api.server_limits import ServerLimits
from tollway.domain.errors import TollwayError

both_ways = pytest.mark.parametrize("way", WAYS)

CHUNKED = "Transfer-Encoding: chunked"

REFUSED = {
    "length and chunks": (request("POST", "/a", "Content-Length: 3", CHUNKED) + b"0\r\n\r\n", 400),
    "chunks and length": (request("POST", "/a", CHUNKED, "Content-Length: 3") + b"0\r\n\r\n", 400),
    "two lengths": (request("POST", "/a", "Content-Length: 3", "Content-Length: 3") + b"abc", 400),
    "negative length": (request("POST", "/a", "Content-Length: -3") + b"abc", 400),
    "two hosts": (get("/a", "Host: elsewhere"), 400),
    "no host": (b"GET /a HTTP/1.1\r\n\r\n", 400),
    "bare LF": (b"GET /a HTTP/1.1\nHost: x\n\n", 400),
    "bare LF in a header": (b"GET /a HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
    "NUL in a header": (get("/a", "X-Title: a\0b"), 400),
    "CR in a header": (get("/a", "X-Title: a\rb"), 400),
    "folded header": (get("/a", "X-Title: a\r\n b"), 400),
    "space before the colon": (get("/a", "X-Title : a"), 400),
    "other coding": (request("POST", "/a", "Transfer-Encoding: gzip, chunked"), 501),
    "chunks on HTTP/1.0": (b"POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "bad chunk size": (request("POST", "/a", CHUNKED) + b"zz\r\n", 400),
    "HTTP/2 with prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /a\r\n\r\n", 505),
    "HTTP/1.2": (b"GET /a HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    "TLS to a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "CONNECT": (b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", 405),
    "target that is no URL": (b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "other expectation": (post(b"x", "/a", "Expect: tea"), 417),
    "100 GB": (request("POST", "/a", "Content-Length: 100000000000"), 413),
    "length beyond 64 bits": (request("POST", "/a", "Content-Length: 99999999999999999999999"), 400),
    "40 KB of headers": (get("/a", *[f"X-{i}: {'y' * 1000}" for i in range(40)]), 431),
    "2 MB in one header": (get("/a", "X: " + "y" * 2_000_000), 431),
    "2 MB of URL": (get("/" + "y" * 2_000_000), 431),
}


@both_ways
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, way: str) -> None:
    """Each is answered at once, in JSON, without a handler, and nothing after it on that connection is a request."""
    data, status = REFUSED[case]
    called: list[str] = []

    async def handler(exchange: Exchange) -> None:
        called.append(exchange.path)
        await exchange.body(10)
        await exchange.respond(200, [], b"")

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(data, get("/b"))
            answer = await client.answer()
            assert answer.status == status
            assert answer.message
            assert answer.headers["connection"] == "close"
            assert await client.rest() == b""
        assert "/b" not in called
        if case != "bad chunk size":
            assert not called

    run(main())


def test_header_without_end() -> None:
    """A header that is too long is refused while it arrives: neither its end nor its deadline is waited for."""

    async def main() -> None:
        async with serving(limits=ServerLimits()) as port, connected(port) as client:
            client.send(b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000)
            assert (await client.answer()).status == 431

    run(main())


@both_ways
def test_body_of_any_framing_arrives(way: str) -> None:
    """A length, chunks with extensions and trailers, and an expectation give the same body, on one connection."""

    async def main() -> None:
        async with serving(way=way) as port, connected(port) as client:
            client.send(post(b"hello"))
            assert json.loads((await client.answer()).body)["body"] == "hello"
            client.send(request("POST", "/a?x=1", CHUNKED), b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-Late: 1\r\n\r\n")
            answer = json.loads((await client.answer()).body)
            assert answer == {"method": "POST", "path": "/a", "query": "x=1", "size": 5, "body": "hello"}
            client.send(request("POST", "/a", "Content-Length: 5", "Expect: 100-continue"))
            assert (await client.head())[0] == 100
            client.send(b"hello")
            assert json.loads((await client.answer()).body)["body"] == "hello"

    run(main())


@both_ways
def test_cut_at_every_byte(way: str) -> None:
    """Wherever the network cuts two requests in one packet, both are understood, in order."""
    data = post(b'{"a":1}', "/a") + request("POST", "/b", CHUNKED) + b"3\r\nabc\r\n0\r\n\r\n"

    async def main() -> None:
        async with serving(way=way) as port, connected(port) as client:
            for cut in range(1, len(data)):
                client.send(data[:cut])
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                client.send(data[cut:])
                bodies = [json.loads((await client.answer()).body)["body"] for _ in range(2)]
                assert bodies == ['{"a":1}', "abc"], f"cut after {cut} bytes"

    run(main())


@both_ways
def test_trailers_are_not_headers(way: str) -> None:
    """A trailer named Authorization authorizes nobody."""

    async def handler(exchange: Exchange) -> None:
        await exchange.body(100)
        await exchange.respond(200, [], repr(exchange.header(b"authorization")).encode())

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(request("POST", "/a", CHUNKED), b"1\r\na\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
            assert (await client.answer()).body == b"None"

    run(main())


@both_ways
def test_too_large_and_encoded_bodies(way: str) -> None:
    """C-2: the cap is counted while chunks arrive, and an encoded body is not read; the handler words the answer."""
    seen: list[tuple[str, int]] = []

    async def handler(exchange: Exchange) -> None:
        try:
            await exchange.body(1000)
        except TollwayError as error:
            seen.append((type(error).__name__, error.status))
            await exchange.respond(error.status, [], error.message.encode())

    async def main() -> None:
        async with serving(handler, way=way) as port:
            for data, status in (
                (request("POST", "/a", "Content-Length: 50000"), 413),
                (request("POST", "/a", CHUNKED) + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n", 413),
                (post(b"x", "/a", "Content-Encoding: gzip"), 415),
            ):
                async with connected(port) as client:
                    client.send(data)
                    answer = await client.answer()
                    assert answer.status == status
                    assert answer.body
        assert seen == [("PayloadTooLarge", 413)] * 2 + [("UnsupportedMediaType", 415)]

    run(main())


@both_ways
def test_endless_chunks_meet_the_servers_own_cap(way: str) -> None:
    """A handler that would read for ever is cut off, with 413, when a body exceeds the server's limit by 1 MB."""

    async def handler(exchange: Exchange) -> None:
        await exchange.body(1 << 60)

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(request("POST", "/a", CHUNKED))
            for _ in range(20):
                client.send(b"20000\r\n" + b"x" * 0x20000 + b"\r\n")
            answer = await client.answer()
            assert answer.status == 413
            assert "100,000" in answer.message

    run(main())


@both_ways
def test_pipelined_answers_keep_their_order(way: str) -> None:
    """Slow and quick requests in one packet are answered in the order in which they came."""
    running: list[str] = []

    async def handler(exchange: Exchange) -> None:
        running.append(exchange.query.decode())
        assert len(running) == 1
        await asyncio.sleep(0.02 if exchange.query == b"0" else 0)
        running.clear()
        await echo(exchange)

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(*[get(f"/a?{i}") for i in range(15)])
            queries = [json.loads((await client.answer()).body)["query"] for _ in range(15)]
            assert queries == [str(i) for i in range(15)]

    run(main())


def test_a_waiting_request_stops_the_reading() -> None:
    """While one request waits behind another, further ones stay in the kernel, and with the client; then they come."""
    waiting: list[int] = []

    async def handler(exchange: Exchange) -> None:
        assert isinstance(exchange, DirectExchange)
        assert isinstance(exchange.carrier, Protocol)
        if not waiting:
            await asyncio.sleep(0.1)
            waiting.append(len(exchange.carrier.queue))
        await exchange.respond(200, [], b"")

    async def main() -> None:
        async with serving(handler) as port, connected(port) as client:
            for _ in range(10):
                client.send(get())
                await asyncio.sleep(0.005)
            for _ in range(10):
                assert (await client.answer()).status == 200

    run(main())
    assert waiting == [1]


@both_ways
def test_pipelining_is_capped(way: str) -> None:
    """C-12: of 1,000 requests in one go those within the cap are answered, the next gets 429, the rest nothing."""

    async def main() -> None:
        async with serving(way=way) as port, connected(port) as client:
            client.send(get() * 1000)
            statuses = [(await client.answer()).status for _ in range(SMALL.pipelined_max + 2)]
            assert statuses == [200] * (SMALL.pipelined_max + 1) + [429]
            assert await client.rest() == b""

    run(main())


@both_ways
def test_refusal_waits_its_turn(way: str) -> None:
    """A broken request behind a good one does not cut into the good one's answer."""

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, [])
        for _ in range(3):
            await exchange.write(b"part")
            await asyncio.sleep(0.01)
        await exchange.end()

    async def main() -> None:
        async with serving(handler, way=way) as port, connected(port) as client:
            client.send(get(), b"nonsense\r\n\r\n")
            assert (await client.answer()).body == b"partpartpart"
            assert (await client.answer()).status == 400

    run(main())


@both_ways
def test_upgrades_are_passed_over(way: str) -> None:
    """Java's HttpClient asks for h2c with its first request, be it a POST: it is answered in HTTP/1.1, body and all."""
    ask = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )

    async def main() -> None:
        async with serving(way=way) as port, connected(port) as client:
            chunks = request("POST", "/a", CHUNKED, *ask) + b"5\r\nthere\r\n0\r\n\r\n"
            client.send(post(b"hello", "/a", *ask), chunks, get("/b", *ask), get("/a"))
            answers = [json.loads((await client.answer()).body) for _ in range(4)]
            assert [answer["body"] for answer in answers] == ["hello", "there", "", ""]
            assert [answer["path"] for answer in answers] == ["/a", "/a", "/b", "/a"]

    run(main())


@both_ways
def test_head_options_and_odd_paths(way: str) -> None:
    """C-13: HEAD has headers only; a path that is not exactly a hot URL is the application's to judge."""

    async def main() -> None:
        async with serving(way=way) as port, connected(port) as client:
            client.send(request("HEAD", "/a"))
            answer = await client.answer(bare=True)
            assert answer.status == 200
            assert int(answer.headers["content-length"]) > 0
            for path, seen in (("//a", "//a"), ("/%61", "/a"), ("/a;x", "/a;x"), ("/A", "/A"), ("/a#f", "/a")):
                client.send(request("OPTIONS", path))
                answer = await client.answer()
                assert json.loads(answer.body)["path"] == seen
            client.send(get("http://localhost/a?q=1"))
            assert json.loads((await client.answer()).body)["query"] == "q=1"

    run(main())


@both_ways
def test_keep_alive_and_close(way: str) -> None:
    """A connection serves many requests; "Connection: close" and HTTP/1.0 end it after the answer, and say so."""

    async def main() -> None:
        async with serving(way=way) as port:
            async with connected(port) as client:
                for _ in range(50):
                    client.send(post())
                    answer = await client.answer()
                    assert answer.status == 200
                    assert "connection" not in answer.headers
                    assert answer.headers["date"].endswith("GMT")
                client.send(get("/a", "Connection: close"), get("/b"))
                assert (await client.answer()).headers["connection"] == "close"
                assert await client.rest() == b""
            async with connected(port) as client:
                client.send(b"GET /a HTTP/1.0\r\n\r\n")
                assert (await client.answer()).status == 200
                assert await client.rest() == b""

    run(main())


def test_stream_to_http_10() -> None:
    """HTTP/1.0 knows no chunks (RFC 9112, 7.1): its stream ends with the connection."""

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"a")
        await exchange.end(b"b")

    async def main() -> None:
        for way in WAYS:
            async with serving(handler, way=way) as port, connected(port) as client:
                client.send(b"GET /a HTTP/1.0\r\n\r\n")
                _, headers = await client.head()
                assert "transfer-encoding" not in headers
                assert await client.rest() == b"ab"

    run(main())
