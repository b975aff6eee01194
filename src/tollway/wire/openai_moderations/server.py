"""OpenAI's moderations where we answer."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from tollway.domain.caps import PriceRouting
from tollway.domain.chat import ImagePart, NativePart, Preferences, Slug, TextPart
from tollway.domain.errors import InvalidRequest
from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.plain import INPUTS_MAX, Input, ModerationAnswer, ModerationRequest
from tollway.wire.json_body import check_printable, decode_body, unknown_fields
from tollway.wire.unknown_asked import known_part

__all__ = ["decode_request", "encode_answer", "usage_json"]

DEFAULT_MODEL = "omni-moderation-latest"
"""OpenAI, API reference of `model`."""
_ENCODER = msgspec.json.Encoder()


class _Body(Struct, omit_defaults=True):
    """The body of a request; `ModerationRequest` but for the inputs."""

    input: str | Annotated[list[str | dict[str, Any]], Meta(min_length=1, max_length=INPUTS_MAX)]
    model: Slug = DEFAULT_MODEL
    models: Annotated[tuple[Slug, ...], Meta(max_length=32)] | None = None
    provider: Preferences | None = None
    routing: PriceRouting | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    session_id: Annotated[str, Meta(max_length=256)] | None = None
    trace: dict[str, Any] | None = None


_BODY = msgspec.json.Decoder(_Body)
_KEPT = tuple(name for name in _Body.__struct_fields__ if name != "input")
_PART = msgspec.json.Decoder(TextPart | ImagePart)


def decode_request(body: bytes) -> ModerationRequest:
    """The body of `POST /moderations`. InvalidRequest, with `param` set to the field's path."""
    read = decode_body(body, _BODY)
    inputs, alone = _inputs_of(read.input)
    named = {name: getattr(read, name) for name in _KEPT}
    extra = unknown_fields(body, frozenset(_Body.__struct_fields__))
    request = ModerationRequest(inputs=inputs, alone=alone, extra=extra, **named)
    for name, text in (("model", request.model), ("user", request.user), ("session_id", request.session_id)):
        check_printable(name, text)
    return request


def encode_answer(
    answer: ModerationAnswer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """The judgements, in the order of the inputs."""
    whole: dict[str, Any] = {"id": id, "model": model, "results": answer.results, "usage": Raw(usage_json)}
    return _ENCODER.encode(whole | ({"provider": provider} if provider is not None else {}) | (extra_fields or {}))


def usage_json(
    usage: Usage, *, cost: Nanodollars, prompt_cost: Nanodollars, completion_cost: Nanodollars, is_byok: bool = False
) -> bytes:
    """OpenAI says none; ours is that of embeddings, so that a charge is never unseen."""
    return (
        f'{{"prompt_tokens":{usage.prompt},"total_tokens":{usage.prompt},"cost":{nanodollars_to_text(cost)}}}'
    ).encode()


def _inputs_of(given: str | list[Any]) -> tuple[tuple[Input, ...], bool]:
    """A text, a list of texts, or parts that are judged together."""
    if isinstance(given, str):
        return (given,), True
    if all(isinstance(each, str) for each in given):
        return tuple(given), False
    parts = []
    for index, each in enumerate(given):
        if isinstance(each, str):
            raise InvalidRequest("input: texts and parts can't stand in one list", param="input")
        parts.append(_part(each, f"input[{index}]"))
    return (tuple(parts),), True


def _part(value: dict[str, Any], where: str) -> TextPart | ImagePart | NativePart:
    if not isinstance(value.get("type"), str):
        raise InvalidRequest(f"{where}.type: is required", param=f"{where}.type")
    if value["type"] not in ("text", "image_url"):
        return NativePart(native=value)
    try:
        part: TextPart | ImagePart = _PART.decode(_ENCODER.encode(known_part(value)))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{where}: {error}", param=where) from None
    return part
