"""Signatures of reasoning: opaque to callers, and refused when they come back changed or from elsewhere."""

import base64
import binascii
from hashlib import sha256

_MARK = b"simulated-reasoning:"


def sign(kind: str, signed: str = "") -> str:
    """What a provider of the format `kind` gives out with its reasoning; `signed` is the text that it vouches for."""
    return base64.b64encode(_MARK + sha256(f"{kind}:{signed}".encode()).digest()).decode()


def is_signed(kind: str, signature: str, signed: str = "") -> bool:
    """Whether this is the signature that `sign` gave for that text."""
    try:
        found = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return found == _MARK + sha256(f"{kind}:{signed}".encode()).digest()
