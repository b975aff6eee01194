"""Passkeys: public keys by which users sign in (WebAuthn), and the host name that they are made for."""

import ipaddress
from urllib.parse import urlsplit

from msgspec import Struct

NAME_MAX = 60
PASSKEYS_MAX = 20
"""Of a user."""


class Passkey(Struct, frozen=True):
    """One of a user's."""

    id: str
    user_id: str
    rp_id: str
    """The host name that it was made for: browsers offer it nowhere else."""
    credential_id: str
    """The authenticator's own name for it, as base64url."""
    public_key: str
    """COSE (RFC 9052), as base64url."""
    name: str
    sign_count: int
    """What its authenticator counted when it was last used; those that keep it on several devices do not count: 0."""
    synced: bool
    """Whether it is on several devices."""
    created_ms: int
    used_ms: int | None = None


class Place(Struct, frozen=True):
    """Where passkeys are made and used: WebAuthn's relying party."""

    rp_id: str
    origin: str
    """As browsers write it: without the port where that is the scheme's own."""


def place_of(public_url: str) -> Place | None:
    """None: no browser would make a passkey there. It wants https or localhost, and a name, no address."""
    parts = urlsplit(public_url)
    try:
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except (UnicodeError, ValueError):
        return None
    if not host or _is_address(host):
        return None
    if parts.scheme != "https" and host != "localhost" and not host.endswith(".localhost"):
        return None
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return Place(host, f"{parts.scheme}://{host}" if port in (None, usual) else f"{parts.scheme}://{host}:{port}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
