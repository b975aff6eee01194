"""A provider in a few lines: it remembers what it is asked, and answers each path with what a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from tests.upstream.scripted import Peer, Scripted

Reply = Callable[["Asked"], tuple[int, Any]]


class Asked(Struct):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Company:
    """`reply` says status and JSON, or text, for each request; `hold` delays all answers until it is set."""

    def __init__(self, server: Scripted, asked: list[Asked]) -> None:
        self.url = server.url("")
        self.asked = asked

    def paths(self, method: str = "POST") -> list[str]:
        return [each.path for each in self.asked if each.method == method]


@asynccontextmanager
async def company(reply: Reply, hold: asyncio.Event | None = None) -> AsyncIterator[Company]:
    """A provider that listens inside the block."""
    asked: list[Asked] = []

    async def script(peer: Peer) -> None:
        while True:
            head, _, body = (await peer.request()).partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            each = Asked(method, path, headers, body)
            asked.append(each)
            if hold is not None:
                await hold.wait()
            status, answer = reply(each)
            streamed = isinstance(answer, str)
            data = answer.encode() if streamed else json.dumps(answer).encode()
            kind = "text/event-stream" if streamed else "application/json"
            said = f"HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n"
            await peer.send(said.encode() + data)

    async with Scripted(script) as server:
        yield Company(server, asked)
