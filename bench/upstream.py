"""The mock upstream: answers at once with bytes made beforehand, or streams them at a pace. One process, uvloop."""

import asyncio
import sys
from collections.abc import Callable
from typing import cast

import httptools
import msgspec
import uvloop

from bench import payload

_BACKLOG = 8192


class Manners(msgspec.Struct, frozen=True):
    """How the next streams come. PUT to /control; `pace_ms` 0 means the whole body in one write."""

    events: int = 50
    pace_ms: float = 20.0


class Counts(msgspec.Struct):
    """What has been asked for since the start."""

    answers: int = 0
    streams: int = 0
    events: int = 0


class _Asked(msgspec.Struct):
    """All that the mock reads of a chat request."""

    stream: bool = False


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


ANSWER = _response("200 OK", "application/json", payload.ANSWER)
MODELS = _response(
    "200 OK",
    "application/json",
    msgspec.json.encode(
        {"object": "list", "data": [{"id": payload.UPSTREAM_MODEL, "object": "model", "owned_by": "bench"}]}
    ),
)
NOT_FOUND = _response(
    "404 Not Found", "application/json", b'{"error":{"message":"no such URL","type":"invalid_request_error"}}'
)
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


class Stream(msgspec.Struct, frozen=True):
    """A stream's bytes: its head with the first event, the other events, and its end."""

    first: bytes
    chunks: tuple[bytes, ...]
    last: bytes

    @property
    def whole(self) -> bytes:
        return self.first + b"".join(self.chunks) + self.last


def _stream(head: bytes, events: list[bytes], tail: bytes) -> Stream:
    first, *others = events
    return Stream(STREAM_HEAD + _chunk(head + first), tuple(map(_chunk, others)), _chunk(tail) + b"0\r\n\r\n")


class Script:
    """The streams' bytes, made once for each change of manners."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.follow(Manners())

    def follow(self, manners: Manners) -> None:
        """From now on streams come like this; those under way go on as they began."""
        self.pace_s = manners.pace_ms / 1000
        self.chat = _stream(b"", payload.content_events(manners.events), payload.tail())
        self.messages = _stream(payload.message_head(), payload.message_events(manners.events), payload.message_tail())
        self.events = manners.events + payload.TAIL_EVENTS


class Connection(asyncio.Protocol):
    """One caller's connection: one request at a time, kept alive."""

    def __init__(self, script: Script, loop: asyncio.AbstractEventLoop) -> None:
        self._script = script
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._url = b""
        self._body = bytearray()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has the methods without being a subclass.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        method, url, body = self._parser.get_method(), self._url, bytes(self._body)
        self._url, self._body = b"", bytearray()
        answer = _URLS.get((method, url))
        if answer is None:
            self._transport.write(NOT_FOUND)
        else:
            answer(self, body)

    def chat(self, body: bytes) -> None:
        """POST /v1/chat/completions."""
        if msgspec.json.decode(body, type=_Asked).stream:
            self._play(self._script.chat)
        else:
            self._script.counts.answers += 1
            self._transport.write(ANSWER)

    def messages(self, body: bytes) -> None:
        """POST /v1/messages: streams only."""
        self._play(self._script.messages)

    def _play(self, stream: Stream) -> None:
        script = self._script
        script.counts.streams += 1
        script.counts.events += script.events
        if not script.pace_s:
            self._transport.write(stream.whole)
            return
        self._transport.write(stream.first)
        self._next(stream, 0, self._loop.time(), script.pace_s)

    def _next(self, stream: Stream, position: int, started: float, pace_s: float) -> None:
        # Each event is due at a time counted from the first, so that lateness does not add up.
        due = started + (position + 1) * pace_s
        self._timer = self._loop.call_at(due, self._write, stream, position, started, pace_s)

    def _write(self, stream: Stream, position: int, started: float, pace_s: float) -> None:
        self._timer = None
        if position == len(stream.chunks):
            self._transport.write(stream.last)
            return
        self._transport.write(stream.chunks[position])
        self._next(stream, position + 1, started, pace_s)

    def models(self, body: bytes) -> None:
        """GET /v1/models."""
        self._transport.write(MODELS)

    def control(self, body: bytes) -> None:
        """PUT /control: how the next streams come."""
        self._script.follow(msgspec.json.decode(body, type=Manners))
        self._transport.write(NO_CONTENT)

    def count(self, body: bytes) -> None:
        """GET /count: what was asked for so far."""
        self._transport.write(_response("200 OK", "application/json", msgspec.json.encode(self._script.counts)))


_URLS: dict[tuple[bytes, bytes], Callable[[Connection, bytes], None]] = {
    (b"POST", b"/v1/chat/completions"): Connection.chat,
    (b"POST", b"/v1/messages"): Connection.messages,
    (b"GET", b"/v1/models"): Connection.models,
    (b"PUT", b"/control"): Connection.control,
    (b"GET", b"/count"): Connection.count,
}


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until the process is ended."""
    loop = asyncio.get_running_loop()
    script = Script()
    server = await loop.create_server(lambda: Connection(script, loop), "127.0.0.1", port, backlog=_BACKLOG)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
