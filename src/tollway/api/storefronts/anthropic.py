"""Anthropic's manners, on .../messages: errors have a type in words, and ids are messages' (OPENROUTER.md 12)."""

from typing import Any

from tollway.api.storefronts.base import Storefront, facts_of
from tollway.domain.errors import TollwayError
from tollway.wire.anthropic_messages import server


def _error_body(error: TollwayError, status: int) -> dict[str, Any]:
    body = server.error_body(status, error.error_type, error.message, request_id=error.generation_id)
    metadata, beside = facts_of(error)
    if error.param is not None or metadata:
        body["error"]["metadata"] = metadata | ({"param": error.param} if error.param else {})
    body["error"] |= beside
    if "error_code" in error.metadata:  # Anthropic's SDKs look there for what they can mend by themselves
        body["error"]["details"] = error.metadata
    return body


ANTHROPIC = Storefront(
    name="anthropic",
    processing="TOLLWAY PROCESSING",
    show_id=lambda generation_id: generation_id,
    status_of=lambda error: error.status,
    error_body=_error_body,
)
