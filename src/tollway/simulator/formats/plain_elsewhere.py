"""Embeddings as Google, Cohere and Amazon Bedrock have them; and reranking on Bedrock. Made up, as OpenAI's are."""

from typing import Any

import msgspec

from tollway.simulator.answer import Answer, Question
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats import bedrock_converse, cohere_chat, gemini
from tollway.simulator.formats.base import Asked, Format, Refused
from tollway.simulator.formats.openai_plain import (
    DIMENSIONS_DEFAULT,
    base64_of,
    no_frames,
    question_of,
    ranking,
    tokens_of,
    vector_of,
)
from tollway.simulator.usage import counts

_encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(dict[str, Any])


def read_gemini(request: Asked) -> Question:
    """`:embedContent`, a batch of such requests, or Vertex AI's `:predict`."""
    body = _body(request)
    if request.action == "predict":
        instances = body.get("instances")
        if not isinstance(instances, list) or not all(isinstance(each, dict) for each in instances):
            raise Refused(400, "Invalid value at 'instances'")
        texts = [{"text": each.get("content")} for each in instances]
        asked = (request.action, texts, body.get("parameters", {}).get("outputDimensionality") or DIMENSIONS_DEFAULT)
        return question_of(request.model, asked, sum(tokens_of(text["text"]) for text in texts))
    items = body.get("requests") if request.action == "batchEmbedContents" else [body]
    if not isinstance(items, list) or not items:
        raise Refused(400, "* BatchEmbedContentsRequest.requests: at least one request is required")
    contents = [item.get("content", {}).get("parts") for item in items]
    if not all(contents):
        raise Refused(400, "* EmbedContentRequest.content: contents is not specified")
    wanted = items[0].get("outputDimensionality") or DIMENSIONS_DEFAULT
    return question_of(request.model, (request.action, contents, wanted), sum(map(_letters, contents)))


def write_gemini(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """Vectors, without a word of usage, as recorded; Vertex AI counts each text."""
    action, contents, dimensions = question.given
    vectors = [{"values": vector_of(parts, dimensions)} for parts in contents]
    if action == "predict":
        counted = [{"token_count": tokens_of(text["text"]), "truncated": False} for text in contents]
        found = [{**each, "statistics": count} for each, count in zip(vectors, counted, strict=True)]
        return _encode({"predictions": [{"embeddings": each} for each in found]})
    return _encode({"embeddings": vectors} if action == "batchEmbedContents" else {"embedding": vectors[0]})


def read_cohere(request: Asked) -> Question:
    """`POST /embed`."""
    body = _body(request)
    given = body.get("texts") or body.get("inputs")
    if not isinstance(given, list) or not given:
        raise Refused(400, "invalid request: valid texts, images or inputs must be provided")
    if not isinstance(body.get("input_type"), str):
        raise Refused(400, "invalid request: input_type is required")
    wanted = (body.get("embedding_types") or ["float"], body.get("output_dimension") or DIMENSIONS_DEFAULT)
    return question_of(request.model or body.get("model", ""), (given, *wanted), sum(map(tokens_of, given)))


def write_cohere(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """Vectors by type."""
    given, kinds, dimensions = question.given
    numbers = [vector_of(each, dimensions) for each in given]
    found: dict[str, Any] = {kind: numbers for kind in kinds if kind == "float"}
    if "base64" in kinds:
        found["base64"] = [base64_of(vector) for vector in numbers]
    whole: dict[str, Any] = {"id": answer.id, "embeddings": found, "response_type": "embeddings_by_type"}
    if (used := counts(answer, behaviour)) is not None:
        whole["meta"] = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": used.prompt}}
    return _encode(whole)


def read_bedrock(request: Asked) -> Question:
    """`InvokeModel`, with the body of the model's maker."""
    body = _body(request)
    if "rerank" in request.model:
        documents, query = body.get("documents"), body.get("query")
        if not isinstance(documents, list) or not isinstance(query, str):
            raise Refused(400, "Malformed input request: query and documents are required")
        return question_of(request.model, ("rerank", query, documents, body.get("top_n")), 0)
    if "cohere." in request.model:
        asked = read_cohere(request)
        return msgspec.structs.replace(asked, given=("cohere", *asked.given))
    params = body.get("singleEmbeddingParams", {})
    given = body.get("inputText") or params.get("text", {}).get("value")
    if not isinstance(given, str):
        raise Refused(400, "Malformed input request: #: required key [inputText] not found")
    wanted = body.get("dimensions") or params.get("embeddingDimension") or DIMENSIONS_DEFAULT
    return question_of(request.model, ("nova" if params else "titan", given, wanted), tokens_of(given))


def write_bedrock(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """What the model's maker answers."""
    kind, *given = question.given
    if kind == "rerank":
        query, documents, top_n = given
        return _encode({"results": ranking(query, documents, top_n)})
    if kind == "cohere":
        return write_cohere(msgspec.structs.replace(question, given=tuple(given)), answer, behaviour)
    text, dimensions = given
    vector = vector_of(text, dimensions)
    if kind == "nova":
        return _encode({"embeddings": [{"embeddingType": "TEXT", "embedding": vector}]})
    used = counts(answer, behaviour)
    counted = {} if used is None else {"inputTextTokenCount": used.prompt}
    return _encode({"embedding": vector, "embeddingsByType": {"float": vector}, **counted})


def _body(request: Asked) -> dict[str, Any]:
    try:
        return _decoder.decode(request.body)
    except msgspec.DecodeError:
        raise Refused(400, "The body is not a JSON object.") from None


def _letters(parts: Any) -> int:
    return tokens_of("".join(str(part.get("text", "")) for part in parts if isinstance(part, dict)))


GEMINI = Format(
    paths=(
        r"/models/(?P<model>.+):(?P<action>embedContent|batchEmbedContents|predict)",
        r"/projects/[^/]+/locations/[^/]+/publishers/google/models/(?P<model>.+):(?P<action>predict)",
    ),
    id_prefix="",
    read=read_gemini,
    whole=write_gemini,
    frames=no_frames,
    refusal=gemini.refusal,
    failure=gemini.failure,
    text_field=b'"values":',
    key_header="x-goog-api-key",
)
COHERE = Format(
    paths=("/embed",),
    id_prefix="",
    read=read_cohere,
    whole=write_cohere,
    frames=no_frames,
    refusal=cohere_chat.refusal,
    failure=cohere_chat.failure,
    text_field=b'"id":"',
)
BEDROCK = Format(
    paths=(r"/model/(?P<model>.+)/invoke",),
    id_prefix="",
    read=read_bedrock,
    whole=write_bedrock,
    frames=no_frames,
    refusal=bedrock_converse.refusal,
    failure=bedrock_converse.failure,
    text_field=b'"embedding":',
    id_header="x-amzn-requestid",
    refusal_headers=bedrock_converse.refusal_headers,
)
