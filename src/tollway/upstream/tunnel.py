"""The CONNECT handshake with an HTTP proxy, before TLS begins inside it (RFC 9110, 9.3.6)."""

import asyncio

from tollway.domain.http import FaultKind
from tollway.upstream.address import Address
from tollway.upstream.faults import UpstreamFault

_ANSWER_BYTES_MAX = 16 * 1024


class Tunnel(asyncio.Protocol):
    """Reads the proxy's answer to CONNECT; the answer is a head and nothing after it."""

    def __init__(self) -> None:
        self._answer = b""
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    async def open(self, transport: asyncio.Transport, address: Address) -> None:
        """Ask the proxy for a way to `address`; UpstreamFault when it gives none."""
        authority = address.authority
        head = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n"
        if address.proxy is not None and address.proxy.authorization:
            head += f"proxy-authorization: {address.proxy.authorization}\r\n"
        transport.write(f"{head}\r\n".encode("latin-1"))
        while b"\r\n\r\n" not in self._answer:
            if self._ended or len(self._answer) > _ANSWER_BYTES_MAX:
                raise UpstreamFault(FaultKind.CONNECT_REFUSED, f"the proxy {address.proxy} gave no answer to CONNECT")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        status, rest = self._answer.split(b"\r\n", 1)[0], self._answer.split(b"\r\n\r\n", 1)[1]
        words = status.split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit() or rest:
            raise UpstreamFault(FaultKind.PROTOCOL, f"the proxy {address.proxy} does not speak HTTP/1.1")
        if not words[1].startswith(b"2") or len(words[1]) != 3:
            raise UpstreamFault(
                FaultKind.CONNECT_REFUSED,
                f"the proxy {address.proxy} refused a way to {authority} with status {int(words[1])}",
            )

    def data_received(self, data: bytes) -> None:
        self._answer += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
