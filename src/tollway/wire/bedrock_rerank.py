"""Reranking on Amazon Bedrock where we ask: Cohere's body under `invoke`, which Amazon's own model takes as well."""

from urllib.parse import quote

import msgspec

from tollway.domain.events import Failed
from tollway.domain.plain import RerankAnswer, RerankRequest
from tollway.domain.quirks import Quirks
from tollway.wire.provider_errors import failed_response
from tollway.wire.rerank import client as cohere

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = (("accept", "application/json"),)
_ENCODER = msgspec.json.Encoder()
_COHERE_VERSION = {"api_version": 2}
"""AWS, "Cohere Rerank 3.5" inference parameters: required there."""
decode_error = failed_response
inputs_max = cohere.inputs_max


def path(upstream_model: str, request: RerankRequest, quirks: Quirks) -> str:
    """What is appended to a provider's base URL."""
    return f"/model/{quote(upstream_model, safe='')}/invoke"


def encode_request(
    request: RerankRequest, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
) -> bytes:
    """The body of `InvokeModel`."""
    version = _COHERE_VERSION if "cohere." in upstream_model else {}
    return _ENCODER.encode(cohere.fields_of(request) | version)


def decode_answer(
    body: bytes, request: RerankRequest, upstream_model: str, tokens: str | None
) -> RerankAnswer | Failed:
    """A body of status 200. It says no usage: a query with up to 100 documents is what AWS bills."""
    return cohere.decode_answer(body, request, upstream_model, tokens)
