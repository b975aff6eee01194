"""Google's manners, on /v1beta: an error is a code, a message and a status in words."""

from typing import Any

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
