"""Recorded embeddings of OpenAI, Cohere, Voyage, Google and Bedrock: what we read, and what we send, is theirs."""

import base64
import json
import struct
from typing import Any
from urllib.parse import unquote

import pytest

from tests.wire.recordings import exchanges
from tollway.domain.catalog import Operation, WireFormat
from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest
from tollway.domain.quirks import Quirks
from tollway.wire.formats import PLAIN_CLIENTS, PlainClient
from tollway.wire.gemini import embed_server as gemini_server
from tollway.wire.openai_embeddings import server as openai_server

FORMATS = {
    "openai": WireFormat.OPENAI_CHAT,
    "cohere": WireFormat.COHERE_CHAT,
    "voyage": WireFormat.VOYAGE,
    "google": WireFormat.GEMINI,
    "bedrock": WireFormat.BEDROCK_CONVERSE,
}
NULLS = {"cohere": {"max_tokens"}, "voyage": set(), "bedrock": {"max_tokens"}}
"""What the recording client writes and we have no word for: a limit below the model's own."""


def recorded() -> list[dict[str, Any]]:
    return [*exchanges("embeddings"), *(each for each in exchanges("invoke") if "embed" in each["request"]["url"])]


def client_of(record: dict[str, Any]) -> PlainClient:
    return PLAIN_CLIENTS[Operation.EMBEDDINGS][FORMATS[record["provider"]]]


def model_of(record: dict[str, Any]) -> str:
    """The model's name, which Google and Bedrock have in the URL."""
    url, body = record["request"]["url"], record["request"]["json"]
    if record["provider"] == "google":
        return str(url.rpartition("/models/")[2].partition(":")[0])
    return unquote(url.split("/")[-2]) if record["provider"] == "bedrock" else str(body["model"])


def inputs_of(body: dict[str, Any]) -> list[str]:
    if "requests" in body:
        return [each["content"]["parts"][0]["text"] for each in body["requests"]]
    return list(body.get("input") or body.get("texts") or [body["inputText"]])


def asked(record: dict[str, Any]) -> EmbeddingRequest:
    """What a caller of ours would have said to cause the recorded request."""
    body = record["request"]["json"]
    truncate = body.get("truncate")
    if "truncation" in body:
        truncate = "END" if body["truncation"] else "NONE"
    return EmbeddingRequest(
        inputs=tuple(inputs_of(body)),
        model="any/model",
        dimensions=body.get("dimensions") or body.get("output_dimension"),
        encoding_format=body.get("encoding_format"),
        input_type=body.get("input_type"),
        truncate=truncate,
    )


def decoded(record: dict[str, Any], request: EmbeddingRequest) -> EmbeddingAnswer:
    body = json.dumps(record["response"]["json"]).encode()
    answer = client_of(record).decode_answer(body, request, model_of(record), None)
    assert isinstance(answer, EmbeddingAnswer), record["case"]
    return answer


def first_vector(record: dict[str, Any]) -> Any:
    """The first vector, dug out of the recording's own JSON."""
    body = record["response"]["json"]
    if "data" in body:
        return body["data"][0]["embedding"]
    if "embedding" in body:
        return body["embedding"]
    found = body["embeddings"]
    first = found["float"][0] if isinstance(found, dict) else found[0]
    return first["values"] if isinstance(first, dict) else first


def test_answers_decode() -> None:
    """Every vector is there, in the form that was asked for, whichever the provider sent."""
    count = 0
    for record in recorded():
        if record["response"]["status"] != 200:
            continue
        wanted, request = first_vector(record), asked(record)
        for form in ("float", "base64"):
            answer = decoded(record, EmbeddingRequest(inputs=request.inputs, encoding_format=form))
            assert len(answer.vectors) == len(request.inputs), record["case"]
            found = json.loads(bytes(answer.vectors[0]))
            if isinstance(found, str) == isinstance(wanted, str):
                assert found == wanted, record["case"]
            else:
                text, numbers = (found, wanted) if isinstance(found, str) else (wanted, found)
                data = base64.b64decode(text)
                assert struct.unpack(f"<{len(data) // 4}f", data) == pytest.approx(numbers, rel=1e-6), record["case"]
        count += 1
    assert count >= 18


USAGE = {
    "TestOpenAI.test_instrumentation#0": Usage(prompt=4),
    "TestVoyageAI.test_documents#0": Usage(),  # {"total_tokens": 0}: nonsense, which the gateway counts anew
    "TestVoyageAI.test_query_with_truncate#0": Usage(prompt=3),
    "TestVoyageAI.test_query_with_voyageai_input_type#0": Usage(prompt=4),
    "TestCohere.test_query_with_truncate#0": Usage(prompt=4),
    "TestCohere.test_query_with_cohere_truncate#0": Usage(prompt=4),
    "TestBedrock.test_titan_v1_minimal#0": Usage(prompt=4),
    "TestBedrock.test_titan_v2_with_dimensions#0": Usage(prompt=4),
    "TestBedrock.test_instrumentation#0": Usage(prompt=5),
    # The body says none; its count was in a header, which the recordings left out.
    "TestBedrock.test_cohere_v3_minimal#0": None,
    "TestGoogle.test_instrumentation#0": None,
}
"""Read by hand out of the recordings."""


def test_usage() -> None:
    """Tokens as the provider counted them; None where it does not say."""
    seen = set()
    for record in recorded():
        name = record["case"].rpartition("/")[2]
        if record["response"]["status"] == 200 and name in USAGE:
            assert decoded(record, asked(record)).usage == USAGE[name], name
            seen.add(name)
    assert seen == USAGE.keys()


def test_a_count_in_a_header() -> None:
    """Bedrock says how many tokens Cohere read in `x-amzn-bedrock-input-token-count`."""
    record = next(each for each in recorded() if each["case"].endswith("test_cohere_v3_minimal#0"))
    body = json.dumps(record["response"]["json"]).encode()
    for header, usage in (("7", Usage(prompt=7)), ("x", None), ("", None), ("9" * 13, None)):
        answer = client_of(record).decode_answer(body, asked(record), model_of(record), header)
        assert isinstance(answer, EmbeddingAnswer)
        assert answer.usage == usage, header


def test_requests_are_encoded_as_recorded() -> None:
    """What other clients send to each provider is what we would send for the same wishes."""
    count = 0
    for record in recorded():
        body = record["request"]["json"]
        if record["provider"] == "google":
            continue
        sent = json.loads(
            client_of(record).encode_request(
                asked(record), upstream_model=model_of(record), quirks=Quirks(), user_id=None, same_format=True
            )
        )
        known = {name: value for name, value in body.items() if value is not None}
        for name in NULLS.get(record["provider"], set()):
            known.pop(name, None)
        if record["provider"] == "bedrock" and "v4" in model_of(record):
            assert sent.pop("embedding_types") == ["float"]
        assert sent == known, record["case"]
        count += 1
    assert count >= 19


@pytest.mark.parametrize("provider", ["openai", "google"])
def test_callers_requests_survive(provider: str) -> None:
    """A recorded request, read as a caller's and sent on in its own format, is the request that was recorded."""
    count = 0
    for record in recorded():
        if record["provider"] != provider:
            continue
        body = json.dumps(record["request"]["json"]).encode()
        decode = openai_server.decode_request if provider == "openai" else gemini_server.decode_request
        sent = client_of(record).encode_request(
            decode(body), upstream_model=model_of(record), quirks=Quirks(), user_id=None, same_format=True
        )
        assert json.loads(sent) == record["request"]["json"], record["case"]
        count += 1
    assert count == 2


ERRORS = {
    "openai": (404, "model_not_found", "The model `nonexistent` does not exist or you do not have access to it."),
    "cohere": (404, None, "model 'nonexistent' not found, make sure the correct model ID was used"),
    "voyage": (400, None, "Model nonexistent is not supported. Supported models are"),
    "google": (404, "NOT_FOUND", "models/nonexistent-model is not found for API version v1beta"),
}


def test_errors() -> None:
    """Class and words of each recorded error."""
    seen = set()
    for record in recorded():
        status, provider = record["response"]["status"], record["provider"]
        if status != 200:
            body = json.dumps(record["response"]["json"]).encode()
            failed = client_of(record).decode_error(status, lambda name: None, body, now_s=0.0)
            assert isinstance(failed, Failed)
            wanted = ERRORS[provider]
            assert (failed.status, failed.code) == wanted[:2]
            assert failed.message.startswith(wanted[2])
            seen.add(provider)
    assert seen == ERRORS.keys()
