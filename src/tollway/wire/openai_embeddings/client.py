"""OpenAI's embeddings where we ask, in the variety that compatible servers speak."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest, Input
from tollway.domain.quirks import Quirks
from tollway.wire.counts import count_of, object_of
from tollway.wire.never_forwarded import forwarded
from tollway.wire.openai_embeddings.parts import part_object
from tollway.wire.provider_errors import failed_body, failed_response
from tollway.wire.vectors import answer_of

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = ()
_INPUTS_MAX = 2048
"""OpenAI, API reference of `input`; others that take fewer say so in their answer."""


class _Item(Struct):
    embedding: Raw
    index: int | None = None


class _Body(Struct):
    data: list[_Item] | None = None
    id: Any = None
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
    """The body of `POST /embeddings`. What only some servers know (`input_type`, `truncate`) goes along where the
    caller speaks this format; a provider that refuses it says so in its quirks."""
    fields: dict[str, Any] = {
        "dimensions": request.dimensions,
        "encoding_format": request.encoding_format,
        "user": user_id,
    }
    if same_format:
        fields |= {"input_type": request.input_type, "truncate": request.truncate}
    named = {
        quirks.rename.get(name, name): value
        for name, value in fields.items()
        if value is not None and name not in quirks.drop
    }
    extra = forwarded(request.extra, quirks.drop) if same_format else {}
    return _ENCODER.encode(extra | {"model": upstream_model, "input": _input_of(request)} | named)


def decode_answer(
    body: bytes, request: EmbeddingRequest, upstream_model: str, tokens: str | None
) -> EmbeddingAnswer | Failed:
    """A body of status 200. Vectors may come in any order, with their index."""
    try:
        found = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    if found.data is None:
        return failed_body(body, 502)
    items = found.data
    if all(item.index is not None for item in items):
        items = sorted(items, key=lambda item: item.index or 0)
    upstream_id = found.id if isinstance(found.id, str) else None
    return answer_of((item.embedding for item in items), request, read_usage(found.usage), upstream_id)


def read_usage(value: Any) -> Usage | None:
    """`prompt_tokens`, or the total where it is the only count (Voyage, some compatible servers)."""
    usage = object_of(value)
    prompt = count_of(usage.get("total_tokens") if usage.get("prompt_tokens") is None else usage["prompt_tokens"])
    if prompt is None:
        return None
    details = object_of(usage.get("prompt_tokens_details"))
    return Usage(
        prompt=prompt,
        image_prompt=_part_of(prompt, details.get("image_tokens")),
        audio_prompt=_part_of(prompt, details.get("audio_tokens")),
        video_prompt=_part_of(prompt, details.get("video_tokens")),
    )


def _part_of(prompt: int, value: Any) -> int:
    return min(count_of(value) or 0, prompt)


def _input_of(request: EmbeddingRequest) -> Any:
    """Texts and tokens as they are; parts as the object that OpenRouter has for them."""
    written = [_written(each) for each in request.inputs]
    return written[0] if request.alone and len(written) == 1 else written


def _written(given: Input) -> Any:
    if isinstance(given, str) or not given or isinstance(given[0], int):
        return given
    return {"content": [part_object(part) for part in given if not isinstance(part, int)]}
