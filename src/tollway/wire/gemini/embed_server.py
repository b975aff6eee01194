"""Google's embeddings where we answer: `:embedContent` for one, `:batchEmbedContents` for several."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from tollway.domain.caps import PriceRouting
from tollway.domain.chat import AnyPart, NativePart, TextPart
from tollway.domain.errors import InvalidRequest
from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars
from tollway.domain.plain import INPUTS_MAX, EmbeddingAnswer, EmbeddingRequest, Input
from tollway.wire.gemini.media import read_blob, read_file
from tollway.wire.gemini.names import made_equal
from tollway.wire.gemini.schema import Blob, FileData
from tollway.wire.json_body import decode_body, invalid

__all__ = ["decode_one", "decode_request", "encode_answer", "usage_json"]

_ANY = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()
_READ = frozenset({"model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig", "routing"})


class _Ours(Struct):
    """What a body has that is no field of Google's."""

    routing: PriceRouting | None = None


def decode_one(body: bytes) -> EmbeddingRequest:
    """The body of `:embedContent`. InvalidRequest names the field that is wrong."""
    fields = _fields(decode_body(body, _ANY))
    return _request([fields], fields, alone=True)


def decode_request(body: bytes) -> EmbeddingRequest:
    """The body of `:batchEmbedContents`, whose requests want the same of each content but its text.

    InvalidRequest: also where they differ in more, for which a request each is the way.
    """
    whole = made_equal(decode_body(body, _ANY))
    items = whole.get("requests")
    if not isinstance(items, list) or not items:
        raise InvalidRequest("requests: at least one is required", param="requests")
    if len(items) > INPUTS_MAX:
        raise InvalidRequest(f"requests: at most {INPUTS_MAX}, got {len(items)}", param="requests")
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidRequest(f"requests[{index}]: expected an object", param=f"requests[{index}]")
    return _request([_fields(item) for item in items], whole, alone=False)


def encode_answer(
    answer: EmbeddingAnswer,
    *,
    id: str,  # noqa: A002 - what every format is given
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes,
    request: EmbeddingRequest,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """`embedding` where one was asked for, else `embeddings`."""
    vectors = [{"values": vector} for vector in answer.vectors]
    whole: dict[str, Any] = {"embedding": vectors[0]} if request.alone else {"embeddings": vectors}
    return _ENCODER.encode(whole | {"usageMetadata": Raw(usage_json)} | (extra_fields or {}))


def usage_json(
    usage: Usage, *, cost: Nanodollars, prompt_cost: Nanodollars, completion_cost: Nanodollars, is_byok: bool = False
) -> bytes:
    """usageMetadata, which has no place for money: `GET /api/v1/generation` tells it."""
    return _ENCODER.encode({"promptTokenCount": usage.prompt, "totalTokenCount": usage.prompt})


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    """One request, with what newer clients put into a configuration."""
    fields: dict[str, Any] = made_equal(value)
    config = fields.get("embedContentConfig")
    return (config | fields) if isinstance(config, dict) else fields


def _request(items: list[dict[str, Any]], whole: dict[str, Any], *, alone: bool) -> EmbeddingRequest:
    common = {name: value for name, value in items[0].items() if name != "content"}
    for index, item in enumerate(items):
        where = "" if alone else f"requests[{index}]."
        if {name: value for name, value in item.items() if name != "content"} != common:
            raise InvalidRequest(
                f"{where}taskType, title, outputDimensionality: must be the same in all requests; send one request "
                "for each that differs",
                param=where.rstrip("."),
            )
    try:
        routing = msgspec.convert(whole, _Ours).routing
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    return EmbeddingRequest(
        inputs=tuple(
            _input(item.get("content"), "content" if alone else f"requests[{index}].content")
            for index, item in enumerate(items)
        ),
        alone=alone,
        routing=routing,
        dimensions=_whole(common.get("outputDimensionality")),
        input_type=_text(common, "taskType"),
        title=_text(common, "title"),
        extra={name: Raw(_ENCODER.encode(value)) for name, value in common.items() if name not in _READ},
    )


def _input(content: Any, where: str) -> Input:
    """A content of one text is a text; everything else is parts that belong together."""
    parts = content.get("parts") if isinstance(content, dict) else content
    if isinstance(parts, str):
        parts = [{"text": parts}]
    if not isinstance(parts, list) or not parts:
        raise InvalidRequest(f"{where}.parts: at least one part is required", param=f"{where}.parts")
    read = tuple(_part(part, f"{where}.parts[{index}]") for index, part in enumerate(parts))
    return read[0].text if len(read) == 1 and isinstance(read[0], TextPart) else read


def _part(part: Any, where: str) -> AnyPart:
    if not isinstance(part, dict):
        raise InvalidRequest(f"{where}: expected an object", param=where)
    try:
        if isinstance(text := part.get("text"), str):
            return TextPart(text=text)
        if "inlineData" in part:
            return read_blob(msgspec.convert(part["inlineData"], Blob))
        if "fileData" in part:
            return read_file(msgspec.convert(part["fileData"], FileData))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{where}: {error}", param=where) from None
    return NativePart(native=part)


def _whole(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000:
        return value
    raise InvalidRequest("outputDimensionality: a whole number of at least 1", param="outputDimensionality")


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"{name}: expected a string", param=name)
    return value
