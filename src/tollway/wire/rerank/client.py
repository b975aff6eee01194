"""Reranking where we ask: `POST /rerank` with a query and documents."""

from typing import Any

import msgspec

from tollway.domain.chat import ImagePart
from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import Input, RerankAnswer, RerankRequest, text_of
from tollway.domain.quirks import Quirks
from tollway.wire.counts import first_count, object_of
from tollway.wire.never_forwarded import forwarded
from tollway.wire.provider_errors import failed_body, failed_response
from tollway.wire.rankings import ranked

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "fields_of", "inputs_max", "path"]

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
    extra = forwarded(request.extra, quirks.drop) if same_format else {}
    return _ENCODER.encode(extra | {"model": upstream_model, **fields_of(request)})


def fields_of(request: RerankRequest) -> dict[str, Any]:
    """What the request says, without the model's name. Documents of text alone are sent as texts."""
    fields: dict[str, Any] = {"query": request.query, "documents": [_document(each) for each in request.inputs]}
    if request.top_n is not None:
        fields["top_n"] = request.top_n
    if request.max_tokens_per_doc is not None:
        fields["max_tokens_per_doc"] = request.max_tokens_per_doc
    return fields


def decode_answer(
    body: bytes, request: RerankRequest, upstream_model: str, tokens: str | None
) -> RerankAnswer | Failed:
    """A body of status 200: `results` (Cohere, Jina, vLLM), each with an index and a score."""
    try:
        found = object_of(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    results = ranked(found.get("results"), request)
    if results is None:
        return failed_body(body, 502)
    upstream_id = found.get("id")
    return RerankAnswer(
        results=results,
        usage=read_usage(found, request),
        upstream_id=upstream_id if isinstance(upstream_id, str) else None,
    )


def read_usage(found: dict[str, Any], request: RerankRequest) -> Usage | None:
    """Search units as Cohere bills them (also of Bedrock, by documents), or tokens; None where nothing is said."""
    usage = object_of(found.get("usage"))
    billed = object_of(object_of(found.get("meta")).get("billed_units"))
    units = first_count(billed.get("search_units"), usage.get("search_units"))
    tokens = first_count(
        usage.get("total_tokens"),
        usage.get("prompt_tokens"),
        billed.get("input_tokens"),
        object_of(object_of(found.get("meta")).get("tokens")).get("input_tokens"),
    )
    if units is None and tokens is None:
        return None
    return Usage(prompt=tokens or 0, requests=1 if units is None else units)


def _document(given: Input) -> Any:
    image = next((part for part in given if isinstance(part, ImagePart)), None) if isinstance(given, tuple) else None
    if image is None:
        return text_of(given)
    text = text_of(given)
    return ({"text": text} if text else {}) | {"image": image.image_url.url}
