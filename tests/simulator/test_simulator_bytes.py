"""How the bytes look and when they leave: framing, encodings, connections, pace; seen through a raw socket."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable

import pytest

from tests.simulator.scene import (
    LOOPS,
    body_of,
    chat,
    chunks,
    content,
    events,
    exchange,
    parts,
    play,
    post,
    tell,
)
from tollway.simulator import Simulator

on_both_loops = pytest.mark.parametrize("loop", LOOPS)


def test_cut_at_a_byte() -> None:
    """`at_byte=n` lets exactly n bytes of the body out, streamed or not."""

    async def scene(simulator: Simulator) -> None:
        for stream in (False, True):
            full = body_of((await tell(simulator, "tokens=1", chat(stream=stream)))[0])
            whole = b"".join(chunks(full)[0]) if stream else full
            for at in (*range(40), 333, len(whole) - 1):
                answer, reset = await tell(simulator, f"tokens=1,at_byte={at}", chat(stream=stream))
                pieces, ended = chunks(body_of(answer))
                body = b"".join(pieces) if stream else body_of(answer)
                assert (len(body), ended, reset) == (at, False, False)
            answer, reset = await tell(simulator, "tokens=1,at_byte=100,then=reset", chat(stream=stream))
            assert reset

    play(scene)


@pytest.mark.parametrize(
    ("told", "check"),
    [
        ("line_end=crlf", lambda body: b"\r\n\r\n" in body and body.count(b"\n") == body.count(b"\r\n")),
        ("line_end=cr", lambda body: b"\r\r" in body and b"\n" not in body),
        ("bom=1", lambda body: body.startswith(b"\xef\xbb\xbfdata: ") and body.count(b"\xef\xbb\xbf") == 1),
        ("space=0", lambda body: b"data: " not in body and body.startswith(b"data:{")),
        ("pings=2", lambda body: body.count(b": SIMULATED PING\n\n") == 3),
        ("multiline=1", lambda body: body.count(b"\ndata: ") > 5 and b',\ndata: "object"' in body),
        ("fields=1", lambda body: b"id: 0\nretry: 3000\nevent: message\ndata: {" in body),
        ("obfuscation=1", lambda body: b'"obfuscation":"' in body),
    ],
)
def test_odd_but_legal_events(told: str, check: Callable[[bytes], bool]) -> None:
    """Events as the WHATWG text allows them and few providers write them; they still say the same."""

    async def scene(simulator: Simulator) -> None:
        _, _, body = parts((await tell(simulator, f"tokens=3,{told}", chat(stream=True)))[0])
        assert check(body)
        # What is left when the oddities are undone is the plain stream.
        plain = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        plain = plain.replace(b"data:{", b"data: {").replace(b"data:[", b"data: [").replace(b",\ndata: ", b",")
        assert content(events(plain)) == "This is a"
        assert events(plain)[-1] == "[DONE]"

    play(scene)


@on_both_loops
@pytest.mark.parametrize("size", [1, 3, 7])
def test_split_writes(loop: str, size: int) -> None:
    """The body leaves in chunks of 1, 3 or 7 bytes and is the same body."""

    async def scene(simulator: Simulator) -> None:
        plain = chunks(body_of((await tell(simulator, "tokens=1,reply_id=x", chat(stream=True)))[0]))[0]
        pieces, ended = chunks(
            body_of((await tell(simulator, f"tokens=1,reply_id=x,split={size}", chat(stream=True)))[0])
        )
        assert ended
        assert max(map(len, pieces)) == size
        assert content(events(b"".join(pieces))) == content(events(b"".join(plain))) == "This"

    play(scene, loop=loop)


def test_encodings() -> None:
    """gzip that nobody asked for decodes to the answer; the bomb is small and grows to what was told."""

    async def scene(simulator: Simulator) -> None:
        _, headers, body = parts((await tell(simulator, "gzip=1"))[0])
        assert headers["content-encoding"] == "gzip"
        assert json.loads(gzip.decompress(body))["object"] == "chat.completion"
        _, headers, body = parts((await tell(simulator, "gzip=1,tokens=2", chat(stream=True)))[0])
        assert content(events(gzip.decompress(body))) == "This is"
        _, headers, body = parts((await tell(simulator, "fail=bomb,bomb_mb=8"))[0])
        inflated = zlib.decompressobj(wbits=31).decompress(body)
        assert len(body) < 100_000
        assert len(inflated) == 8_000_000 + len(b'{"id":1}')

    play(scene)


def test_huge_lines() -> None:
    """One event, or one body, whose text is as long as told."""

    async def scene(simulator: Simulator) -> None:
        _, _, body = parts((await tell(simulator, "huge_line_mb=1.5,tokens=2", chat(stream=True)))[0])
        assert max(map(len, body.split(b"\n"))) > 1_500_000
        assert content(events(body)) == "x" * 1_500_000 + "This is"
        _, _, body = parts((await tell(simulator, "huge_line_mb=1.5"))[0])
        assert len(json.loads(body)["choices"][0]["message"]["content"]) > 1_500_000

    play(scene)


def test_oddities_of_http() -> None:
    """Lengths that lie, lengths beside chunks, trailers, interim answers, 100-continue, HTTP/1.0, no keep-alive."""

    async def scene(simulator: Simulator) -> None:
        for framing, more in (("short", -10), ("long", 10)):
            _, headers, body = parts((await tell(simulator, f"framing={framing}"))[0])
            assert int(headers["content-length"]) == len(body) + more
        _, headers, _ = parts((await tell(simulator, "framing=both"))[0])
        assert {"content-length", "transfer-encoding"} <= headers.keys()
        answer, _ = await tell(simulator, "framing=trailers", chat(stream=True))
        assert answer.endswith(b"\r\n0\r\nx-simulated-trailer: yes\r\n\r\n")
        for status in (100, 103):
            answer, _ = await tell(simulator, f"informational={status}")
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in answer
        answer, _ = await exchange(simulator, post(chat(), connection="close", expect="100-continue"))
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        answer, _ = await exchange(simulator, post(chat(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert b"chunked" not in answer
        assert answer.endswith(b"data: [DONE]\n\n")
        answer, _ = await exchange(simulator, post(chat(), x_simulate="keep_alive=0"))
        assert parts(answer)[1]["connection"] == "close"

    play(scene)


@on_both_loops
def test_connections_are_kept_and_closed_as_told(loop: str) -> None:
    """Requests share a connection, in order; `reused` fails only the second; an idle connection closes when told."""

    async def scene(simulator: Simulator) -> None:
        sent = b"".join(post(chat(f"m{n}@tokens=2", stream=n % 2 == 1)) for n in range(5))
        answer, _ = await exchange(simulator, sent + post(chat("last"), connection="close"))
        assert answer.count(b"HTTP/1.1 200 OK") == 6
        assert [record.model for record in simulator.stats.log] == ["m0", "m1", "m2", "m3", "m4", "last"]
        assert simulator.stats.connections == 1

        told = post(chat(), x_simulate="fail=reset,reused=1")
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(told)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(parts(head)[1]["content-length"]))
        writer.write(told)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

        answer, reset = await exchange(simulator, post(chat(), x_simulate="idle_close_ms=20"))
        assert (parts(answer)[0], reset) == (200, False)
        assert "connection" not in parts(answer)[1]

    play(scene, loop=loop)


def test_pace() -> None:
    """Latency is the time to the first content, the rate that between pieces; a stream's head comes at `head_ms`."""

    async def scene(simulator: Simulator) -> None:
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        began = loop.time()
        writer.write(
            post(
                chat(stream=True), x_simulate="latency_ms=250,tokens_per_s=100,tokens=6,head_ms=20", connection="close"
            )
        )
        await reader.readuntil(b"\r\n\r\n")
        assert 0.015 <= loop.time() - began < 0.245
        await reader.readuntil(b'"This"')
        assert loop.time() - began >= 0.245
        await reader.read()
        assert loop.time() - began >= 0.295
        writer.close()
        began = loop.time()
        await tell(simulator, "latency_ms=50,tokens=5,tokens_per_s=100")
        assert loop.time() - began >= 0.095
        began = loop.time()
        await tell(simulator, "spike_every_s=1000,spike_for_s=900,spike_ms=60")
        assert loop.time() - began >= 0.055
        began = loop.time()
        await tell(simulator, "ramp_ms_per_s=200")
        assert loop.time() - began >= 0.05

    play(scene)


def test_what_is_not_http_gets_400() -> None:
    """Bytes that are no request, and headers without end, are answered and hung up on."""

    async def scene(simulator: Simulator) -> None:
        answer, _ = await exchange(simulator, b"\x16\x03\x01 hello\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        answer, _ = await exchange(simulator, b"GET /health HTTP/1.1\r\n" + b"x: " + b"y" * 70_000 + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 431")

    play(scene)
