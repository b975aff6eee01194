"""Embeddings, rerank and moderations in each format, as their makers' documentation has them."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.catalog import Operation, WireFormat
from tollway.domain.chat import ImagePart, ImageUrl, NativePart, TextPart
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import (
    EmbeddingAnswer,
    EmbeddingRequest,
    ModerationAnswer,
    ModerationRequest,
    PlainAnswer,
    PlainRequest,
    Ranked,
    RerankAnswer,
    RerankRequest,
)
from tollway.domain.quirks import Quirks
from tollway.providers.labs import LABS
from tollway.providers.openai import OPENAI
from tollway.wire.formats import PLAIN_CLIENTS
from tollway.wire.gemini import embed_server as gemini_server
from tollway.wire.openai_embeddings import server as embed_server
from tollway.wire.openai_moderations import server as moderation_server
from tollway.wire.rerank import server as rerank_server

PIXEL = "data:image/png;base64,AAAA"
IMAGE = ImagePart(image_url=ImageUrl(url=PIXEL))
EMBED, RERANK, MODERATE = Operation.EMBEDDINGS, Operation.RERANK, Operation.MODERATION
OPENAI_FORMAT, GEMINI, COHERE = WireFormat.OPENAI_CHAT, WireFormat.GEMINI, WireFormat.COHERE_CHAT
VOYAGE, BEDROCK = WireFormat.VOYAGE, WireFormat.BEDROCK_CONVERSE


_NO_QUIRKS = Quirks()


def sent(
    request: PlainRequest, form: WireFormat, model: str = "m", quirks: Quirks = _NO_QUIRKS, same: bool = False
) -> Any:
    """The body that a provider gets."""
    client = PLAIN_CLIENTS[request.operation][form]
    return json.loads(
        client.encode_request(request, upstream_model=model, quirks=quirks, user_id=None, same_format=same)
    )


def read(request: PlainRequest, form: WireFormat, body: Any, model: str = "m") -> PlainAnswer | Failed:
    client = PLAIN_CLIENTS[request.operation][form]
    return client.decode_answer(json.dumps(body).encode(), request, model, None)


def test_what_embeddings_are_for() -> None:
    """Everybody's word for a query is everybody's word for a query; a word that nobody knows goes as it is."""
    for word in ("query", "search_query", "RETRIEVAL_QUERY"):
        request = EmbeddingRequest(inputs=("x",), input_type=word)
        assert sent(request, COHERE)["input_type"] == "search_query"
        assert sent(request, VOYAGE)["input_type"] == "query"
        assert sent(request, GEMINI)["requests"][0]["taskType"] == "RETRIEVAL_QUERY"
        nova = sent(request, BEDROCK, "amazon.nova-2-multimodal-embeddings-v1:0")
        assert nova["singleEmbeddingParams"]["embeddingPurpose"] == "GENERIC_RETRIEVAL"
    clustering = EmbeddingRequest(inputs=("x",), input_type="clustering")
    assert "input_type" not in sent(clustering, VOYAGE), "it has no word for that"
    assert sent(EmbeddingRequest(inputs=("x",), input_type="haiku"), COHERE)["input_type"] == "haiku"
    assert sent(EmbeddingRequest(inputs=("x",)), COHERE)["input_type"] == "search_document", "required there"


def test_openai_is_not_told_what_it_refuses() -> None:
    """`input_type` and `truncate` reach compatible servers whose caller speaks the format, but never OpenAI."""
    request = EmbeddingRequest(inputs=("x",), input_type="query", truncate="END", dimensions=3)
    assert sent(request, OPENAI_FORMAT, same=True) == {
        "model": "m",
        "input": ["x"],
        "dimensions": 3,
        "input_type": "query",
        "truncate": "END",
    }
    plain = {"model": "m", "input": ["x"], "dimensions": 3}
    assert sent(request, OPENAI_FORMAT) == plain
    assert sent(request, OPENAI_FORMAT, quirks=OPENAI.quirks, same=True) == plain
    mistral = next(each for each in LABS if each.slug == "mistral").quirks
    assert sent(request, OPENAI_FORMAT, quirks=mistral)["output_dimension"] == 3


@pytest.mark.parametrize(
    ("model", "inputs", "body"),
    [
        ("amazon.titan-embed-text-v1", ("x",), {"inputText": "x"}),
        ("amazon.titan-embed-text-v2:0", ("x",), {"inputText": "x", "dimensions": 256, "normalize": True}),
        (
            "amazon.titan-embed-image-v1",
            ((TextPart(text="x"), IMAGE),),
            {"inputText": "x", "inputImage": "AAAA", "embeddingConfig": {"outputEmbeddingLength": 256}},
        ),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            ("x",),
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_INDEX",
                    "embeddingDimension": 256,
                    "text": {"truncationMode": "NONE", "value": "x"},
                },
            },
        ),
        (
            "us.amazon.nova-2-multimodal-embeddings-v1:0",
            ((IMAGE,),),
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_INDEX",
                    "embeddingDimension": 256,
                    "image": {"format": "png", "source": {"bytes": "AAAA"}},
                },
            },
        ),
    ],
)
def test_bedrocks_bodies(model: str, inputs: Any, body: Any) -> None:
    """Each of Amazon's models has a body of its own, for one input."""
    client = PLAIN_CLIENTS[EMBED][BEDROCK]
    assert sent(EmbeddingRequest(inputs=inputs, dimensions=256), BEDROCK, model) == body
    assert client.inputs_max(model, Quirks()) == 1
    assert client.path(model, None, Quirks()) == f"/model/{model.replace(':', '%3A')}/invoke"


def test_bedrocks_answers() -> None:
    """Nova's vectors are items with a type; Titan's is one."""
    request = EmbeddingRequest(inputs=("x",))
    nova = read(request, BEDROCK, {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5]}]}, "amazon.nova-2")
    titan = read(request, BEDROCK, {"embedding": [0.5], "inputTextTokenCount": 2}, "amazon.titan-embed-text-v1")
    assert isinstance(nova, EmbeddingAnswer)
    assert isinstance(titan, EmbeddingAnswer)
    assert bytes(nova.vectors[0]) == bytes(titan.vectors[0]) == b"[0.5]"
    assert (nova.usage, titan.usage) == (None, Usage(prompt=2))


def test_cohere_reads_images() -> None:
    """Inputs of several kinds are contents; Cohere bills pictures' tokens apart."""
    request = EmbeddingRequest(inputs=((TextPart(text="x"), IMAGE), "y"), dimensions=256, truncate="end")
    assert sent(request, COHERE) == {
        "model": "m",
        "input_type": "search_document",
        "embedding_types": ["float"],
        "inputs": [
            {"content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": PIXEL}}]},
            {"content": [{"type": "text", "text": "y"}]},
        ],
        "truncate": "END",
        "output_dimension": 256,
    }
    body = {
        "id": "i",
        "embeddings": {"base64": ["AAAAPw==", "AAAAPw=="], "float": None},
        "meta": {"billed_units": {"input_tokens": 2.0, "image_tokens": 5}},
    }
    answer = read(request, COHERE, body)
    assert isinstance(answer, EmbeddingAnswer)
    assert [bytes(vector) for vector in answer.vectors] == [b"[0.5]", b"[0.5]"]
    assert (answer.usage, answer.upstream_id) == (Usage(prompt=7, image_prompt=5), "i")


def test_vertex_predicts() -> None:
    """Vertex AI's URL, body and answer; of Gemini's models one text a request."""
    quirks, client = Quirks(predicts=True), PLAIN_CLIENTS[EMBED][GEMINI]
    request = EmbeddingRequest(inputs=("x",), dimensions=2, input_type="query", truncate="NONE")
    assert client.path("text-embedding-005", request, quirks) == "/models/text-embedding-005:predict"
    assert (client.inputs_max("gemini-embedding-001", quirks), client.inputs_max("text-embedding-005", quirks)) == (
        1,
        250,
    )
    assert sent(request, GEMINI, quirks=quirks) == {
        "instances": [{"content": "x", "task_type": "RETRIEVAL_QUERY"}],
        "parameters": {"outputDimensionality": 2, "autoTruncate": False},
    }
    body = {"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 4, "truncated": False}}}]}
    answer = read(request, GEMINI, body)
    assert isinstance(answer, EmbeddingAnswer)
    assert answer.usage == Usage(prompt=4)


def test_geminis_usage() -> None:
    """Newer models say what they read, by kind."""
    body = {
        "embeddings": [{"values": [0.5]}],
        "usageMetadata": {
            "promptTokenCount": 260,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 2}, {"modality": "IMAGE", "tokenCount": 258}],
        },
    }
    answer = read(EmbeddingRequest(inputs=("x",)), GEMINI, body)
    assert isinstance(answer, EmbeddingAnswer)
    assert answer.usage == Usage(prompt=260, image_prompt=258)


@pytest.mark.parametrize(
    ("form", "body", "usage"),
    [
        (
            COHERE,
            {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}],
             "id": "i", "meta": {"billed_units": {"search_units": 1}}},
            Usage(requests=1),
        ),
        (
            OPENAI_FORMAT,  # Jina, vLLM: documents are repeated, tokens counted, in any order
            {"results": [{"index": 0, "relevance_score": 0.2, "document": {"text": "a"}},
                         {"index": 1, "relevance_score": 0.9}], "usage": {"total_tokens": 12}},
            Usage(prompt=12),
        ),
        (
            VOYAGE,
            {"object": "list", "data": [{"relevance_score": 0.9, "index": 1}, {"relevance_score": 0.2, "index": 0}],
             "usage": {"total_tokens": 26}},
            Usage(prompt=26),
        ),
        (BEDROCK, {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]}, None),
    ],
)  # fmt: skip
def test_rankings(form: WireFormat, body: Any, usage: Usage | None) -> None:
    """The most relevant first, whatever the order and the names; what is billed as each bills it."""
    request = RerankRequest(query="q", inputs=("a", "b"))
    answer = read(request, form, body, "cohere.rerank-v3-5:0")
    assert isinstance(answer, RerankAnswer)
    assert answer.results == (Ranked(1, 0.9), Ranked(0, 0.2))
    assert answer.usage == usage
    top = read(RerankRequest(query="q", inputs=("a", "b"), top_n=1), form, body)
    assert isinstance(top, RerankAnswer)
    assert top.results == (Ranked(1, 0.9),)
    short = RerankRequest(query="q", inputs=("a",))
    assert isinstance(read(short, form, body), Failed), "it ranks a document that was not sent"


def test_rerank_requests() -> None:
    """Each provider's names for the same wishes."""
    request = RerankRequest(query="q", inputs=("a", (TextPart(text="b"), IMAGE)), top_n=1, max_tokens_per_doc=9)
    documents = ["a", {"text": "b", "image": PIXEL}]
    cohere = {"model": "m", "query": "q", "documents": documents, "top_n": 1, "max_tokens_per_doc": 9}
    assert sent(request, COHERE) == cohere
    assert sent(request, VOYAGE) == {"model": "m", "query": "q", "documents": ["a", "b"], "top_k": 1}
    bedrock = sent(RerankRequest(query="q", inputs=("a",)), BEDROCK, "cohere.rerank-v3-5:0")
    assert bedrock == {"query": "q", "documents": ["a"], "api_version": 2}


def test_moderations() -> None:
    """Results pass untouched; Mistral does not say `flagged`, which its categories say."""
    one = ModerationRequest(inputs=("x",), alone=True)
    assert sent(one, OPENAI_FORMAT) == {"model": "m", "input": "x"}
    parts = ModerationRequest(inputs=((TextPart(text="x"), IMAGE, NativePart(native={"type": "new"})),), alone=True)
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    assert sent(parts, OPENAI_FORMAT)["input"] == [{"type": "text", "text": "x"}, image, {"type": "new"}]
    body = {"id": "modr-1", "model": "omni", "results": [{"flagged": False, "categories": {"x": True}, "new": [1]}]}
    answer = read(one, OPENAI_FORMAT, body)
    assert isinstance(answer, ModerationAnswer)
    assert json.loads(bytes(answer.results[0])) == body["results"][0]
    assert (answer.upstream_id, answer.model) == ("modr-1", "omni")
    mistral = read(one, OPENAI_FORMAT, {"results": [{"categories": {"pii": True}, "category_scores": {"pii": 0.9}}]})
    assert isinstance(mistral, ModerationAnswer)
    assert json.loads(bytes(mistral.results[0]))["flagged"] is True
    assert isinstance(read(one, OPENAI_FORMAT, {"results": []}), Failed)


@pytest.mark.parametrize(
    ("value", "inputs", "alone"),
    [
        ("x", ("x",), True),
        (["x"], ("x",), False),
        ([1, 2], ((1, 2),), True),
        ([[1, 2], [3]], ((1, 2), (3,)), False),
        ([{"content": [{"type": "text", "text": "x"}]}], ((TextPart(text="x"),),), False),
    ],
)
def test_inputs_of_callers(value: Any, inputs: Any, alone: bool) -> None:
    """Texts, tokens and parts, alone and in lists; they go on as they came."""
    request = embed_server.decode_request(json.dumps({"input": value, "model": "m"}).encode())
    assert (request.inputs, request.alone) == (inputs, alone)
    assert sent(request, OPENAI_FORMAT, same=True)["input"] == value


def test_media_of_callers() -> None:
    """OpenRouter's parts with data, and a kind that is not known yet, come back as they were."""
    parts = [
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,AAAA", "format": "wav"}},
        {"type": "input_video", "input_video": {"data": "data:video/mp4;base64,AAAA"}},
        {"type": "input_file", "input_file": {"data": "data:application/pdf;base64,AAAA", "format": "pdf"}},
        {"type": "hologram", "hologram": {"depth": 3}},
    ]
    request = embed_server.decode_request(json.dumps({"input": [{"content": parts}], "model": "m"}).encode())
    assert sent(request, OPENAI_FORMAT, same=True)["input"] == [{"content": parts}]


Decode = Callable[[bytes], PlainRequest]
WRONG: tuple[tuple[Decode, Any, str | None], ...] = (
    (embed_server.decode_request, {"model": "m"}, "input"),
    (embed_server.decode_request, {"input": "", "model": "m"}, "input"),
    (embed_server.decode_request, {"input": [], "model": "m"}, "input"),
    (embed_server.decode_request, {"input": ["x", ""], "model": "m"}, "input[1]"),
    (embed_server.decode_request, {"input": ["x", 1], "model": "m"}, "input"),
    (embed_server.decode_request, {"input": ["x"] * 10_001, "model": "m"}, "input"),
    (embed_server.decode_request, {"input": [-1], "model": "m"}, "input[0]"),
    (embed_server.decode_request, {"input": [{"content": []}], "model": "m"}, "input[0].content"),
    (embed_server.decode_request, {"input": [{"content": [{}]}], "model": "m"}, "input[0].content[0].type"),
    (
        embed_server.decode_request,
        {"input": [{"content": [{"type": "input_video", "input_video": {}}]}]},
        "input[0].content[0].input_video.data",
    ),
    (embed_server.decode_request, {"input": "x", "dimensions": 0}, "dimensions"),
    (embed_server.decode_request, {"input": "x", "model": "a\0b"}, "model"),
    (rerank_server.decode_request, {"documents": ["a"]}, "query"),
    (rerank_server.decode_request, {"query": "q", "documents": []}, "documents"),
    (rerank_server.decode_request, {"query": "q", "documents": [{}]}, "documents[0]"),
    (rerank_server.decode_request, {"query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
    (moderation_server.decode_request, {}, "input"),
    (moderation_server.decode_request, {"input": ["a", {"type": "text", "text": "b"}]}, "input"),
    (moderation_server.decode_request, {"input": [{"text": "b"}]}, "input[0].type"),
    (gemini_server.decode_one, {}, "content.parts"),
    (
        gemini_server.decode_one,
        {"content": {"parts": [{"text": "x"}]}, "outputDimensionality": "x"},
        "outputDimensionality",
    ),
    (gemini_server.decode_one, {"content": {"parts": [{"inlineData": {}}]}}, "content.parts[0]"),
    (gemini_server.decode_request, {"requests": []}, "requests"),
    (gemini_server.decode_request, {"requests": [3]}, "requests[0]"),
    (
        gemini_server.decode_request,
        {"requests": [{"content": {"parts": [{"text": "x"}]}}, {"content": {"parts": [{"text": "x"}]}, "title": "t"}]},
        "requests[1]",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("decode", "body", "param"), WRONG)
def test_wrong_requests(decode: Decode, body: Any, param: str | None) -> None:
    """A clear error that names the field."""
    with pytest.raises(InvalidRequest) as caught:
        decode(json.dumps(body).encode())
    assert caught.value.param == param, caught.value.message


def test_one_of_geminis_in_snake_case() -> None:
    """Google's spellings are one: snake_case, a configuration object, a single part."""
    body = {
        "content": {"parts": {"text": "x"}},
        "task_type": "CLUSTERING",
        "embed_content_config": {"output_dimensionality": 3},
    }
    request = gemini_server.decode_one(json.dumps(body).encode())
    assert (request.inputs, request.alone) == (("x",), True)
    assert (request.input_type, request.dimensions) == ("CLUSTERING", 3)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "embeddings", "embedding", "values", "index", "results", "usage", "meta", "float"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
REQUESTS: tuple[PlainRequest, ...] = (
    EmbeddingRequest(inputs=("x",), encoding_format="base64"),
    RerankRequest(query="q", inputs=("x",)),
    ModerationRequest(inputs=("x",)),
)


@given(JSON, st.binary(max_size=20))
def test_hostile_answers(value: Any, junk: bytes) -> None:
    """Whatever a provider sends is an answer or a Failed, never an exception."""
    for request in REQUESTS:
        for client in PLAIN_CLIENTS[request.operation].values():
            for body in (msgspec.json.encode(value), junk, b"<html>busy</html>", b""):
                for model in ("m", "cohere.embed", "amazon.nova", "amazon.titan"):
                    assert isinstance(client.decode_answer(body, request, model, "7"), PlainAnswer | Failed)
