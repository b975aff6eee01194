"""OpenAI's embeddings where we answer, in OpenRouter's manner."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from tollway.domain.caps import PriceRouting
from tollway.domain.chat import Preferences, Slug
from tollway.domain.errors import InvalidRequest
from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.plain import INPUTS_MAX, EmbeddingAnswer, EmbeddingRequest, Input
from tollway.wire.json_body import check_printable, decode_body, unknown_fields
from tollway.wire.openai_embeddings.parts import read_part

__all__ = ["decode_request", "encode_answer", "usage_json"]

_ENCODER = msgspec.json.Encoder()
Token = Annotated[int, Meta(ge=0, le=2**31)]


class _Mixed(Struct):
    content: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=1000)]


class _Body(Struct, omit_defaults=True):
    """The body of a request; `EmbeddingRequest` without what `input` becomes."""

    input: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[list[str | Token | list[Token] | _Mixed], Meta(min_length=1, max_length=100_000)]
    )
    model: Slug | None = None
    models: Annotated[tuple[Slug, ...], Meta(max_length=32)] | None = None
    provider: Preferences | None = None
    routing: PriceRouting | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    session_id: Annotated[str, Meta(max_length=256)] | None = None
    trace: dict[str, Any] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    encoding_format: Annotated[str, Meta(max_length=64)] | None = None
    input_type: Annotated[str, Meta(max_length=64)] | None = None
    truncate: Annotated[str, Meta(max_length=64)] | None = None


_BODY = msgspec.json.Decoder(_Body)
_FIELDS = _Body.__struct_fields__
_KEPT = tuple(name for name in _FIELDS if name != "input")


def decode_request(body: bytes) -> EmbeddingRequest:
    """The body of `POST /embeddings`. `input`: a text, its tokens, parts, or a list of one kind of these.

    InvalidRequest, with `param` set to the field's path.
    """
    read = decode_body(body, _BODY)
    inputs, alone = _inputs_of(read.input)
    named = {name: getattr(read, name) for name in _KEPT}
    request = EmbeddingRequest(inputs=inputs, alone=alone, extra=unknown_fields(body, frozenset(_FIELDS)), **named)
    for name, text in (("model", request.model), ("user", request.user), ("session_id", request.session_id)):
        check_printable(name, text)
    return request


def _inputs_of(given: str | list[Any]) -> tuple[tuple[Input, ...], bool]:
    if isinstance(given, str):
        return (given,), True
    kinds = {type(each) for each in given}
    if len(kinds) > 1:
        raise InvalidRequest("input: texts, tokens and parts can't stand in one list", param="input")
    if kinds == {int}:
        return (tuple(given),), True
    if len(given) > INPUTS_MAX:
        raise InvalidRequest(f"input: at most {INPUTS_MAX} in one request, got {len(given)}", param="input")
    inputs: list[Input] = []
    for index, each in enumerate(given):
        if not isinstance(each, _Mixed):
            if not each:
                raise InvalidRequest(f"input[{index}]: is empty", param=f"input[{index}]")
            inputs.append(each if isinstance(each, str) else tuple(each))
        else:
            where = f"input[{index}].content"
            inputs.append(tuple(read_part(part, f"{where}[{at}]") for at, part in enumerate(each.content)))
    return tuple(inputs), False


def encode_answer(
    answer: EmbeddingAnswer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """The list of embeddings, in the order of the inputs."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(answer.vectors)]
    whole: dict[str, Any] = {"object": "list", "data": data, "model": model, "usage": Raw(usage_json), "id": id}
    return _ENCODER.encode(whole | ({"provider": provider} if provider is not None else {}) | (extra_fields or {}))


def usage_json(
    usage: Usage, *, cost: Nanodollars, prompt_cost: Nanodollars, completion_cost: Nanodollars, is_byok: bool = False
) -> bytes:
    """OpenRouter's usage object of embeddings (OPENROUTER.md 6.4): money as exact JSON numbers, in USD.

    Tokens by kind are there only where there is more than one kind.
    """
    media = {
        "image_tokens": usage.image_prompt,
        "audio_tokens": usage.audio_prompt,
        "video_tokens": usage.video_prompt,
    }
    kinds = {name: count for name, count in media.items() if count}
    details = ""
    if kinds:
        kinds["text_tokens"] = max(0, usage.prompt - sum(kinds.values()))
        details = ',"prompt_tokens_details":' + _ENCODER.encode(kinds).decode()
    return (
        f'{{"prompt_tokens":{usage.prompt},"total_tokens":{usage.prompt},"cost":{nanodollars_to_text(cost)},'
        f'"is_byok":{"true" if is_byok else "false"},'
        f'"cost_details":{{"upstream_inference_cost":{nanodollars_to_text(prompt_cost + completion_cost)},'
        f'"upstream_inference_prompt_cost":{nanodollars_to_text(prompt_cost)},'
        f'"upstream_inference_completions_cost":{nanodollars_to_text(completion_cost)}}}{details}}}'
    ).encode()
