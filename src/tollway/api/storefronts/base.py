"""What a storefront is: its manners as a value. Which status an error has, how it is written, what an id looks like."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from tollway.domain.errors import TollwayError

Headers = list[tuple[bytes, bytes]]
JSON: Headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]


class Storefront(Struct, frozen=True):
    """A family of URLs and its manners (STOREFRONTS.md)."""

    name: str
    processing: str
    """The comment that a stream carries while nothing has come yet; "" is an empty line."""
    show_id: Callable[[str], str]
    """A generation's id -> how this storefront writes it."""
    status_of: Callable[[TollwayError], int]
    error_body: Callable[[TollwayError, int], dict[str, Any]]


def error_response(storefront: Storefront, error: TollwayError) -> tuple[int, Headers, bytes]:
    """An error as this storefront answers it: status, headers, body."""
    status = storefront.status_of(error)
    headers = list(JSON)
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, round(error.retry_after_s))).encode()))
    if error.generation_id is not None:
        headers.append((b"x-generation-id", storefront.show_id(error.generation_id).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return status, headers, msgspec.json.encode(storefront.error_body(error, status))
