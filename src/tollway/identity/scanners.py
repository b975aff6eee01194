"""Scanners of public code: whether a report of leaked keys is theirs, by their ECDSA signature of the raw body."""

import base64
import binascii
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Struct

from tollway.domain.errors import Unauthenticated, Unavailable
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.leaks import SecretScanning
from tollway.upstream.client import UpstreamClient
from tollway.upstream.dns import Resolve, system_addresses
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.fetch import Guard

DEADLINES = Deadlines(dns_s=5.0, connect_s=5.0, tls_s=5.0, first_event_s=10.0, idle_s=10.0, total_s=15.0)
LIST_MAX = 256 * 1024
AGAIN_S = 60.0
"""The list is read again for a key that is not in it, this often at most: anybody can invent a key's name."""
NOT_SIGNED = "This is not signed by a scanner that is known here."


class _PublicKey(Struct):
    key_identifier: str
    key: str


class _PublicKeys(Struct):
    public_keys: list[_PublicKey]


class Scanners:
    """Public keys: those that are configured, and those of the list, which is kept in memory."""

    def __init__(
        self,
        settings: SecretScanning,
        now_s: Callable[[], float],
        *,
        allow: Iterable[str] = (),
        resolve: Resolve = system_addresses,
    ) -> None:
        self._settings = settings
        self._now_s = now_s
        guard = Guard([*allow, urlsplit(settings.url or "").hostname or ""], resolve)
        self._client = UpstreamClient(connections_per_origin=1, idle_s=5.0, resolve=guard.addresses, body_max=LIST_MAX)
        self._listed: dict[str, str] = {}
        self._read_s: float | None = None

    async def check(self, body: bytes, key_id: str, signature: str) -> None:
        """`signature`: base64 of ECDSA P-256 with SHA-256 over the raw body, as DER.

        Unauthenticated: by nobody whom we know, or of another body. Unavailable: the list of keys can't be read.
        """
        pem = await self._find(key_id) if key_id and signature else None
        if pem is None:
            raise Unauthenticated(NOT_SIGNED)
        try:
            key = load_pem_public_key(pem.encode())
            if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
                raise Unauthenticated(NOT_SIGNED)
            key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, binascii.Error, ValueError):
            raise Unauthenticated(NOT_SIGNED) from None

    async def close(self) -> None:
        """Abort what runs."""
        await self._client.close()

    async def _find(self, key_id: str) -> str | None:
        if (pem := self._settings.keys.get(key_id) or self._listed.get(key_id)) is not None:
            return pem
        if self._settings.url is None or (self._read_s is not None and self._now_s() - self._read_s < AGAIN_S):
            return None
        self._listed = await self._read(self._settings.url)
        self._read_s = self._now_s()
        return self._listed.get(key_id)

    async def _read(self, url: str) -> dict[str, str]:
        headers = (("accept", "application/json"), ("user-agent", "tollway"))
        try:
            with self._client.call(HttpRequest("GET", url, headers), DEADLINES) as call:
                await call.start()
                body = await call.read()
                if call.status != 200:
                    raise Unavailable(f"The scanner's keys can't be read: status {call.status}.", retry_after_s=60)
            found = msgspec.json.decode(body, type=_PublicKeys)
        except (UpstreamFault, msgspec.DecodeError, ValueError) as error:
            raise Unavailable("The scanner's keys can't be read just now.", retry_after_s=60) from error
        return {each.key_identifier: each.key for each in found.public_keys}
