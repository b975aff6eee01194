"""countTokens, both roles: how long a request is."""

from typing import Any

import msgspec

from tollway.domain.chat import ChatRequest
from tollway.domain.events import Failed
from tollway.domain.quirks import Quirks
from tollway.wire.gemini.decode import read_request
from tollway.wire.gemini.names import made_equal
from tollway.wire.gemini.request import request_fields
from tollway.wire.json_body import decode_body
from tollway.wire.provider_errors import failed_body

_ANY = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()


def count_path(upstream_model: str) -> str:
    """What is appended to the provider's base URL."""
    place = upstream_model if "/" in upstream_model else f"models/{upstream_model}"
    return f"/{place}:countTokens"


def encode_count_request(
    request: ChatRequest, *, upstream_model: str, same_format: bool = False, vertex: bool = False
) -> bytes:
    """The whole request, where it says more than contents: the Gemini API wants that wrapped, Vertex does not."""
    fields = request_fields(
        request,
        upstream_model=upstream_model,
        max_tokens=None,
        parameters=frozenset(),
        quirks=Quirks(),
        same_format=same_format,
    )
    if vertex or fields.keys() == {"contents"}:
        return _ENCODER.encode({name: fields[name] for name in _ON_VERTEX if name in fields})
    place = upstream_model if "/" in upstream_model else f"models/{upstream_model}"
    return _ENCODER.encode({"generateContentRequest": {"model": place, **fields}})


_ON_VERTEX = ("contents", "systemInstruction", "tools", "generationConfig")


def decode_count(body: bytes) -> int | Failed:
    """The tokens that Google counted."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    tokens = value.get("totalTokens", 0) if isinstance(value, dict) and "error" not in value else None
    if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0:
        return tokens
    return failed_body(body, 502)


def decode_count_request(body: bytes) -> ChatRequest:
    """The body of `models/<model>:countTokens`: a request, bare or under `generateContentRequest`."""
    fields = made_equal(decode_body(body, _ANY))
    inner = fields.get("generateContentRequest")
    return read_request(inner if isinstance(inner, dict) else fields)


def encode_count(tokens: int) -> bytes:
    """The answer."""
    return _ENCODER.encode({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
