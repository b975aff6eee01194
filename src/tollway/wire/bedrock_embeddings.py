"""Embeddings on Amazon Bedrock where we ask: one way to call (`invoke`), and for each maker its own body."""

from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from tollway.domain.chat import AudioPart, ImagePart, VideoPart
from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest, Input, text_of
from tollway.domain.quirks import Quirks
from tollway.wire import cohere_embed
from tollway.wire.counts import count_of
from tollway.wire.data_urls import bytes_of, subtype_of
from tollway.wire.input_types import input_type_for
from tollway.wire.provider_errors import failed_body, failed_response
from tollway.wire.vectors import answer_of

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = (("accept", "application/json"),)
_ENCODER = msgspec.json.Encoder()
decode_error = failed_response


class _TitanBody(Struct):
    embedding: Raw = Raw()  # `Raw | None` would take nothing but null
    inputTextTokenCount: Any = None  # noqa: N815 - the format's own word


class _NovaItem(Struct):
    embedding: Raw


class _NovaBody(Struct):
    embeddings: list[_NovaItem] | None = None


T = TypeVar("T", ImagePart, AudioPart, VideoPart)

_TITAN = msgspec.json.Decoder(_TitanBody)
_NOVA = msgspec.json.Decoder(_NovaBody)


def inputs_max(upstream_model: str, quirks: Quirks) -> int:
    """How many inputs one request may have: Amazon's own models take one."""
    return cohere_embed.inputs_max(upstream_model, quirks) if _is_cohere(upstream_model) else 1


def path(upstream_model: str, request: EmbeddingRequest, quirks: Quirks) -> str:
    """What is appended to a provider's base URL."""
    return f"/model/{quote(upstream_model, safe='')}/invoke"


def encode_request(
    request: EmbeddingRequest, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
) -> bytes:
    """The body of `InvokeModel`, which the model's maker decides."""
    if _is_cohere(upstream_model):
        fields = cohere_embed.fields_of(request)
        if not _is_first_cohere(upstream_model):
            fields["embedding_types"] = ["float"]
        return _ENCODER.encode(fields)
    write = _nova if "nova" in upstream_model else _titan_image if "titan-embed-image" in upstream_model else _titan
    return _ENCODER.encode(write(request, upstream_model))


def decode_answer(
    body: bytes, request: EmbeddingRequest, upstream_model: str, tokens: str | None
) -> EmbeddingAnswer | Failed:
    """A body of status 200. `tokens`: the count in the header, where a body has none."""
    if _is_cohere(upstream_model):
        return cohere_embed.decode_answer(body, request, upstream_model, tokens)
    count = count_of(int(tokens)) if tokens and tokens.isascii() and tokens.isdigit() and len(tokens) < 12 else None
    try:
        if "nova" in upstream_model:
            found = _NOVA.decode(body).embeddings
            vectors = None if found is None else [item.embedding for item in found]
        else:
            titan = _TITAN.decode(body)
            vectors = [titan.embedding] if bytes(titan.embedding) else None
            counted = count_of(titan.inputTextTokenCount)
            count = count if counted is None else counted
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    if vectors is None:
        return failed_body(body, 502)
    return answer_of(vectors, request, None if count is None else Usage(prompt=count))


def _is_cohere(upstream_model: str) -> bool:
    return "cohere." in upstream_model


def _is_first_cohere(upstream_model: str) -> bool:
    """Embed v3 answers a plain list of vectors unless types are named; v4 always names them."""
    return "-v3" in upstream_model


def _titan(request: EmbeddingRequest, upstream_model: str) -> dict[str, Any]:
    """Titan Text Embeddings; only the second version has dimensions, and vectors of length 1 (its default)."""
    fields: dict[str, Any] = {"inputText": text_of(request.inputs[0])}
    if request.dimensions is not None and "-v1" not in upstream_model:
        fields["dimensions"] = request.dimensions
    if "-v1" not in upstream_model:
        fields["normalize"] = True
    return fields


def _titan_image(request: EmbeddingRequest, upstream_model: str) -> dict[str, Any]:
    """Titan Multimodal Embeddings: a text, an image, or both."""
    given = request.inputs[0]
    fields: dict[str, Any] = {}
    if text := text_of(given):
        fields["inputText"] = text
    if (image := _first(given, ImagePart)) is not None:
        fields["inputImage"] = bytes_of(image.image_url.url)
    if request.dimensions is not None:
        fields["embeddingConfig"] = {"outputEmbeddingLength": request.dimensions}
    return fields


def _nova(request: EmbeddingRequest, upstream_model: str) -> dict[str, Any]:
    """Nova Multimodal Embeddings: one medium in a request."""
    params: dict[str, Any] = {"embeddingPurpose": input_type_for("nova", request.input_type) or "GENERIC_INDEX"}
    if request.dimensions is not None:
        params["embeddingDimension"] = request.dimensions
    params |= _nova_medium(request.inputs[0], (request.truncate or "NONE").upper())
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def _nova_medium(given: Input, truncate: str) -> dict[str, Any]:
    if (image := _first(given, ImagePart)) is not None:
        return {"image": _nova_source(image.image_url.url)}
    if (sound := _first(given, AudioPart)) is not None:
        held = {"format": sound.input_audio.format, "source": {"bytes": bytes_of(sound.input_audio.data)}}
        return {"audio": held}
    if (film := _first(given, VideoPart)) is not None:
        return {"video": _nova_source(film.video_url.url) | {"embeddingMode": "AUDIO_VIDEO_COMBINED"}}
    return {"text": {"truncationMode": truncate, "value": text_of(given)}}


def _nova_source(url: str) -> dict[str, Any]:
    return {"format": subtype_of(url), "source": {"bytes": bytes_of(url)}}


def _first(given: Input, kind: type[T]) -> T | None:
    return next((part for part in given if isinstance(part, kind)), None) if isinstance(given, tuple) else None
