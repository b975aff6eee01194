"""Whose request it is behind a reverse proxy: the nearest address that no proxy of ours has, read from the right."""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from starlette.requests import Request

from tollway.api.exchange import Exchange

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PEERS_MAX = 4096


class Proxies:
    """The reverse proxies that are believed, and the one header in which they say for whom they ask.

    Each proxy adds at the right end the address that it was asked from. So who stands left of the first address that is
    none of our proxies was written by a stranger, and is never looked at (FAULTS.md 4.1; RFC 7239, 8.1).
    """

    def __init__(self, trusted: Sequence[str], header: str) -> None:
        self._networks: list[Network] = [ipaddress.ip_network(each) for each in trusted]
        self._header = header.encode()
        self._split = hops_of_forwarded if header == "forwarded" else hops_of_list
        self._trusts = lru_cache(PEERS_MAX)(self._is_ours)

    def client_of(self, exchange: Exchange) -> str | None:
        """The client's address: who connected, unless that is a proxy of ours which names another."""
        return self.client(exchange.client_host, lambda: exchange.values(self._header))

    def client_of_request(self, request: Request) -> str | None:
        """The same, of one of Starlette's requests."""
        return self.client(peer_of(request), lambda: request.headers.getlist(self._header.decode()))

    def by_https(self, request: Request, public_url: str) -> bool:
        """Whether a request came by https as far as is known, or never left this machine.

        TLS always ends at a proxy before us. One that is believed says what it got; where none is, `public_url` does.
        """
        peer = peer_of(request)
        trusted = bool(self._networks) and peer is not None and self._trusts(peer)
        said = request.headers.getlist("x-forwarded-proto")
        if trusted and said:
            return said[-1].rpartition(",")[2].strip().lower() == "https"
        if public_url.startswith("https:") and (trusted or not self._networks):
            return True
        address = address_in(peer or "")
        return address is not None and address.is_loopback

    def client(self, peer: str | None, lines: Callable[[], Sequence[str]]) -> str | None:
        """`lines` gives the header's, which are read only where who connected is a proxy of ours."""
        if not self._networks or peer is None or not self._trusts(peer):
            return peer
        client = peer
        for hop in self._split(lines()):
            address = address_in(hop)
            if address is None:
                break  # "unknown", or a name that hides it: all that is known is who said so
            client = str(address)
            if not self._trusts(client):
                break
        return client

    def _is_ours(self, host: str) -> bool:
        address = address_in(host)
        return address is not None and any(address in network for network in self._networks)


def peer_of(request: Request) -> str | None:
    """Who connected."""
    return request.client.host if request.client else None


def hops_of_list(lines: Sequence[str]) -> Iterator[str]:
    """`X-Forwarded-For: client, proxy, proxy`, the last first; a second line continues the first (RFC 9110, 5.3)."""
    for line in reversed(lines):
        yield from reversed(line.split(","))


def hops_of_forwarded(lines: Sequence[str]) -> Iterator[str]:
    """The `for` of each element of `Forwarded` (RFC 7239, 4), the last first; "" where one names nobody.

    Quotes are paired from the right, where our proxies write: what a stranger left open further left swallows nothing.
    """
    for line in reversed(lines):
        end = len(line)
        while end >= 0:
            start = _start_of_last(line, end, ",")
            yield _for_of(line[start:end])
            end = start - 1


def _start_of_last(text: str, end: int, separator: str) -> int:
    """Where the last part before `end` begins. A quote without its partner belongs to it, as a plain character."""
    cut = text.rfind(separator, 0, end)
    while (quote := text.rfind('"', cut + 1, end)) >= 0:
        end = text.rfind('"', 0, quote)
        if end < 0:
            break
        if end < cut:  # the separator was a quoted one
            cut = text.rfind(separator, 0, end)
    return cut + 1


def _for_of(element: str) -> str:
    end = len(element)
    while end >= 0:
        start = _start_of_last(element, end, ";")
        name, _, value = element[start:end].partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
        end = start - 1
    return ""


def address_in(hop: str) -> Address | None:
    """`1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80` -> the address; None: it is none.

    An IPv4 address inside IPv6 (`::ffff:1.2.3.4`) is the IPv4 address; a zone (`%eth0`) says nothing of a subscriber.
    """
    host = hop.strip()
    if host.startswith("["):
        host, _, port = host[1:].partition("]")
        if port and not (port.startswith(":") and port[1:].isdecimal()):
            return None
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
        if not port.isdecimal():
            return None
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
