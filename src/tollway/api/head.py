"""A request's header: which are refused, and in which words (RFC 9112); and one that came before, known again."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tollway.api.server_limits import ServerLimits
from tollway.domain.identity import Caller

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


class Head:
    """A request's header, read.

    Clients that keep a connection send the same header again and again, but for the length of the body. Once `learn`
    has seen its bytes, `body_of` knows it by them: what was read of it, and worked out from it, holds again.
    """

    __slots__ = (
        "_after",
        "_before",
        "_fixed",
        "caller",
        "carried",
        "first",
        "handler",
        "headers",
        "http_10",
        "keep_alive",
        "method",
        "path",
        "query",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        *,
        keep_alive: bool,
        http_10: bool,
        handler: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive
        self.http_10 = http_10
        self.handler = handler
        """Of a hot URL."""
        self.first: dict[bytes, bytes] | None = None
        """Each header's first value, where it has been worked out."""
        self.caller: Caller | None = None
        """Who was authenticated by it. A key may have been revoked since."""
        self.carried: dict[frozenset[bytes], bool] = {}
        """Whether it has any of these headers, where somebody has asked."""
        self._before = self._after = b""
        self._fixed = 0

    def learn(self, data: bytes, body_bytes: int) -> bool:
        """Whether `body_of` will know it again. `data` is the whole request, whose body has `body_bytes`.

        Only where Content-Length says, once, where the body ends: what a client wrote into a body that came in chunks
        must never be read as a header.
        """
        framing = [line for line in self.headers if line[0] in FRAMING]
        raw = data[: data.find(b"\r\n\r\n") + 4]
        at = raw.lower().find(LENGTH)
        if at < 0 or not self.keep_alive or len(raw) + body_bytes != len(data):
            return False
        start = at + len(LENGTH)
        end = raw.find(b"\r", start)
        value = raw[start:end]
        digits = value.strip(b" \t")
        if framing != [(b"content-length", digits)] or not digits.isdigit() or int(digits) != body_bytes:
            return False
        start += value.find(digits)
        self._before, self._after = raw[:start], raw[start + len(digits) :]
        self._fixed = len(raw) - len(digits)
        self.carried = {}
        self.headers = [line for line in self.headers if line[0] != b"content-length"]  # the next one has another
        self.first = dict(reversed(self.headers))
        return True

    def body_of(self, data: bytes) -> bytes | None:
        """The body of a whole request that begins with this very header; None: it has another, or is not whole."""
        # What is left are the digits and the body. One just shorter than a power of ten is not found so, but read anew.
        rest = len(data) - self._fixed
        size = rest - len(str(rest))
        head = b"%b%d%b" % (self._before, size, self._after)
        start = len(data) - size
        return data[start:] if len(head) == start and data.startswith(head) else None


FRAMING = frozenset((b"content-length", b"transfer-encoding"))
"""Headers that say where a body ends."""
LENGTH = b"\r\ncontent-length:"


def header_too_large(limits: ServerLimits) -> str:
    """The message of a 431."""
    return f"The request's header is larger than {limits.header_bytes:,} bytes."


def body_too_large(limits: ServerLimits) -> str:
    """The message of a 413."""
    return f"The request body is larger than {limits.body_bytes:,} bytes. Send a smaller one."
