"""A request as the bytes that go out, in one piece; what could smuggle a second request in is refused."""

import re
from functools import lru_cache
from typing import NoReturn

from tollway.domain.http import HttpRequest
from tollway.upstream.address import Address, bracketed

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # these say so even when the body is empty (RFC 9110, 8.6)
_OURS = frozenset({"host", "content-length", "accept-encoding", "transfer-encoding", "connection", "expect", "upgrade"})
_NAMES: set[str] = set()
_NAMES_MAX = 1024
_HEADS_MAX = 1024


def head_of(address: Address, path: str) -> str:
    """The part of the head that one URL always has: everything after the method, to the end of Accept-Encoding."""
    default = 443 if address.scheme == "https" else 80
    host = bracketed(address.host) if address.port == default else address.authority
    target, extra = path, ""
    if address.proxy is not None and address.scheme == "http":
        target = f"http://{host}{path}"
        if address.proxy.authorization:
            extra = f"proxy-authorization: {address.proxy.authorization}\r\n"
    # Identity only: an encoded body can be a thousand times what was counted on the wire (FAULTS.md, finding 5).
    return f" {target} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n{extra}"


def encode_request(request: HttpRequest, head: str) -> bytes:
    """Head and body. ValueError, which names a header but never shows its value, when one cannot be sent."""
    method, body = request.method, request.body
    fixed = _fixed(method, head, request.headers)
    if body or method in _WITH_BODY:
        return b"%bcontent-length: %d\r\n\r\n%b" % (fixed, len(body), body)
    return fixed + b"\r\n"


@lru_cache(_HEADS_MAX)
def _fixed(method: str, head: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """The head without its Content-Length: but for signed requests, an endpoint's is always the same."""
    if method not in _METHODS:
        raise ValueError(f"{method!r} is not a method that we send.")
    lines = []
    for name, value in headers:
        if name not in _NAMES:
            _admit(name)
        lines.append(f"{name}: {value}\r\n")
    fields = "".join(lines)
    # Each line ends in one CR LF of ours, so any more of either came with a value.
    if fields.count("\r") != len(lines) or fields.count("\n") != len(lines) or "\0" in fields:
        _refuse(headers)
    # Some providers' edges turn away a request that does not say who sends it.
    agent = "" if "ser-agent: " in fields or "ser-Agent: " in fields else "user-agent: tollway\r\n"
    try:
        return f"{method}{head}{fields}{agent}".encode("latin-1")
    except UnicodeEncodeError:
        _refuse(headers)


def _admit(name: str) -> None:
    """Remember a header name that we may send; there are few of them, so that this runs once for each."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("A header's name holds a character that no header's name may hold.")
    if name.lower() in _OURS:
        raise ValueError(f"The header {name!r} is written by the client itself: leave it out.")
    if len(_NAMES) >= _NAMES_MAX:
        _NAMES.clear()
    _NAMES.add(name)


def _refuse(headers: tuple[tuple[str, str], ...]) -> NoReturn:
    for name, value in headers:
        if not value.isprintable() or not value.isascii():
            raise ValueError(f"The header {name!r} holds CR, LF, NUL or a letter outside Latin-1.") from None
    raise ValueError("A header holds a character that cannot be sent.")
