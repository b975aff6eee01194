"""Errors as Google says them: a code, a message and a status in words, with details that have types."""

from typing import Any

_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    410: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""google.rpc.Code for a status (github.com/googleapis/googleapis, google/rpc/code.proto)."""

_TYPE = "type.googleapis.com/google.rpc."


def error_body(
    status: int,
    error_type: str,
    message: str,
    *,
    param: str | None = None,
    retry_after_s: float | None = None,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`{"error": {"code", "message", "status", "details"}}`.

    `error_type` and what is text of `metadata` go into an ErrorInfo, the field into a BadRequest, when to come back
    into a RetryInfo: where Google's own errors have them.
    """
    told = {name: str(value) for name, value in (metadata or {}).items() if isinstance(value, str | int | float)}
    told.pop("error_type", None)
    info: dict[str, Any] = {"@type": f"{_TYPE}ErrorInfo", "reason": error_type.upper(), "domain": "tollway"}
    details: list[dict[str, Any]] = [{**info, "metadata": told} if told else info]
    if param is not None:
        violation = {"field": param, "description": message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if retry_after_s is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{round(retry_after_s, 3):g}s"})
    word = _WORDS.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    return {"error": {"code": status, "message": message, "status": word, "details": details}}
