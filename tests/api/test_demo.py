"""The demo's market: every provider of the shipped catalog, played in the wire format that it really speaks."""

from collections.abc import Iterator

import pytest

from tests.support import World, offer, world
from tollway.domain.catalog import Operation, WireFormat
from tollway.simulator.formats import find
from tollway.wire.formats import CLIENTS, PLAIN_CLIENTS

ENDPOINTS = 4
"""How many of each format are asked; any more takes its time and adds nothing."""
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def demo() -> Iterator[World]:
    """As `tollway demo` builds it."""
    with world(offer(), whole_catalog=True) as it:
        yield it


def of_format(demo: World, speaks: WireFormat) -> list[tuple[str, str]]:
    """(model, provider) of endpoints that take tools, of different providers where there are some."""
    market = demo.house.gateway.market
    found: dict[str, list[tuple[str, str]]] = {}
    for model, endpoints in sorted(market.catalog.endpoints.items()):
        for each in endpoints:
            if each.wire_format is speaks and "tools" in each.parameters and each.enabled and each.price is not None:
                found.setdefault(each.provider, []).append((model, each.provider))
    return [pairs[0] for pairs in sorted(found.values())][:ENDPOINTS]


@pytest.mark.parametrize("speaks", [pytest.param(each, id=each.value) for each in CLIENTS])
def test_every_format_is_played(demo: World, speaks: WireFormat) -> None:
    """Text, a stream with reasoning, and a tool call; the request went to a URL of that format."""
    asked = of_format(demo, speaks)
    assert asked, f"no provider of the catalog speaks {speaks.value}"
    for model, provider in asked:
        for fields in (
            {},
            {"stream": True, "reasoning": {"effort": "low"}},
            {"tools": [TOOL], "tool_choice": "required"},
        ):
            answer = demo.chat(model=model, provider={"only": [provider]}, max_tokens=2000, **fields)
            assert answer.status == 200, (model, provider, answer.text)
            assert '"error"' not in answer.text
            sent = demo.received[-1]
            found = find("/" + sent.path.split("/", 3)[3])  # behind /p/NAME: "google" may be another of Google's
            assert found is not None
            assert found[0] is played(speaks)


def played(speaks: WireFormat) -> object:
    """The simulator's side of a format, by a URL of it."""
    urls = {
        WireFormat.OPENAI_CHAT: "/v1/chat/completions",
        WireFormat.OPENAI_RESPONSES: "/v1/responses",
        WireFormat.ANTHROPIC_MESSAGES: "/v1/messages",
        WireFormat.GEMINI: "/v1beta/models/m:generateContent",
        WireFormat.BEDROCK_CONVERSE: "/model/m/converse",
        WireFormat.COHERE_CHAT: "/v2/chat",
    }
    found = find(urls[speaks])
    assert found is not None
    return found[0]


def plain_endpoints(demo: World, operation: Operation) -> dict[WireFormat, tuple[str, str]]:
    """Format -> (model, provider) of one endpoint that has a price."""
    found: dict[WireFormat, tuple[str, str]] = {}
    for model, offer_ in sorted(demo.house.gateway.market.offers.items()):
        if offer_.operation is operation:
            for each in offer_.live:
                found.setdefault(each.wire_format, (model, each.provider))
    return found


def test_every_format_of_embeddings_is_played(demo: World) -> None:
    """Each company's embeddings in its own format and at its own path: a vector for each input, and a charge."""
    asked = plain_endpoints(demo, Operation.EMBEDDINGS)
    assert asked.keys() == PLAIN_CLIENTS[Operation.EMBEDDINGS].keys()
    for speaks, (model, provider) in asked.items():
        for form in ("float", "base64"):
            body = {
                "model": model,
                "input": ["One.", "Two."],
                "encoding_format": form,
                "provider": {"only": [provider]},
            }
            answer = demo.request("POST", "/api/v1/embeddings", body)
            assert answer.status == 200, (speaks, answer.text)
            assert [type(each["embedding"]) for each in answer.json["data"]] == [list if form == "float" else str] * 2
            assert answer.json["data"][0]["embedding"] != answer.json["data"][1]["embedding"]
            assert answer.json["usage"]["prompt_tokens"] > 0
            assert answer.json["usage"]["cost"] > 0
            assert demo.received[-1].path.startswith(f"/p/{provider}/")


def test_rerank_at_a_provider_of_the_catalog(demo: World) -> None:
    """Who has a price for reranking ranks; who has none is off, and says what to do."""
    model, provider = plain_endpoints(demo, Operation.RERANK)[WireFormat.OPENAI_CHAT]
    body = {"model": model, "query": "red fish", "documents": ["blue", "a red fish"], "provider": {"only": [provider]}}
    assert demo.request("POST", "/api/v1/rerank", body).json["results"][0]["index"] == 1
    refused = demo.request("POST", "/api/v1/rerank", body | {"model": "cohere/rerank-v3.5", "provider": {}})
    assert refused.status == 404
    assert "has no price: set one, or declare it free" in refused.error["message"]


def test_moderation_is_off_until_it_is_declared_free(demo: World) -> None:
    """OpenAI's costs nothing, and a zero in a catalog is no price: an operator's word turns it on."""
    assert demo.request("POST", "/v1/moderations", {"input": "Good morning"}).status == 404
    control = {"authorization": f"Bearer {demo.house.control_token}"}
    free = {"id": "openai:omni-moderation-latest", "free": True}
    assert demo.request("POST", "/control/v1/catalog/endpoint", free, headers=control).status == 200
    answer = demo.request("POST", "/v1/moderations", {"input": "Good morning"})
    assert (answer.status, answer.json["results"][0]["flagged"], answer.json["usage"]["cost"]) == (200, False, 0)
