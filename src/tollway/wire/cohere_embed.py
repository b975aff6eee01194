"""Cohere's embeddings (v2 `embed`) where we ask; the same body, without its model, is what Bedrock takes."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.chat import AnyPart, ImagePart, TextPart
from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest, Input
from tollway.domain.quirks import Quirks
from tollway.wire.counts import count_of, object_of
from tollway.wire.input_types import input_type_for
from tollway.wire.provider_errors import failed_body, failed_response
from tollway.wire.vectors import BASE64, answer_of

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "fields_of", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = ()
_INPUTS_MAX = 96
"""Cohere, "Embed API v2": texts in one request."""
_ENCODER = msgspec.json.Encoder()
_BODY = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
decode_error = failed_response


def inputs_max(upstream_model: str, quirks: Quirks) -> int:
    """How many inputs one request may have."""
    return _INPUTS_MAX


def path(upstream_model: str, request: EmbeddingRequest, quirks: Quirks) -> str:
    """What is appended to a provider's base URL."""
    return "/embed"


def encode_request(
    request: EmbeddingRequest, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
) -> bytes:
    """The body of `POST /embed`."""
    kind = BASE64 if request.encoding_format == BASE64 else "float"
    return _ENCODER.encode({"model": upstream_model, **fields_of(request), "embedding_types": [kind]})


def fields_of(request: EmbeddingRequest) -> dict[str, Any]:
    """What the request says in Cohere's words. What the embeddings are for has to be said: the default is documents."""
    fields: dict[str, Any] = {"input_type": input_type_for("cohere", request.input_type) or "search_document"}
    if all(isinstance(each, str) for each in request.inputs):
        fields["texts"] = request.inputs
    else:
        fields["inputs"] = [{"content": _content(each)} for each in request.inputs]
    if request.truncate is not None:
        fields["truncate"] = request.truncate.upper()
    if request.dimensions is not None:
        fields["output_dimension"] = request.dimensions
    return fields


def decode_answer(
    body: bytes, request: EmbeddingRequest, upstream_model: str, tokens: str | None
) -> EmbeddingAnswer | Failed:
    """A body of status 200: `embeddings` by type, or, as older models on Bedrock have it, a plain list of vectors.

    `tokens`: the count that Bedrock puts into a header, where the body has none.
    """
    try:
        found = _BODY.decode(body)
        vectors = _vectors(found.get("embeddings"))
        meta = msgspec.json.decode(found["meta"]) if "meta" in found else None
        upstream_id = msgspec.json.decode(found["id"]) if "id" in found else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    if vectors is None:
        return failed_body(body, 502)
    usage = _usage(meta) or _usage_of_header(tokens)
    return answer_of(vectors, request, usage, upstream_id if isinstance(upstream_id, str) else None)


def _vectors(given: Raw | None) -> list[Raw] | None:
    if given is None:
        return None
    if bytes(memoryview(given)[:1]) == b"[":
        return _LIST.decode(given)
    by_type = _BODY.decode(given)
    for kind in ("float", BASE64):
        if kind in by_type and bytes(by_type[kind]) != b"null":
            return _LIST.decode(by_type[kind])
    return None


def _usage(meta: Any) -> Usage | None:
    billed = object_of(object_of(meta).get("billed_units"))
    text, images = count_of(billed.get("input_tokens")), count_of(billed.get("image_tokens"))
    if text is None and images is None:
        return None
    return Usage(prompt=(text or 0) + (images or 0), image_prompt=images or 0)


def _usage_of_header(tokens: str | None) -> Usage | None:
    count = count_of(int(tokens)) if tokens and tokens.isascii() and tokens.isdigit() and len(tokens) < 12 else None
    return None if count is None else Usage(prompt=count)


def _content(given: Input) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [{"type": "text", "text": given}]
    return [written for part in given if not isinstance(part, int) and (written := _part(part)) is not None]


def _part(part: AnyPart) -> dict[str, Any] | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": part.image_url.url}}
        case _:
            return None
