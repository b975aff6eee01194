"""What a storefront is: its manners as a value. Which status an error has, how it is written, what an id looks like."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from tollway.api.lines import Lines
from tollway.domain.errors import TollwayError

Headers = list[tuple[bytes, bytes]]
OPEN: Headers = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"X-Generation-Id,X-Provider-Name,Retry-After,X-RateLimit-Limit,X-RateLimit-Remaining,X-RateLimit-Reset",
    ),
]
"""What a page of any site may read of an answer."""
JSON: Headers = [(b"content-type", b"application/json"), *OPEN]
SSE = b"text/event-stream"


class Storefront(Struct, frozen=True):
    """A family of URLs and its manners (STOREFRONTS.md)."""

    name: str
    processing: str
    """The comment that a stream carries while nothing has come yet; "" is an empty line."""
    show_id: Callable[[str], str]
    """A generation's id -> how this storefront writes it."""
    status_of: Callable[[TollwayError], int]
    error_body: Callable[[TollwayError, int], Any]
    """An object, or what else an error is as JSON."""
    stream_type: bytes = SSE
    """The content type of its streams."""


def facts_of(error: TollwayError) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of an error's facts those that stand in `metadata`, and those that stand beside it (OPENROUTER.md 12.4)."""
    metadata = dict(error.metadata)
    found = metadata.pop("availability", None)
    return metadata, {} if found is None else {"availability": found}


def lines_of(headers: Mapping[str, str]) -> Headers:
    """Headers as they are sent."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


@lru_cache(1024)
def lines_from(provider: str) -> Lines:
    """What every whole answer of this provider, here by its display name, has in its header."""
    return Lines([*JSON, (b"x-provider-name", provider.encode("latin-1", "replace"))])


def error_response(
    storefront: Storefront, error: TollwayError, beside: dict[str, Any] | None = None
) -> tuple[int, Headers, bytes]:
    """An error as this storefront answers it: status, headers, body. `beside`: fields that stand beside the error."""
    status = storefront.status_of(error)
    headers = list(JSON)
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()))
    headers += lines_of(error.headers)
    if error.generation_id is not None:
        headers.append((b"x-generation-id", storefront.show_id(error.generation_id).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    body = storefront.error_body(error, status)
    return status, headers, msgspec.json.encode({**body, **beside} if beside else body)
