"""Images and PDFs from URLs that users give: fetched behind a guard on the address that is really connected to.

The rules are those of FAULTS.md, "SSRF". Nothing of the request goes along: no credential, no cookie, no proxy, and
nothing is read from the environment. The guard is the resolver, which is asked about IP literals too, and a connection
is made to the very address that it let pass: neither a redirect nor a name that changes its mind gets around it.
"""

import asyncio
import base64
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urljoin

from tollway.domain.chat import MediaKind
from tollway.domain.http import Deadlines, FaultKind, HttpRequest
from tollway.upstream.address import is_literal
from tollway.upstream.call import Call
from tollway.upstream.client import UpstreamClient
from tollway.upstream.dns import Resolve, system_addresses
from tollway.upstream.faults import UpstreamFault

DEADLINES = Deadlines(dns_s=5.0, connect_s=5.0, tls_s=5.0, first_event_s=15.0, idle_s=15.0, total_s=15.0)
BYTES_MAX: dict[MediaKind, int] = {"image": 20 * 2**20, "file": 50 * 2**20}
REDIRECTS_MAX = 3
FETCHES_AT_ONCE = 32

_PORTS = (80, 443)
_REDIRECTS = (301, 302, 303, 307, 308)
_UNRESERVED = "%/:?#[]@!$&'()*+,;=~"
_ACCEPT = (("accept", "image/*, application/pdf"), ("user-agent", "Tollway"))

_DENIED: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        *("240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/23", "fc00::/7", "fe80::/10"),
        *("fec0::/10", "5f00::/16", "3fff::/20"),
    )
)
"""Beyond what `ipaddress` calls not global: it passes NAT64, 6to4, v4-compatible and others that lead inside."""


class FetchFailed(Exception):
    """What a URL names can't be had. The message is fit to be shown to whoever gave the URL."""


class Fetcher:
    """Fetches for everybody; belongs to one event loop. `allow`: host names and networks that the operator lets pass,
    private or not, on any port. `resolve`: (host, port) -> IP addresses, instead of the system's."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve = system_addresses) -> None:
        self._guard = Guard(allow, resolve)
        self._client = UpstreamClient(connections_per_origin=4, idle_s=5.0, resolve=self._guard.addresses)
        self._turns = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def data_url(self, url: str, kind: MediaKind) -> str:
        """What the URL names, as a data URL of the type that its first bytes say. FetchFailed."""
        shown = url if len(url) <= 200 else f"{url[:200]}..."
        async with self._turns:
            try:
                data = await self._follow(quote(url, safe=_UNRESERVED), kind)
            except (UpstreamFault, ValueError) as error:
                told = error.message if isinstance(error, UpstreamFault) else str(error)
                raise FetchFailed(f"{shown} could not be fetched: {told}") from None
        media_type = sniff(data)
        if media_type is None or (kind == "image" and not media_type.startswith("image/")):
            wanted = "a PNG, JPEG, WebP or GIF image" if kind == "image" else "a PDF or an image"
            raise FetchFailed(f"{shown} is not {wanted}.")
        encoded = await asyncio.get_running_loop().run_in_executor(None, base64.b64encode, data)
        return f"data:{media_type};base64,{encoded.decode()}"

    async def close(self) -> None:
        """Abort what runs."""
        await self._client.close()

    async def _follow(self, url: str, kind: MediaKind) -> bytes:
        for _ in range(REDIRECTS_MAX + 1):
            with self._client.call(HttpRequest("GET", url, _ACCEPT), DEADLINES) as call:
                await call.start()
                if call.status == 200:
                    return await _body(call, BYTES_MAX[kind])
                if call.status not in _REDIRECTS:
                    raise ValueError(f"the server answered with status {call.status}")
                target = urljoin(url, quote(call.header("location") or "", safe=_UNRESERVED))
            if url.startswith("https:") and not target.startswith("https:"):
                raise ValueError("the server redirects from https to http")
            url = target
        raise ValueError(f"the server redirects more than {REDIRECTS_MAX} times")


class Guard:
    """The one who is asked for addresses, and gives only those that may be connected to."""

    def __init__(self, allow: Iterable[str], resolve: Resolve) -> None:
        self._resolve = resolve
        self._names: set[str] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for text in allow:
            try:
                self._networks.append(ip_network(text))
            except ValueError:
                self._names.add(text.lower())

    async def addresses(self, host: str, port: int) -> list[str]:
        """UpstreamFault: the host, one of its addresses, or the port is not to be connected to."""
        found = [host] if is_literal(host) else await self._resolve(host, port)
        if host.lower() in self._names or (found and all(map(self._is_allowed, found))):
            return found
        if port not in _PORTS:
            raise UpstreamFault(FaultKind.DNS, "only the ports 80 and 443 are fetched from")
        if not all(map(is_public, found)):
            raise UpstreamFault(FaultKind.DNS, "its host is not on the public internet")
        return found

    def _is_allowed(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks)


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet; an IPv4 address inside an IPv6 one is judged as what it is."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not any(ip in each for each in _DENIED)


def sniff(data: bytes) -> str | None:
    """The media type of an image or a PDF by its first bytes (WHATWG, "MIME Sniffing"); None: neither."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "application/pdf" if data.startswith(b"%PDF-") else None


async def _body(call: Call, bytes_max: int) -> bytes:
    pieces: list[bytes] = []
    length = call.header("content-length") or ""
    size = 0
    if length.isdecimal() and int(length) > bytes_max:
        raise ValueError(f"it is larger than {bytes_max // 2**20} MB")
    while piece := await call.chunk():
        size += len(piece)
        if size > bytes_max:
            raise ValueError(f"it is larger than {bytes_max // 2**20} MB")
        pieces.append(piece)
    return b"".join(pieces)
