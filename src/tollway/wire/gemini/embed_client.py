"""Google's embeddings where we ask: always as a batch, of one if need be; on Vertex AI by `:predict`."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from tollway.domain.chat import AnyPart, NativePart, TextPart
from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest, Input, text_of
from tollway.domain.quirks import Quirks
from tollway.wire.counts import count_of, object_of
from tollway.wire.gemini.client import decode_error
from tollway.wire.gemini.media import write_media
from tollway.wire.input_types import input_type_for
from tollway.wire.never_forwarded import forwarded
from tollway.wire.provider_errors import failed_body
from tollway.wire.vectors import answer_of

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = ()
_INPUTS_MAX = 100
"""Google, "Gemini API: batchEmbedContents": requests in one batch."""
_PREDICTED_MAX = 250
"""Google, "Vertex AI: text embeddings API": texts in one request; of Gemini's models one."""


class _Values(Struct):
    values: Raw


class _Statistics(Struct, frozen=True):
    token_count: Any = None


class _Predicted(_Values):
    statistics: _Statistics = _Statistics()


class _Prediction(Struct):
    embeddings: _Predicted


class _Body(Struct):
    embeddings: list[_Values] | None = None
    embedding: _Values | None = None
    predictions: list[_Prediction] | None = None
    usageMetadata: Any = None  # noqa: N815 - the format's own word


_BODY = msgspec.json.Decoder(_Body)
_ENCODER = msgspec.json.Encoder()


def inputs_max(upstream_model: str, quirks: Quirks) -> int:
    """How many inputs one request may have."""
    if quirks.predicts:
        return 1 if "gemini" in upstream_model else _PREDICTED_MAX
    return _INPUTS_MAX


def path(upstream_model: str, request: EmbeddingRequest, quirks: Quirks) -> str:
    """What is appended to a provider's base URL."""
    return f"/{_place(upstream_model)}:{'predict' if quirks.predicts else 'batchEmbedContents'}"


def encode_request(
    request: EmbeddingRequest, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
) -> bytes:
    """The body of `:batchEmbedContents`: for each input a request of its own."""
    if quirks.predicts:
        return _ENCODER.encode(_prediction(request))
    common: dict[str, Any] = {
        "model": _place(upstream_model),
        "taskType": input_type_for("google", request.input_type),
        "title": request.title,
        "outputDimensionality": request.dimensions,
    }
    shared = {name: value for name, value in common.items() if value is not None}
    extra = forwarded(request.extra, quirks.drop) if same_format else {}
    return _ENCODER.encode(
        {"requests": [extra | {"content": {"parts": _parts(each)}} | shared for each in request.inputs]}
    )


def decode_answer(
    body: bytes, request: EmbeddingRequest, upstream_model: str, tokens: str | None
) -> EmbeddingAnswer | Failed:
    """A body of status 200: of `:batchEmbedContents`, `:embedContent` or `:predict`. Not every model says its usage."""
    try:
        found = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    if found.predictions is not None:
        predicted = [each.embeddings for each in found.predictions]
        counts = [count_of(each.statistics.token_count) for each in predicted]
        known = [count for count in counts if count is not None]
        usage = Usage(prompt=sum(known)) if len(known) == len(counts) else None
        return answer_of((each.values for each in predicted), request, usage)
    items = found.embeddings if found.embeddings is not None else [found.embedding] if found.embedding else None
    if items is None:
        return failed_body(body, 502)
    return answer_of((item.values for item in items), request, _usage(found.usageMetadata))


def _prediction(request: EmbeddingRequest) -> dict[str, Any]:
    """The body of `:predict`, which takes texts."""
    each = {"task_type": input_type_for("google", request.input_type), "title": request.title}
    shared = {name: value for name, value in each.items() if value is not None}
    body: dict[str, Any] = {"instances": [{"content": text_of(given)} | shared for given in request.inputs]}
    parameters: dict[str, Any] = {}
    if request.dimensions is not None:
        parameters["outputDimensionality"] = request.dimensions
    if request.truncate is not None:
        parameters["autoTruncate"] = request.truncate.upper() != "NONE"
    return body | ({"parameters": parameters} if parameters else {})


def _usage(value: Any) -> Usage | None:
    metadata = object_of(value)
    prompt = count_of(metadata.get("promptTokenCount"))
    if prompt is None:
        return None
    kinds = {"IMAGE": 0, "AUDIO": 0, "VIDEO": 0}
    details = metadata.get("promptTokensDetails")
    for detail in details if isinstance(details, list) else ():
        kind, count = object_of(detail).get("modality"), count_of(object_of(detail).get("tokenCount"))
        if kind in kinds and count is not None:
            kinds[kind] = min(count, prompt)
    return Usage(prompt=prompt, image_prompt=kinds["IMAGE"], audio_prompt=kinds["AUDIO"], video_prompt=kinds["VIDEO"])


def _place(upstream_model: str) -> str:
    """A model may bring its own collection (`tunedModels/x`)."""
    return upstream_model if "/" in upstream_model else f"models/{upstream_model}"


def _parts(given: Input) -> list[Any]:
    if isinstance(given, str):
        return [{"text": given}]
    return [written for part in given if not isinstance(part, int) and (written := _part(part)) is not None]


def _part(part: AnyPart) -> Any:
    if isinstance(part, TextPart):
        return {"text": part.text}
    return part.native if isinstance(part, NativePart) else write_media(part)
