"""OpenRouter's manners, on /api/v1: the error's code is the HTTP status, as an integer (OPENROUTER.md 12)."""

from typing import Any

from tollway.api.storefronts.base import Storefront, facts_of
from tollway.domain.errors import TollwayError


def error_body(error: TollwayError, status: int) -> dict[str, Any]:
    """`{"error": {"code", "message", "metadata"}}`; the official SDKs refuse a body without an integer code."""
    facts, beside = facts_of(error)
    metadata = {"error_type": error.error_type, **facts}
    if error.param is not None:
        metadata["param"] = error.param
    return {"error": {"code": status, "message": error.message, "metadata": metadata, **beside}}


OPENROUTER = Storefront(
    name="openrouter",
    processing="OPENROUTER PROCESSING",
    show_id=lambda generation_id: generation_id,
    status_of=lambda error: error.status,
    error_body=error_body,
)
