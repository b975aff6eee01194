"""An authenticator in software: it makes passkeys and signs with them, and lies as it is told."""

import base64
import json
import secrets
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Lies(Struct, frozen=True):
    """What is wrong with an answer."""

    origin: str | None = None
    rp_id: str | None = None
    challenge: str | None = None
    user: str | None = None
    kind: str | None = None
    verified: bool = True
    present: bool = True
    signature: bytes | None = None
    other_key: bool = False
    """Signed with another key than the one that was registered."""


HONEST = Lies()


class SoftAuthenticator:
    """One passkey, for whoever it was made for. It counts each signature, unless `count` is None."""

    def __init__(self, origin: str, rp_id: str, count: int | None = 0) -> None:
        self._origin = origin
        self._rp_id = rp_id
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.id = text_of(secrets.token_bytes(16))
        self.count = count
        self.user = ""

    def make(self, options: dict[str, Any], lies: Lies = HONEST, *, key: bytes | None = None) -> dict[str, Any]:
        """What `navigator.credentials.create()` gives, as our script sends it. `key`: these bytes as the public key."""
        self.user = options["user"]["id"]
        raw = bytes_of(self.id)
        public = self._public() if key is None else key
        attested = bytes(16) + len(raw).to_bytes(2) + raw + public
        data = self._data(lies, ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client(options, lies, "webauthn.create")
        response = {"clientDataJSON": text_of(client), "attestationObject": text_of(attestation)}
        return {"id": self.id, "rawId": self.id, "type": "public-key", "response": response}

    def sign(self, options: dict[str, Any], lies: Lies = HONEST) -> dict[str, Any]:
        """What `navigator.credentials.get()` gives."""
        if self.count is not None:
            self.count += 1
        data, client = self._data(lies, 0), self._client(options, lies, "webauthn.get")
        key = ec.generate_private_key(ec.SECP256R1()) if lies.other_key else self._key
        signature = key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": text_of(client),
            "authenticatorData": text_of(data),
            "signature": text_of(signature if lies.signature is None else lies.signature),
            "userHandle": self.user if lies.user is None else lies.user,
        }
        return {"id": self.id, "rawId": self.id, "type": "public-key", "response": response}

    def _public(self) -> bytes:
        """COSE: EC2, ES256, P-256, x, y (RFC 9053, section 7.1.1)."""
        numbers = self._key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})

    def _data(self, lies: Lies, flags: int) -> bytes:
        """Authenticator data (WebAuthn, section 6.1)."""
        flags |= (PRESENT if lies.present else 0) | (VERIFIED if lies.verified else 0)
        digest = sha256((lies.rp_id or self._rp_id).encode()).digest()
        return digest + bytes([flags]) + (self.count or 0).to_bytes(4)

    def _client(self, options: dict[str, Any], lies: Lies, kind: str) -> bytes:
        said = {
            "type": lies.kind or kind,
            "challenge": lies.challenge or options["challenge"],
            "origin": lies.origin or self._origin,
            "crossOrigin": False,
        }
        return json.dumps(said).encode()


def text_of(found: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(found).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
