"""Names to addresses: asked once for all who wait, remembered for a minute, and for ten while the name servers fail."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from socket import SOCK_STREAM

from tollway.domain.http import FaultKind
from tollway.upstream.address import is_literal
from tollway.upstream.faults import UpstreamFault

Resolve = Callable[[str, int], Awaitable[list[str]]]

# FAULTS.md, U-1.
FRESH_S = 60.0
FAILED_S = 5.0
LAST_GOOD_S = 600.0
_NAMES_MAX = 4096


@dataclass(slots=True)
class _Known:
    """What is known of one name; times are the loop's."""

    addresses: list[str]
    good_s: float
    ask_again_s: float


class Resolver:
    """`resolve`, when given, is asked about IP literals as well, so that a guard in it sees every address we go to."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve: Resolve = resolve or system_addresses
        self._literals_pass = resolve is None
        self._known: dict[tuple[str, int], _Known] = {}
        self._asking: dict[tuple[str, int], asyncio.Future[None]] = {}

    async def addresses(self, host: str, port: int, dns_s: float) -> list[str]:
        """IP addresses in the order in which to try them. UpstreamFault(DNS) when there are none and never were."""
        if self._literals_pass and is_literal(host):
            return [host]
        name = (host, port)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(dns_s):
                while (known := self._known.get(name)) is None or loop.time() >= known.ask_again_s:
                    asking = self._asking.get(name)
                    if asking is None:
                        await self._ask(name, loop)
                    else:
                        # Shielded: one waiter's cancellation must not cancel what the others wait for.
                        await asyncio.shield(asking)
        except TimeoutError:
            known = self._failed(name, loop.time())
        if known.addresses and loop.time() - known.good_s <= LAST_GOOD_S:
            return known.addresses
        raise UpstreamFault(FaultKind.DNS, f"no address for {host}: the name servers failed or do not know it")

    async def _ask(self, name: tuple[str, int], loop: asyncio.AbstractEventLoop) -> None:
        asking = self._asking[name] = loop.create_future()
        try:
            addresses = await self._resolve(*name)
            if not addresses:
                raise OSError("no address")
            if len(self._known) >= _NAMES_MAX:
                self._known.clear()
            now = loop.time()
            self._known[name] = _Known(addresses, now, now + FRESH_S)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            self._failed(name, loop.time())
        finally:
            del self._asking[name]
            if not asking.done():
                asking.set_result(None)

    def _failed(self, name: tuple[str, int], now: float) -> _Known:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _Known([], 0.0, 0.0)
        known.ask_again_s = now + FAILED_S
        return known


async def system_addresses(host: str, port: int) -> list[str]:
    """The system's name service: addresses in its order, each once. OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
