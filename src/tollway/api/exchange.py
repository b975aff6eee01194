"""One request and its answer, as a hot URL's handler sees them; this one speaks ASGI, on any server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tollway.api.head import Head
from tollway.api.lines import NONE, Headers, Lines
from tollway.domain.errors import PayloadTooLarge, UnsupportedMediaType

LINK = "tollway.connection"
"""The key in an ASGI scope's `extensions` under which our server says who knows first that the client has gone."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Callbacks = tuple[Callable[[], None], ...]

logger = logging.getLogger("tollway.api")


class ClientGone(Exception):
    """The client left before its request was complete. Nobody is there to be answered: a handler may let it pass."""


class Exchange:
    """A request, and the one answer to it. Header names are lower case, as in ASGI.

    `started` is true once `respond` or `start` was called: from then on `status` cannot change; it is 0 before.
    `gone` is true once the client has left before the answer was complete; writes are then dropped in silence.
    """

    method: str
    path: str
    query: bytes
    client_host: str | None
    started: bool
    gone: bool
    status: int = 0
    head: Head | None = None
    """Where the server knows a header again that came before."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method = scope["method"]
        self.path = scope["path"]
        self.query = scope["query_string"]
        client = scope.get("client")
        self.client_host = client[0] if client else None
        self.started = False
        self.gone = False
        self._headers: Headers = scope["headers"]
        self._first: dict[bytes, bytes] | None = None
        self._receive = receive
        self._send = send
        self._body_read = False
        self._start_message: dict[str, Any] | None = None
        self._callbacks: Callbacks = ()
        self._watcher: asyncio.Task[None] | None = None
        self._ending = False
        self._finished = False
        self._link: Exchange | None = (scope.get("extensions") or {}).get(LINK)
        if self._link is not None:
            self._link.on_gone(self._lose)

    def header(self, name: bytes) -> str | None:
        """The header's first value, or None. `name` is lower case."""
        if self._first is None:
            self._first = dict(reversed(self._headers))
        value = self._first.get(name)
        return None if value is None else value.decode("latin-1")

    def carries(self, names: frozenset[bytes]) -> bool:
        """Whether it has any of these headers; their names are lower case."""
        if self._first is None:
            self._first = dict(reversed(self._headers))
        return not names.isdisjoint(self._first)

    def values(self, name: bytes) -> list[str]:
        """The values of every header line of this name, in order. `name` is lower case."""
        return [value.decode("latin-1") for each, value in self._headers if each == name]

    def check_body(self, limit: int) -> None:
        """Refuse by the headers alone a body that `body(limit)` would refuse (FAULTS.md, C-2).

        Raises UnsupportedMediaType for any content encoding, PayloadTooLarge for a declared length above `limit` bytes.
        """
        encoding = self.header(b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType(
                f'The request body is encoded as "{encoding[:40]}". Send it plain, without Content-Encoding.'
            )
        declared = self.header(b"content-length")
        if declared is not None and declared.isdecimal() and int(declared) > limit:
            raise too_large(limit)

    async def body(self, limit: int) -> bytes:
        """The whole body, counted while it arrives; call it once.

        Raises PayloadTooLarge above `limit` bytes, UnsupportedMediaType for a content encoding, ClientGone.
        """
        self.check_body(limit)
        body = bytearray()
        while not self._body_read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._lose()
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > limit:
                raise too_large(limit)
            self._body_read = not message.get("more_body", False)
        self._watch()
        return bytes(body)

    async def respond(self, status: int, headers: Headers, body: bytes, usual: Lines = NONE) -> None:
        """The whole answer. Content-Length is added; `headers` must not hold it. `usual`: headers that others have."""
        length = () if status in (204, 304) else ((b"content-length", b"%d" % len(body)),)
        self._begin(status, [*usual.headers, *headers, *length])
        await self._put(body, more=False)

    async def start(self, status: int, headers: Headers) -> None:
        """Begin a stream. The headers wait for the first `write` and leave with it; `write(b"")` sends them alone."""
        self._begin(status, list(headers))
        self._watch()

    async def write(self, data: bytes) -> None:
        """Send a part of the stream; returns when the client keeps up. After a disconnect it does nothing."""
        if not self.started:
            raise RuntimeError("start() comes before write().")
        await self._put(data, more=True)

    async def end(self, data: bytes = b"") -> None:
        """Send the last part and complete the answer. A second call does nothing."""
        if not self.started:
            raise RuntimeError("start() comes before end().")
        await self._put(data, more=False)

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the client leaves before the answer is complete; at once if it already has.

        On a foreign ASGI server it is noticed by a job that waits for the disconnect; that job runs as soon as the
        body has been read or the answer has begun, because only one reader may wait at a time.
        """
        if self.gone:
            callback()
        elif not self._finished:
            self._callbacks += (callback,)
            if self._body_read or self.started:
                self._watch()

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if self.started:
            raise RuntimeError("The answer has already been started.")
        self.started, self.status = True, status
        self._start_message = {"type": "http.response.start", "status": status, "headers": headers}

    async def _put(self, data: bytes, *, more: bool) -> None:
        if self._ending or self.gone:
            return
        held, self._start_message = self._start_message, None
        if not more:
            self._ending = True
            self._stop_watching()  # Once the answer is complete, receive() says "http.disconnect" of any client.
        try:
            if held is not None:
                await self._send(held)
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except OSError:  # ASGI 2.4: send() raises OSError once the client has gone.
            self._lose()
        if not more:
            self._finished = True
            self._callbacks = ()

    def _lose(self) -> None:
        if self.gone or self._finished:
            return
        self.gone = True
        callbacks, self._callbacks = self._callbacks, ()
        call_all(callbacks)

    def _watch(self) -> None:
        if self._link is None and self._callbacks and self._watcher is None and not self._ending:
            self._watcher = asyncio.get_running_loop().create_task(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._lose()

    def _stop_watching(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()


Handler = Callable[[Exchange], Awaitable[None]]


def too_large(limit: int) -> PayloadTooLarge:
    """The error for a body of more than `limit` bytes."""
    return PayloadTooLarge(f"The request body is larger than {limit:,} bytes. Send a smaller one.")


def call_all(callbacks: Sequence[Callable[[], None]]) -> None:
    """Call each of them, whatever the others do: one that fails is logged, and must not keep the rest from knowing."""
    for callback in callbacks:
        try:
            callback()
        except Exception:  # the others have to know all the same: one of them may have to stop a provider
            logger.exception("A callback for a client that left has failed")


def as_asgi(handler: Handler) -> App:
    """The handler as an ASGI application, for the URL table and for servers other than ours."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            await handler(exchange)
        except ClientGone:
            return
        finally:
            exchange._stop_watching()

    return app
