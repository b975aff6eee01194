"""Errors in the format's own shape."""

from typing import Any

TYPES = {
    "authentication": "authentication_error",
    "permission_denied": "permission_error",
    "payment_required": "billing_error",
    "not_found": "not_found_error",
    "image_not_found": "not_found_error",
    "rate_limit_exceeded": "rate_limit_error",
    "provider_overloaded": "overloaded_error",
    "timeout": "timeout_error",
    "provider_unavailable": "api_error",
    "server": "api_error",
    "unmapped": "api_error",
}
"""OpenRouter's `error_type` -> Anthropic's (OPENROUTER.md 12.5); the rest are `invalid_request_error`."""

_STATUSES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    524: "timeout_error",
    529: "overloaded_error",
}


def error_body(status: int, error_type: str | None, message: str, *, request_id: str | None = None) -> dict[str, Any]:
    """The body of an error, and the data of an `error` event. `error_type` is OpenRouter's, None: by the status."""
    if error_type is not None:
        kind = TYPES.get(error_type, "invalid_request_error")
    else:
        kind = _STATUSES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    error: dict[str, Any] = {"type": kind, "message": message}
    if error_type is not None:
        error["error_type"] = error_type
    return {"type": "error", "error": error, "request_id": request_id}
