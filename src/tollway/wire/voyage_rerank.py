"""Voyage's reranking where we ask: `top_k` for `top_n`, `data` for `results`, billed by tokens."""

from typing import Any

import msgspec

from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import RerankAnswer, RerankRequest, text_of
from tollway.domain.quirks import Quirks
from tollway.wire.counts import first_count, object_of
from tollway.wire.provider_errors import failed_body, failed_response
from tollway.wire.rankings import ranked

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = ()
_ENCODER = msgspec.json.Encoder()
decode_error = failed_response


def inputs_max(upstream_model: str, quirks: Quirks) -> int | None:
    """Documents are ranked together, so that a request is never divided."""
    return None


def path(upstream_model: str, request: RerankRequest, quirks: Quirks) -> str:
    """What is appended to a provider's base URL."""
    return "/rerank"


def encode_request(
    request: RerankRequest, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
) -> bytes:
    """The body of `POST /rerank`."""
    fields: dict[str, Any] = {
        "model": upstream_model,
        "query": request.query,
        "documents": [text_of(each) for each in request.inputs],
    }
    if request.top_n is not None:
        fields["top_k"] = request.top_n
    return _ENCODER.encode(fields)


def decode_answer(
    body: bytes, request: RerankRequest, upstream_model: str, tokens: str | None
) -> RerankAnswer | Failed:
    """A body of status 200."""
    try:
        found = object_of(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    results = ranked(found.get("data"), request)
    if results is None:
        return failed_body(body, 502)
    total = first_count(object_of(found.get("usage")).get("total_tokens"))
    return RerankAnswer(results=results, usage=None if total is None else Usage(prompt=total))
