"""The benchmark notices what is wrong: answers cut short, a ledger that does not agree, time spent by children."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from bench import cpu, load, payload, report, tollway
from bench.gateway import Address, Gateway
from bench.processes import Failed
from bench.upstream import Connection, Manners, Script

STREAM = b"".join(payload.content_events(5)) + payload.tail()


def test_payloads_have_their_sizes() -> None:
    """The answer is 1 KB to the byte, and an event about 180 bytes, as the published figures say."""
    assert len(payload.ANSWER) == payload.ANSWER_BYTES
    assert {len(event) for event in payload.content_events(3)} <= set(range(170, 200))


@pytest.mark.parametrize(
    ("body", "stream", "wrong"),
    [
        (payload.ANSWER, False, None),
        (payload.ANSWER[:-1], False, "not a chat completion"),
        (payload.ANSWER.replace(b"made up", b"cut off", 1), False, "the content is not what the upstream sent"),
        (b'{"choices":[]}', False, "the content is not what the upstream sent"),
        (STREAM, True, None),
        (STREAM.replace(b"data: [DONE]", b""), True, "stream without [DONE]"),
        (STREAM.replace(payload.word(4).encode(), b""), True, "without its last content event"),
    ],
)
def test_answers_are_checked(body: bytes, stream: bool, wrong: str | None) -> None:
    """An answer counts only if it came whole."""
    found = load.check(body, stream, events=5)
    assert (found is None) if wrong is None else (found is not None and wrong in found)


def drive(order: load.Order, spoil: bytes = b"") -> load.Outcome:
    """An order carried out on a mock upstream in this process; `spoil` is cut out of what it answers."""

    async def both() -> load.Outcome:
        loop = asyncio.get_running_loop()
        script = Script()
        script.follow(Manners(events=5, pace_ms=2.0))
        if spoil:
            script.chunks = script.chunks[:-1]
        server = await loop.create_server(lambda: Connection(script, loop), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await load.Load(change(order, port)).run()

    def change(order: load.Order, port: int) -> load.Order:
        return load.Order(**{**{name: getattr(order, name) for name in order.__struct_fields__}, "port": port})

    return asyncio.run(both())


def order(**more: object) -> load.Order:
    fields = {"port": 0, "path": "/v1/chat/completions", "headers": {}, "model": "mock", "connections": 4, "requests": 20}
    return load.Order(**(fields | more))  # type: ignore[arg-type]  # the fields are the caller's
