"""Google's manners, on /v1beta: an error is a code, a message and a status in words."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from msgspec import structs

from tollway.api.storefronts.base import Storefront
from tollway.domain.errors import TollwayError
from tollway.wire.gemini import server


def _error_body(error: TollwayError, status: int) -> dict[str, Any]:
    return server.error_body(
        status,
        error.error_type,
        error.message,
        param=error.param,
        retry_after_s=error.retry_after_s,
        metadata=error.metadata,
    )


GOOGLE = Storefront(
    name="google",
    processing="",  # Google's Python client takes any comment for the start of an error
    show_id=lambda generation_id: generation_id,
    status_of=lambda error: error.status,
    error_body=_error_body,
)

GOOGLE_ARRAY = structs.replace(
    GOOGLE,
    error_body=lambda error, status: [_error_body(error, status)],
    stream_type=b"application/json",
)
"""Where a stream is one JSON list, an error is one of its items, even if nothing came before it."""


def credential(header: Callable[[bytes], str | None], query: str) -> Callable[[bytes], str | None]:
    """The request's headers, with Google's ways to send a key in the place of `x-api-key`: a header, or `?key=`."""

    def found(name: bytes) -> str | None:
        if name != b"x-api-key":
            return header(name)
        return header(name) or header(b"x-goog-api-key") or parse_qs(query).get("key", [None])[0]

    return found
