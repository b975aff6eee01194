"""The platform's manners, on /platform/api/v1: an error's type and code are the same word (STOREFRONTS.md)."""

from typing import Any

from tollway.api.storefronts.base import Storefront
from tollway.domain.errors import (
    ApiDisabled,
    InvalidRequest,
    ModelNotFound,
    NoEndpoints,
    NoEndpointsNow,
    PaymentRequired,
    RateLimited,
    TollwayError,
    Unauthenticated,
    UpstreamFailed,
    UpstreamTimedOut,
)

_CODES: tuple[tuple[type[TollwayError], int | None, str], ...] = (
    # error, status if it differs, type and code
    (ModelNotFound, 404, "model_not_available"),
    (Unauthenticated, None, "invalid_api_key"),
    (ApiDisabled, None, "api_disabled"),
    (PaymentRequired, None, "insufficient_credits"),
    (RateLimited, None, "rate_limit_exceeded"),
    (UpstreamTimedOut, 504, "provider_error"),
    (UpstreamFailed, 502, "provider_error"),
    (NoEndpointsNow, 502, "provider_error"),
)
_REQUIRED = frozenset({"model", "messages", "prompt"})
"""Fields whose absence has a code of its own."""


def _row(error: TollwayError) -> tuple[int, str]:
    for kind, status, code in _CODES:
        if isinstance(error, kind):
            return status or error.status, code
    if isinstance(error, InvalidRequest) and error.param in _REQUIRED:
        return 400, f"{error.param}_required"
    if isinstance(error, NoEndpoints):
        # "no_endpoints": nobody can be called, whatever the request asks for.
        off = error.metadata.get("availability", {}).get("code") == "no_endpoints"
        return (503, "provider_not_configured") if off else (404, "model_not_available")
    return error.status, error.error_type


def error_body(error: TollwayError, status: int) -> dict[str, Any]:
    """`{"error": {"message", "type", "code"}}`."""
    code = _row(error)[1]
    return {"error": {"message": error.message, "type": code, "code": code}}


PLATFORM = Storefront(
    name="platform",
    processing="TOLLWAY PROCESSING",
    show_id=lambda generation_id: "chatcmpl_" + generation_id.removeprefix("gen-"),
    status_of=lambda error: _row(error)[0],
    error_body=error_body,
)
