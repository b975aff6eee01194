"""What the record says of time, where a provider answered with nothing before another answered well."""

import asyncio

from msgspec.structs import replace

from tests.gateway.clients import chat, generations, run, settled
from tests.support import offer, staged

EMPTY = b'{"id":"x","object":"chat.completion","choices":[],"usage":null}'


def test_latency_is_the_one_of_who_answered() -> None:
    """The first one's body, without choices, was taken for a first event: latencies below zero were recorded."""

    async def answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(EMPTY), EMPTY))
        await writer.drain()
        writer.close()

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=5,latency_ms=100", at=("a", "b"))) as stage:
            server = await asyncio.start_server(answer_nothing, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            market = stage.house.gateway.market
            nothing = replace(market.providers["a"], base_url=f"http://127.0.0.1:{port}")
            stage.house.gateway.market = replace(market, providers={**market.providers, "a": nothing})
            seen = await chat(stage, stream=True, provider={"order": ["a", "b"]})
            await settled(stage)
            server.close()
            await asyncio.sleep(0.05)  # what was accepted closes in the next turns of the loop
            assert seen.ended
            [record] = await generations(stage)
            assert [each.provider for each in record.attempts] == ["a", "b"]
            assert record.latency_ms >= 90

    run(scene)
