"""Images and files by URL: passed on where the provider fetches them itself, fetched and sent as data where not."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.gateway.clients import broken_promises, chat, posted, run, settled
from tests.support import Stage, offer, staged
from tests.upstream.scripted import Peer, Scripted
from tollway.config import Upstream

PDF = b"%PDF-1.7\nwords"
HERE = Upstream(fetch_allow=("127.0.0.1",))


def asked(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "Read."}, *parts]}]


def file(url: str) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}


@asynccontextmanager
async def store(paths: list[str], body: bytes = PDF, status: str = "200 OK") -> AsyncIterator[Scripted]:
    """A server with a file, which notes what it is asked for."""

    async def play(peer: Peer) -> None:
        while True:
            try:
                paths.append((await peer.request()).split()[1].decode())
            except asyncio.IncompleteReadError:
                return
            await peer.send(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)

    async with Scripted(play) as server:
        yield server


async def in_order(stage: Stage) -> None:
    await settled(stage)
    assert await broken_promises(stage.house.database) == []


def test_a_file_is_sent_as_data() -> None:
    """OpenAI's chat takes files as base64 only: fetched once, though two providers are tried; images stay URLs."""

    async def scene() -> None:
        paths: list[str] = []
        offers = offer("test/model", "m", at=("a", "b"))
        async with store(paths) as server, staged(offers, upstream=HERE) as stage:
            stage.simulator.script("a", ["fail=500"])
            image = {"type": "image_url", "image_url": {"url": "https://example.com/x.png", "detail": "low"}}
            named = file(server.url("/a.pdf"))
            seen = await chat(stage, messages=asked(named, image), max_tokens=20, provider={"order": ["a", "b"]})
            assert seen.status == 200
            data = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
            wanted = [{"type": "text", "text": "Read."}, file(data), image]
            assert [body["messages"][0]["content"] for body in stage.bodies()] == [wanted, wanted]
            assert paths == ["/a.pdf"]
            await in_order(stage)

    run(scene)


def test_what_cannot_be_fetched_is_said() -> None:
    """A 400 that says why; no provider is asked, nothing is charged, and nobody's health suffers."""

    async def scene() -> None:
        paths: list[str] = []
        async with store(paths, status="404 Not Found") as server, staged(upstream=HERE) as stage:
            for _ in range(6):
                seen = await chat(stage, messages=asked(file(server.url("/gone.pdf"))))
                assert seen.status == 400
                assert seen.error is not None
                assert "/gone.pdf could not be fetched: the server answered with status 404" in seen.error["message"]
            seen = await chat(stage, messages=asked(file("http://169.254.169.254/latest/meta-data")))
            assert seen.error is not None
            assert "its host is not on the public internet" in seen.error["message"]
            many = [file(server.url(f"/{number}.pdf")) for number in range(33)]
            seen = await chat(stage, messages=asked(*many))
            assert seen.error is not None
            assert "32 are fetched at most" in seen.error["message"]
            assert stage.bodies() == []
            assert await posted(stage) == 100 * 10**9
            assert (await chat(stage)).status == 200
            await in_order(stage)

    run(scene)


def test_a_caller_who_leaves_while_it_is_fetched() -> None:
    """Nothing is sent to the provider, nothing is charged, and the hold goes."""

    async def scene() -> None:
        asked_for, may_go_on = asyncio.Event(), asyncio.Event()

        async def slow(peer: Peer) -> None:
            await peer.request()
            asked_for.set()
            await may_go_on.wait()
            await peer.send(f"HTTP/1.1 200 OK\r\ncontent-length: {len(PDF)}\r\n\r\n".encode() + PDF)

        async with Scripted(slow) as server, staged(upstream=HERE) as stage:
            caller = asyncio.ensure_future(chat(stage, messages=asked(file(server.url("/slow.pdf")))))
            await asked_for.wait()
            caller.cancel()
            await asyncio.wait([caller])
            may_go_on.set()
            while stage.house.gateway.books.held:  # noqa: ASYNC110  # a test may poll
                await asyncio.sleep(0.01)
            await in_order(stage)
            assert stage.bodies() == []
            assert await posted(stage) == 100 * 10**9

    run(scene)
