"""The HTTP/1.1 client towards providers: one request, its answer streamed, pooled connections, every fault named."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress

from tollway.domain.http import Deadlines, FaultKind, HttpRequest
from tollway.upstream.address import Address, parse_proxy, parse_url, proxy_for
from tollway.upstream.call import Call
from tollway.upstream.connect import Connector
from tollway.upstream.dns import Resolve, Resolver
from tollway.upstream.encode import encode_request, head_of
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.pool import Origin
from tollway.upstream.watch import Watch

_URLS_MAX = 2048
_CLOSE_S = 2.0


class UpstreamClient:
    """Belongs to one event loop. Redirects are never followed: they would carry the key to another host.

    proxies: `{"https": "http://user:password@host:3128"}`; keys from the nearest to the widest are
    `https://host:port`, `https://host`, `https`, `all`; an empty value means: directly. Nothing is read from the
    environment. resolve: (host, port) -> IP addresses, instead of the system's; it is asked about literals, too.
    body_max: bytes that `Call.read()` takes at most. The head of an answer may have 64 KB.
    """

    def __init__(
        self,
        *,
        connections_per_origin: int = 512,
        idle_s: float = 30.0,
        proxies: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        body_max: int = 64 * 2**20,
    ) -> None:
        self._limit = connections_per_origin
        self._idle_s = idle_s
        self._proxies = {key: parse_proxy(url) for key, url in (proxies or {}).items()}
        self._connector = Connector(Resolver(resolve), ssl_context)
        self._body_max = body_max
        self._origins: dict[Address, Origin] = {}
        self._urls: dict[str, tuple[Origin, str]] = {}
        self._watch = Watch()
        self._closed = False

    def call(self, request: HttpRequest, deadlines: Deadlines) -> Call:
        """A call to enter with `with`; nothing happens before its `start()`."""
        call = Call(self._prepare, self._watch, request, deadlines, self._body_max)
        if request.method == "HEAD":
            call.head_only = True
        return call

    async def close(self) -> None:
        """Abort what runs, close what is idle, and wait until the sockets have closed."""
        self._closed = True
        for call in tuple(self._watch.calls):
            call.abort(UpstreamFault(FaultKind.ABORTED, "the client was closed"))
        self._watch.close()
        for origin in self._origins.values():
            origin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                while self.open_connections:  # noqa: ASYNC110 - once, for a turn or two; an Event would cost every call
                    await asyncio.sleep(0.001)

    @property
    def open_connections(self) -> int:
        """Sockets that are open or being opened."""
        return sum(origin.slots for origin in self._origins.values())

    @property
    def idle_connections(self) -> int:
        """Sockets that wait for their next request."""
        return sum(len(origin.idle) for origin in self._origins.values())

    def _prepare(self, request: HttpRequest) -> tuple[Origin, bytes]:
        origin, head = self._urls.get(request.url) or self._learn(request.url)
        if self._closed:
            raise UpstreamFault(FaultKind.ABORTED, "the client was closed")
        return origin, encode_request(request, head)

    def _learn(self, url: str) -> tuple[Origin, str]:
        scheme, host, port, path = parse_url(url)
        address = Address(scheme, host, port, proxy_for(self._proxies, scheme, host, port))
        if len(self._urls) >= _URLS_MAX:
            # URLs that users give are without end; what is in use is learned again at once.
            self._urls.clear()
            self._origins = {key: origin for key, origin in self._origins.items() if origin.slots or origin.waiting}
        origin = self._origins.get(address)
        if origin is None:
            origin = Origin(address, self._connector.open, limit=self._limit, idle_s=self._idle_s)
            self._origins[address] = origin
        known = self._urls[url] = (origin, head_of(address, path))
        return known
