"""Vectors as they travel: JSON lists of numbers, or base64 of little-endian 32-bit floats, as OpenAI has it."""

import base64
import binascii
import sys
from array import array
from collections.abc import Iterable

import msgspec
from msgspec import Raw

from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest

_ENCODER = msgspec.json.Encoder()
_FLOATS = msgspec.json.Decoder(list[float])
_TEXT = msgspec.json.Decoder(str)
BASE64 = "base64"


def floats_of(vector: Raw) -> Raw:
    """A vector in either form -> a JSON list of numbers. ValueError: it is neither."""
    if not _is_text(vector):
        return vector
    try:
        numbers = array("f", base64.b64decode(_TEXT.decode(vector), validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError("a vector is not base64 of 32-bit floats") from error
    if sys.byteorder == "big":
        numbers.byteswap()
    return Raw(_ENCODER.encode(numbers.tolist()))


def base64_of(vector: Raw) -> Raw:
    """A vector in either form -> base64 in a JSON string. ValueError: it is neither."""
    if _is_text(vector):
        return vector
    try:
        numbers = array("f", _FLOATS.decode(vector))
    except (msgspec.MsgspecError, OverflowError) as error:
        raise ValueError("a vector is not a list of numbers") from error
    if sys.byteorder == "big":
        numbers.byteswap()
    return Raw(_ENCODER.encode(base64.b64encode(numbers.tobytes()).decode()))


def answer_of(
    vectors: Iterable[Raw], request: EmbeddingRequest, usage: Usage | None, upstream_id: str | None = None
) -> EmbeddingAnswer | Failed:
    """A provider's vectors in the form that was asked for. Failed: they are not one for each input, or no vectors."""
    in_form = base64_of if request.encoding_format == BASE64 else floats_of
    try:
        found = tuple(in_form(vector) for vector in vectors)
    except ValueError as error:
        return Failed(502, f"It sent what is no vector: {error}.")
    if len(found) != len(request.inputs):
        return Failed(502, f"It sent {len(found)} vectors for {len(request.inputs)} inputs.")
    if any(_first_byte(vector) not in (b"[", b'"') for vector in found):
        return Failed(502, "It sent what is no vector.")
    return EmbeddingAnswer(vectors=found, usage=usage, upstream_id=upstream_id)


def joined(answers: Iterable[EmbeddingAnswer]) -> EmbeddingAnswer:
    """The answers to the parts of one request as one. Usage is known only where each part says it."""
    parts = tuple(answers)
    usages = [part.usage for part in parts]
    known = [usage for usage in usages if usage is not None]
    usage = Usage(prompt=sum(each.prompt for each in known), image_prompt=sum(each.image_prompt for each in known))
    return EmbeddingAnswer(
        vectors=tuple(vector for part in parts for vector in part.vectors),
        usage=usage if len(known) == len(usages) else None,
        upstream_id=parts[0].upstream_id if parts else None,
    )


def _is_text(vector: Raw) -> bool:
    return _first_byte(vector) == b'"'


def _first_byte(value: Raw) -> bytes:
    return bytes(memoryview(value)[:1])
