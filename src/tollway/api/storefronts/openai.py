"""OpenAI's and CPEN's manners, on /v1: OpenAI clients read `error`, CPEN clients read `detail` (STOREFRONTS.md)."""

from typing import Any

from tollway.api.storefronts.base import Storefront, facts_of
from tollway.domain.errors import (
    Forbidden,
    ModelNotAllowed,
    ModelNotFound,
    NotFound,
    OverBudget,
    PaymentRequired,
    RateLimited,
    TollwayError,
    Unauthenticated,
    UpstreamTimedOut,
)

_CODES: tuple[tuple[type[TollwayError], int | None, str, str], ...] = (
    # error, status if it differs, OpenAI's `type`, OpenAI's `code`
    (ModelNotFound, 404, "invalid_request_error", "model_not_found"),
    (ModelNotAllowed, None, "invalid_request_error", "model_not_found"),
    (OverBudget, 402, "insufficient_budget", "no_route_under_budget"),
    (PaymentRequired, 403, "insufficient_quota", "insufficient_quota"),
    (Unauthenticated, None, "invalid_request_error", "invalid_api_key"),
    (Forbidden, None, "permission_error", "permission_denied"),
    (RateLimited, None, "rate_limit_error", "rate_limit_exceeded"),
    (NotFound, None, "invalid_request_error", "not_found"),
    (UpstreamTimedOut, None, "server_error", "timeout"),
)


def _row(error: TollwayError) -> tuple[int, str, str | None]:
    for kind, status, name, code in _CODES:
        if isinstance(error, kind):
            return status or error.status, name, code
    return error.status, "invalid_request_error" if error.status < 500 else "server_error", error.error_type


def error_body(error: TollwayError, status: int) -> dict[str, Any]:
    """`{"error": {"message", "type", "param", "code"}, "detail"}`."""
    _, name, code = _row(error)
    inner: dict[str, Any] = {"message": error.message, "type": name, "param": error.param, "code": code}
    metadata, beside = facts_of(error)
    if metadata:
        inner["metadata"] = metadata
    inner |= beside
    return {"error": inner, "detail": error.message}


OPENAI = Storefront(
    name="openai",
    processing="TOLLWAY PROCESSING",
    show_id=lambda generation_id: "chatcmpl_" + generation_id.removeprefix("gen-"),
    status_of=lambda error: _row(error)[0],
    error_body=error_body,
)
