"""HTTP as data: a request to a provider, its deadlines, and the ways in which it can fail."""

from enum import StrEnum

from msgspec import Struct

JSON = (("content-type", "application/json"),)
"""The headers of a body in JSON."""


class HttpRequest(Struct, frozen=True):
    """One request to a provider. `headers` hold no Host, Content-Length or Accept-Encoding: the client writes these."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Deadlines(Struct, frozen=True):
    """Seconds. `first_event_s` counts from the request to the first `progress()`, `idle_s` between two of them."""

    dns_s: float = 2.0
    connect_s: float = 3.0
    tls_s: float = 3.0
    first_event_s: float = 60.0
    idle_s: float = 30.0
    total_s: float = 1800.0


class FaultKind(StrEnum):
    """Why a call to a provider failed below HTTP (FAULTS.md, section 2)."""

    DNS = "dns"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    RESET = "reset"  # the connection died while the request was being sent
    UNKNOWN_OUTCOME = "unknown_outcome"  # it died after the request was sent, before a byte of the answer
    TRUNCATED = "truncated"  # it died inside the answer
    FIRST_EVENT_TIMEOUT = "first_event_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    TOO_LARGE = "too_large"
    ENCODED = "encoded"  # a content encoding that we did not ask for
    PROTOCOL = "protocol"  # not HTTP/1.1 as RFC 9112 has it
    ABORTED = "aborted"  # we gave up on purpose
