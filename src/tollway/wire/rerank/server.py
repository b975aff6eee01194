"""Reranking where we answer, in OpenRouter's manner, which Cohere's own clients read as well."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from tollway.domain.caps import PriceRouting
from tollway.domain.chat import ImagePart, ImageUrl, Preferences, Slug, TextPart
from tollway.domain.errors import InvalidRequest
from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.plain import INPUTS_MAX, Input, RerankAnswer, RerankRequest, text_of
from tollway.wire.json_body import check_printable, decode_body, unknown_fields

__all__ = ["decode_request", "encode_answer", "usage_json"]

_ENCODER = msgspec.json.Encoder()


class _Document(Struct):
    text: str | None = None
    image: str | None = None


class _Body(Struct, omit_defaults=True):
    """The body of a request; `RerankRequest` but for the documents."""

    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[tuple[str | _Document, ...], Meta(min_length=1, max_length=INPUTS_MAX)]
    model: Slug | None = None
    models: Annotated[tuple[Slug, ...], Meta(max_length=32)] | None = None
    provider: Preferences | None = None
    routing: PriceRouting | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    session_id: Annotated[str, Meta(max_length=256)] | None = None
    trace: dict[str, Any] | None = None
    top_n: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    max_tokens_per_doc: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None


_BODY = msgspec.json.Decoder(_Body)
_KEPT = tuple(name for name in _Body.__struct_fields__ if name != "documents")
_OF_THE_ANSWER = frozenset({"return_documents", "rank_fields"})
"""Cohere's first version: the answer always holds the documents, and a document is its text."""
_KNOWN = frozenset(_Body.__struct_fields__) | _OF_THE_ANSWER


def decode_request(body: bytes) -> RerankRequest:
    """The body of `POST /rerank`. InvalidRequest, with `param` set to the field's path."""
    read = decode_body(body, _BODY)
    inputs = tuple(_input(each, f"documents[{index}]") for index, each in enumerate(read.documents))
    named = {name: getattr(read, name) for name in _KEPT}
    request = RerankRequest(inputs=inputs, extra=unknown_fields(body, _KNOWN), **named)
    for name, text in (("model", request.model), ("user", request.user), ("session_id", request.session_id)):
        check_printable(name, text)
    return request


def encode_answer(
    answer: RerankAnswer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes,
    request: RerankRequest,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """The ranking, with each document as it was sent."""
    results = [
        {"index": each.index, "relevance_score": each.score, "document": _document(request.inputs[each.index])}
        for each in answer.results
    ]
    whole: dict[str, Any] = {"id": id, "model": model, "results": results, "usage": Raw(usage_json)}
    return _ENCODER.encode(whole | ({"provider": provider} if provider is not None else {}) | (extra_fields or {}))


def usage_json(
    usage: Usage, *, cost: Nanodollars, prompt_cost: Nanodollars, completion_cost: Nanodollars, is_byok: bool = False
) -> bytes:
    """OpenRouter's usage object of a rerank (OPENROUTER.md 6.5): the cost is an exact JSON number, in USD."""
    return (
        f'{{"search_units":{usage.requests},"total_tokens":{usage.prompt},"cost":{nanodollars_to_text(cost)}}}'
    ).encode()


def _input(given: str | _Document, where: str) -> Input:
    if isinstance(given, str):
        return given
    if given.image is None:
        if given.text is None:
            raise InvalidRequest(f"{where}: needs a text or an image", param=where)
        return given.text
    image = ImagePart(image_url=ImageUrl(url=given.image))
    return (TextPart(text=given.text), image) if given.text else (image,)


def _document(given: Input) -> dict[str, str]:
    if isinstance(given, str):
        return {"text": given}
    image = next((part.image_url.url for part in given if isinstance(part, ImagePart)), None)
    text = text_of(given)
    return ({"text": text} if text else {}) | ({"image": image} if image is not None else {})
