"""Seals: a Struct as a text that somebody else keeps for us and that only we can have written."""

import base64
import hmac
from hashlib import sha256
from typing import TypeVar

import msgspec
from msgspec import Struct

Sealed = TypeVar("Sealed", bound=Struct)


def seal(key: bytes, purpose: str, value: Struct) -> str:
    """Signed, not secret. `purpose`: a text of one kind is none of another."""
    payload = base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")
    return f"{payload}.{_sign(key, purpose, payload)}"


def unseal(key: bytes, purpose: str, sealed: str, kind: type[Sealed]) -> Sealed | None:
    """None: not ours, or of another version of ours."""
    payload, _, signature = sealed.partition(".")
    if not sealed.isascii() or not hmac.compare_digest(signature.encode(), _sign(key, purpose, payload).encode()):
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=kind)
    except ValueError:
        return None


def _sign(key: bytes, purpose: str, payload: str) -> str:
    return hmac.new(key, f"{purpose}:{payload}".encode(), sha256).hexdigest()
