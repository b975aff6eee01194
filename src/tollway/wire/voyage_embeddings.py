"""Voyage's embeddings where we ask: OpenAI's shape with names of its own."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest, text_of
from tollway.domain.quirks import Quirks
from tollway.wire.counts import first_count, object_of
from tollway.wire.input_types import input_type_for
from tollway.wire.provider_errors import failed_body, failed_response
from tollway.wire.vectors import BASE64, answer_of

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = ()
_INPUTS_MAX = 1000
"""Voyage, "Text embeddings": inputs in one request."""


class _Item(Struct):
    embedding: Raw
    index: int = 0


class _Body(Struct):
    data: list[_Item] | None = None
    usage: Any = None


_BODY = msgspec.json.Decoder(_Body)
_ENCODER = msgspec.json.Encoder()
decode_error = failed_response


def inputs_max(upstream_model: str, quirks: Quirks) -> int:
    """How many inputs one request may have."""
    return _INPUTS_MAX


def path(upstream_model: str, request: EmbeddingRequest, quirks: Quirks) -> str:
    """What is appended to a provider's base URL."""
    return "/embeddings"


def encode_request(
    request: EmbeddingRequest, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
) -> bytes:
    """The body of `POST /embeddings`. Voyage cuts what is too long unless it is told not to."""
    texts = [text_of(each) for each in request.inputs]
    truncation = None if request.truncate is None else request.truncate.upper() != "NONE"
    fields: dict[str, Any] = {
        "model": upstream_model,
        "input": texts[0] if request.alone else texts,
        "input_type": input_type_for("voyage", request.input_type),
        "truncation": truncation,
        "output_dimension": request.dimensions,
        "encoding_format": BASE64 if request.encoding_format == BASE64 else None,
    }
    return _ENCODER.encode({name: value for name, value in fields.items() if value is not None})


def decode_answer(
    body: bytes, request: EmbeddingRequest, upstream_model: str, tokens: str | None
) -> EmbeddingAnswer | Failed:
    """A body of status 200. Its usage is a total, which is all input."""
    try:
        found = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    if found.data is None:
        return failed_body(body, 502)
    items = sorted(found.data, key=lambda item: item.index)
    total = first_count(object_of(found.usage).get("total_tokens"))
    usage = None if total is None else Usage(prompt=total)
    return answer_of((item.embedding for item in items), request, usage)
