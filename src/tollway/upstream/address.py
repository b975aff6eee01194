"""Where a request goes: the URL and the proxies of the configuration, checked once, as scheme, host, port and way."""

import base64
from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """An HTTP proxy. `authorization` is a secret: neither repr nor any message shows it."""

    host: str
    port: int
    authorization: str

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


class Address(NamedTuple):
    """What connections are pooled by."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None

    @property
    def authority(self) -> str:
        """`host:port`, as CONNECT and messages want it."""
        return f"{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """An IPv6 literal needs brackets wherever a port may follow (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def is_literal(host: str) -> bool:
    """An IP address, which no name server is asked about."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def parse_url(url: str) -> tuple[str, str, int, str]:
    """A URL -> scheme, host, port, path with query. ValueError, which does not repeat the URL: it may hold a key."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("A provider's URL holds a blank, a control character or a non-ASCII letter: escape it.")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("A provider's URL must start with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise ValueError("A provider's URL holds a user or a password: give the credential as a header instead.")
    host = parts.hostname
    if not host:
        raise ValueError("A provider's URL has no host.")
    path = parts.path or "/"
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path


def parse_proxy(url: str) -> Proxy | None:
    """`http://user:password@host:port` -> Proxy; an empty string means: directly."""
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("A proxy must be given as http://[user:password@]host[:port].")
    authorization = ""
    if parts.username is not None:
        plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(plain.encode()).decode()
    return Proxy(parts.hostname, parts.port or 80, authorization)


def proxy_for(proxies: Mapping[str, Proxy | None], scheme: str, host: str, port: int) -> Proxy | None:
    """The nearest rule wins: `https://host:port`, `https://host`, `https`, `all`; no rule means: directly."""
    name = bracketed(host)
    for key in (f"{scheme}://{name}:{port}", f"{scheme}://{name}", scheme, "all"):
        if key in proxies:
            return proxies[key]
    return None
