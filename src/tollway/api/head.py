"""Which request headers are refused, and in which words (RFC 9112)."""

from collections.abc import Sequence

from tollway.api.server_limits import ServerLimits

WATCHED = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect"))
"""Headers that decide where a request ends, or whom it is for; each may be sent once."""


def fault_of(
    method: bytes,
    version: str,
    url: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    watched: Sequence[tuple[bytes, bytes]],
    limits: ServerLimits,
    *,
    short: bool = False,
) -> tuple[int, str] | None:
    """Status and message of a refusal, or None. `watched` are those of the `headers` that are in WATCHED.

    `short`: the whole header came in fewer bytes than it may have, so that nobody need count them.
    """
    if version not in ("1.1", "1.0"):
        return 505, "This server speaks HTTP/1.1."
    if method == b"CONNECT":
        return 405, f"{method.decode()} is not served here."
    if not short and len(url) + sum([len(name) + len(value) + 4 for name, value in headers]) > limits.header_bytes:
        return 431, header_too_large(limits)
    names = dict(watched)
    if len(names) != len(watched):
        return 400, "Host, Content-Length, Transfer-Encoding and Expect may each be sent once."
    if version == "1.1" and b"host" not in names:
        return 400, "An HTTP/1.1 request needs a Host header."
    for name, value in watched:
        if name == b"transfer-encoding":
            # Two ways to say where a body ends are how requests are smuggled past a proxy (RFC 9112, 6.1 and 11.2).
            if version == "1.0" or b"content-length" in names:
                return 400, "Transfer-Encoding may come neither with Content-Length nor with HTTP/1.0."
            if value.strip().lower() != b"chunked":
                return 501, "The only Transfer-Encoding that is understood here is chunked."
        elif name == b"content-length" and int(value) > limits.body_bytes:
            return 413, body_too_large(limits)
        elif name == b"expect" and value.strip().lower() != b"100-continue":
            return 417, "The only Expect that can be met here is 100-continue."
    return None


def header_too_large(limits: ServerLimits) -> str:
    """The message of a 431."""
    return f"The request's header is larger than {limits.header_bytes:,} bytes."


def body_too_large(limits: ServerLimits) -> str:
    """The message of a 413."""
    return f"The request body is larger than {limits.body_bytes:,} bytes. Send a smaller one."
