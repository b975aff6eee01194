"""Embeddings, reranking and moderation in OpenAI's and Cohere's shapes: made up, and the same for the same input."""

import base64
from array import array
from collections.abc import Iterator
from random import Random
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

from tollway.simulator.answer import Answer, Question
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats import openai_shapes
from tollway.simulator.formats.base import Asked, Format, Frame, Refused
from tollway.simulator.usage import counts

DIMENSIONS_DEFAULT = 64
_WORDS_FLAGGED = ("kill", "bomb")
_CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
_encode = msgspec.json.encode


class _Embed(Struct):
    model: str
    input: str | Annotated[list[str | int | list[int] | dict[str, Any]], Meta(min_length=1, max_length=2048)]
    dimensions: Annotated[int, Meta(ge=1, le=4096)] | None = None
    encoding_format: str | None = None


class _Rerank(Struct):
    model: str
    query: str
    documents: Annotated[list[str | dict[str, Any]], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    top_k: Annotated[int, Meta(ge=1)] | None = None


class _Moderate(Struct):
    input: str | list[str | dict[str, Any]]
    model: str = "omni-moderation-latest"


_embed, _rerank = msgspec.json.Decoder(_Embed), msgspec.json.Decoder(_Rerank)
_moderate = msgspec.json.Decoder(_Moderate)


def read_embed(request: Asked) -> Question:
    """The body of `POST /embeddings`."""
    try:
        asked = _embed.decode(request.body)
    except msgspec.DecodeError as error:
        raise openai_shapes.unreadable(error) from None
    given = asked.input
    inputs: list[Any] = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    return question_of(asked.model, (asked, inputs), sum(map(tokens_of, inputs)))


def write_embed(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """A vector of length 1 for each input."""
    asked, inputs = question.given
    vectors: list[Any] = [vector_of(each, asked.dimensions or DIMENSIONS_DEFAULT) for each in inputs]
    if asked.encoding_format == "base64":
        vectors = [base64_of(vector) for vector in vectors]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    whole = {"object": "list", "data": data, "model": answer.model}
    return _encode(whole | _usage(answer, behaviour))


def read_rerank(request: Asked) -> Question:
    """The body of `POST /rerank`."""
    try:
        asked = _rerank.decode(request.body)
    except msgspec.DecodeError as error:
        raise openai_shapes.unreadable(error) from None
    tokens = sum(map(tokens_of, asked.documents)) + tokens_of(asked.query) * len(asked.documents)
    return question_of(asked.model, asked, tokens)


def write_rerank(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """The ranking under Cohere's name for it, and under Voyage's."""
    asked: _Rerank = question.given
    results = ranking(asked.query, asked.documents, asked.top_n or asked.top_k)
    whole: dict[str, Any] = {"id": answer.id, "results": results, "data": results}
    if behaviour.usage != "none":
        units = -(-len(asked.documents) // 100)
        whole["meta"] = {"api_version": {"version": "2"}, "billed_units": {"search_units": units}}
    return _encode(whole | _usage(answer, behaviour))


def read_moderate(request: Asked) -> Question:
    """The body of `POST /moderations`."""
    try:
        asked = _moderate.decode(request.body)
    except msgspec.DecodeError as error:
        raise openai_shapes.unreadable(error) from None
    given = asked.input
    texts = given if isinstance(given, list) and all(isinstance(each, str) for each in given) else [given]
    return question_of(asked.model, texts, 0)


def write_moderate(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """Flagged is what holds one of two words."""
    results = []
    for each in question.given:
        bad = any(word in str(each).lower() for word in _WORDS_FLAGGED)
        results.append(
            {
                "flagged": bad,
                "categories": {name: bad and name == "violence" for name in _CATEGORIES},
                "category_scores": {name: 0.9 if bad and name == "violence" else 0.001 for name in _CATEGORIES},
                "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
            }
        )
    return _encode({"id": answer.id, "model": answer.model, "results": results})


def ranking(query: str, documents: list[Any], top_n: int | None) -> list[dict[str, Any]]:
    """A document is as relevant as it shares words with the query."""
    wanted = set(query.lower().split())
    scores = [len(wanted & set(str(each).lower().split())) / max(1, len(wanted)) for each in documents]
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[:top_n]
    return [{"index": index, "relevance_score": scores[index]} for index in order]


def question_of(model: str, given: Any, prompt_tokens: int) -> Question:
    """A question whose answer holds no tokens."""
    if not model:
        raise Refused(400, "you must provide a model parameter")
    return Question(model=model, prompt_tokens=prompt_tokens, max_tokens=0, given=given)


def tokens_of(given: Any) -> int:
    """Four characters are a token, and a token is one."""
    return len(given) if isinstance(given, list) else max(1, -(-len(str(given)) // 4))


def vector_of(given: Any, dimensions: int) -> list[float]:
    """Of length 1, and the same for the same input."""
    random = Random(crc32(_encode(given)))  # noqa: S311  # the same vector for the same input is what is wanted
    numbers = [random.uniform(-1, 1) for _ in range(dimensions)]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def base64_of(vector: list[float]) -> str:
    """32-bit floats, as they lie in memory."""
    return base64.b64encode(array("f", vector).tobytes()).decode()


def _usage(answer: Answer, behaviour: Behaviour) -> dict[str, Any]:
    used = counts(answer, behaviour)
    return {} if used is None else {"usage": {"prompt_tokens": used.prompt, "total_tokens": used.total}}


def no_frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """Nothing of this is ever streamed."""
    return iter(())


EMBEDDINGS = Format(
    paths=("/embeddings",),
    id_prefix="embd-",
    read=read_embed,
    whole=write_embed,
    frames=no_frames,
    refusal=openai_shapes.refusal,
    failure=openai_shapes.failure,
    text_field=b'"embedding":"',
)
RERANK = Format(
    paths=("/rerank",),
    id_prefix="rerank-",
    read=read_rerank,
    whole=write_rerank,
    frames=no_frames,
    refusal=openai_shapes.refusal,
    failure=openai_shapes.failure,
    text_field=b'"id":"',
)
MODERATIONS = Format(
    paths=("/moderations",),
    id_prefix="modr-",
    read=read_moderate,
    whole=write_moderate,
    frames=no_frames,
    refusal=openai_shapes.refusal,
    failure=openai_shapes.failure,
    text_field=b'"id":"',
)
