"""Webhooks of ours: a signed POST to a URL that a user gave, behind the guard of every such URL."""

import hmac
from collections.abc import Iterable
from hashlib import sha256

from tollway.domain.http import Deadlines, HttpRequest
from tollway.upstream.client import UpstreamClient
from tollway.upstream.dns import Resolve, system_addresses
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.fetch import Guard

DEADLINES = Deadlines(dns_s=5.0, connect_s=5.0, tls_s=5.0, first_event_s=10.0, idle_s=10.0, total_s=15.0)
BODY_MAX = 64 * 1024


class HookFailed(Exception):
    """It was not taken. The message says nothing of what was answered but its status."""


class Webhooks:
    """Belongs to one event loop. Redirects are not followed, and nothing of an answer is kept but its status."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve = system_addresses) -> None:
        guard = Guard(allow, resolve)
        self._client = UpstreamClient(connections_per_origin=4, idle_s=5.0, resolve=guard.addresses, body_max=BODY_MAX)

    async def post(self, url: str, body: bytes, *, id_: str, secret: str, now_s: int) -> None:
        """HookFailed: it can't be reached, may not be, or does not answer with 2xx."""
        headers = (
            ("content-type", "application/json"),
            ("user-agent", "Tollway"),
            ("tollway-delivery", id_),
            ("tollway-signature", signature(body, secret, now_s)),
        )
        try:
            with self._client.call(HttpRequest("POST", url, headers, body), DEADLINES) as call:
                await call.start()
                status = call.status
        except UpstreamFault as error:
            raise HookFailed(f"{error.message[:1].upper()}{error.message[1:]}.") from None
        except ValueError:
            raise HookFailed("The URL can't be asked.") from None
        if not 200 <= status < 300:
            raise HookFailed(f"It answered with status {status}.")

    async def close(self) -> None:
        """Abort what runs."""
        await self._client.close()


def signature(body: bytes, secret: str, now_s: int) -> str:
    """`t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 of "<t>.<body>" by the hook's secret."""
    found = hmac.new(secret.encode(), f"{now_s}.".encode() + body, sha256).hexdigest()
    return f"t={now_s},v1={found}"
