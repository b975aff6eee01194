"""From an address to an open connection: name, TCP to each address in turn, the proxy's tunnel, TLS."""

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar

from tollway.domain.http import Deadlines, FaultKind
from tollway.upstream.address import Address
from tollway.upstream.connection import Connection
from tollway.upstream.dns import Resolver
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.outbox import Outbox
from tollway.upstream.tunnel import Tunnel

_TRY_S = 1.0
"""Each address gets this long at least, so that many addresses do not make each try hopeless."""

P = TypeVar("P", bound=asyncio.Protocol)


class Connector:
    """Verification is never off: a context from outside is the operator's to answer for."""

    def __init__(self, resolver: Resolver, ssl_context: ssl.SSLContext | None) -> None:
        self._resolver = resolver
        self._ssl_context = ssl_context
        self._outbox = Outbox()

    async def open(self, address: Address, deadlines: Deadlines) -> Connection:
        """UpstreamFault: DNS, CONNECT_REFUSED, CONNECT_TIMEOUT, TLS, or PROTOCOL from a proxy. Leaves no socket."""
        way = address.proxy or address
        ips = await self._resolver.addresses(way.host, way.port, deadlines.dns_s)
        name = address.authority
        if address.scheme == "http":
            _, plain = await _tcp(lambda: Connection(name, self._outbox), ips, way.port, deadlines.connect_s, name)
            return plain
        started_s = asyncio.get_running_loop().time()
        raw, tunnel = await _tcp(Tunnel, ips, way.port, deadlines.connect_s, name)
        try:
            if address.proxy is not None:
                left_s = started_s + deadlines.connect_s - asyncio.get_running_loop().time()
                try:
                    async with asyncio.timeout(left_s):
                        await tunnel.open(raw, address)
                except TimeoutError:
                    raise UpstreamFault(
                        FaultKind.CONNECT_TIMEOUT, f"the proxy {address.proxy} opened no way to {name} in time"
                    ) from None
            # So that "sent" means the kernel has it, not that it waits in the transport below TLS.
            raw.set_write_buffer_limits(high=0)
            return await self._encrypt(raw, address, deadlines.tls_s)
        except BaseException:  # cancelled or failed, the socket must not stay open; passed on at once
            raw.abort()
            raise

    async def _encrypt(self, raw: asyncio.Transport, address: Address, tls_s: float) -> Connection:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        connection = Connection(address.authority, self._outbox)
        name = address.authority
        try:
            async with asyncio.timeout(tls_s):
                transport = await asyncio.get_running_loop().start_tls(
                    raw, connection, self._ssl_context, server_hostname=address.host
                )
        except TimeoutError:
            raise UpstreamFault(FaultKind.TLS, f"TLS with {name} took longer than {tls_s:g} s") from None
        except ssl.SSLError as error:
            # OpenSSL's words are about the certificate or the protocol; they hold no data of the exchange.
            reason = getattr(error, "verify_message", "") or error.reason or "handshake failed"
            raise UpstreamFault(FaultKind.TLS, f"TLS with {name} failed: {reason}") from None
        except OSError:
            raise UpstreamFault(FaultKind.TLS, f"{name} closed the connection during the TLS handshake") from None
        if transport is None or connection.closed:
            raise UpstreamFault(FaultKind.TLS, f"{name} closed the connection during the TLS handshake")
        connection.attach(transport)
        return connection


async def _tcp(
    factory: Callable[[], P], ips: list[str], port: int, connect_s: float, name: str
) -> tuple[asyncio.Transport, P]:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + connect_s
    fault: UpstreamFault | None = None
    for position, ip in enumerate(ips):
        left_s = until_s - loop.time()
        if left_s <= 0:
            break
        try:
            async with asyncio.timeout(max(left_s / (len(ips) - position), min(left_s, _TRY_S))):
                return await loop.create_connection(factory, ip, port)
        except TimeoutError:
            fault = UpstreamFault(FaultKind.CONNECT_TIMEOUT, f"connecting to {name} took longer than {connect_s:g} s")
        except OSError as error:
            fault = UpstreamFault(
                FaultKind.CONNECT_REFUSED, f"cannot connect to {name}: {error.strerror or 'refused or unreachable'}"
            )
    raise fault or UpstreamFault(FaultKind.CONNECT_TIMEOUT, f"connecting to {name} took longer than {connect_s:g} s")
