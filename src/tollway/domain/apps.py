"""Apps: who sent a request, as its `HTTP-Referer` and title say (OPENROUTER.md 1.3)."""

from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct


class App(Struct, frozen=True):
    """A site, or a program on somebody's own machine that has a title."""

    id: int
    """A digest of the site or the title, of 48 bits, so that it fits JavaScript's numbers: known without being kept."""
    url: str | None
    """Scheme and host alone: what follows them may be somebody's private page."""
    title: str | None


@lru_cache(4096)
def app_of(referer: str | None, title: str | None) -> App | None:
    """None: the request says of no app. A title without a referer names none; a local referer names none without."""
    if not referer:
        return None
    try:
        parts = urlsplit(referer if "://" in referer else f"https://{referer}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or any(sign.isspace() for sign in host):
        return None
    if _local(host):
        return App(_digest(f"title {title}"), None, title) if title else None
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return App(_digest(place), f"{parts.scheme}://{place}", title)


def _local(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=6).digest())
