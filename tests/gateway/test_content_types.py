"""A stream is read as one, whatever its provider calls it; one body in its place is taken apart."""

import asyncio

import pytest
from msgspec.structs import replace

from tests.gateway.clients import chat, generations, run, settled
from tests.support import offer, staged
from tollway.domain.generation import Generation

STREAM = (
    b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
    b'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}\n\n'
    b"data: [DONE]\n\n"
)
WHOLE = (
    b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}'
)


def answered_by(*pieces: bytes) -> Generation:
    """The record of a stream whose provider writes these pieces, 0.2 s apart, and hangs up. It ended properly."""
    found: list[Generation] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for number, piece in enumerate(pieces):
            await asyncio.sleep(0.2 if number else 0)
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def scene() -> None:
        async with staged(offer("test/model", "m")) as stage:
            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            market = stage.house.gateway.market
            there = replace(market.providers["a"], base_url=f"http://127.0.0.1:{port}")
            stage.house.gateway.market = replace(market, providers={"a": there})
            seen = await chat(stage, stream=True, max_tokens=20)
            await settled(stage)
            server.close()
            await asyncio.sleep(0.05)  # what was accepted closes in the next turns of the loop
            assert (seen.status, seen.ended) == (200, True)
            found.extend(await generations(stage))

    run(scene)
    [record] = found
    return record


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"content-type: text/event-stream\r\n", STREAM),
        (b"content-type: Text/Event-Stream; charset=utf-8\r\n", STREAM),
        (b"content-type: text/plain\r\n", STREAM),
        (b"", STREAM),
        (b"content-type: application/json\r\n", WHOLE),
        (b"", WHOLE),
    ],
)
def test_a_stream_by_any_name(said: bytes, body: bytes) -> None:
    """Media types are matched without case (RFC 9110, 8.3.1); a missing one was taken for JSON, and answered 502."""

    head = b"HTTP/1.1 200 OK\r\n%bconnection: close\r\n\r\n" % said
    record = answered_by(head + body)
    assert (record.usage.prompt, record.usage.completion, record.cost) == (9, 1, 11_000)


def test_usage_that_comes_behind_the_end_counts() -> None:
    """FAULTS.md U-18: after `[DONE]` nothing is read but usage, and for that we wait a little."""
    late = STREAM.partition(b"data: [DONE]")[0].rpartition(b'data: {"id":"x","choices":[],')[0] + b"data: [DONE]\n\n"
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":1,"total_tokens":1001}}\n\n'

    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    counted = answered_by(head + late, usage).usage
    assert (counted.prompt, counted.completion, counted.estimated) == (1000, 1, False)
