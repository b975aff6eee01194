"""Embeddings, rerank and moderations over HTTP: the official clients, every storefront's manners, the lists."""

import base64
import struct
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai import types
from openai import OpenAI
from openrouter import OpenRouter, errors

from tests.sdks import openrouter
from tests.support import World, request

EMBED = {"model": "test/embed", "input": ["One.", "Two."], "dimensions": 8}
RERANK = {"model": "test/rerank", "query": "red fish", "documents": ["blue", {"text": "a red fish"}], "top_n": 1}
MODERATE = {"model": "test/moderate", "input": "I will kill you"}


@pytest.fixture(params=["/v1", "/api/v1"], ids=["v1", "api"])
def sdk(request: pytest.FixtureRequest, well: World) -> Iterator[OpenAI]:
    base = well.url + str(request.param)
    with OpenAI(api_key=well.key.secret, base_url=base, max_retries=0) as made:
        yield made


@pytest.fixture
def router(well: World) -> Iterator[OpenRouter]:
    with openrouter(well) as made:
        yield made


@pytest.fixture
def google(well: World) -> genai.Client:
    return genai.Client(
        api_key=well.key.secret, http_options=types.HttpOptions(base_url=well.url, api_version="v1beta")
    )


def test_openai_embeddings(sdk: OpenAI, well: World) -> None:
    """OpenAI's client asks for base64 by default and decodes it; the vectors are those of the plain form."""
    default = sdk.embeddings.create(model="test/embed", input=["One.", "Two."], dimensions=8)
    assert well.stage.bodies()[-1]["encoding_format"] == "base64"
    plain = sdk.embeddings.create(model="test/embed", input=["One.", "Two."], dimensions=8, encoding_format="float")
    assert [each.index for each in default.data] == [0, 1]
    for one, other in zip(default.data, plain.data, strict=True):
        assert len(one.embedding) == 8
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)
    assert default.usage.prompt_tokens == default.usage.total_tokens == 2
    assert sdk.embeddings.create(model="test/embed", input=[1, 2, 3]).usage.prompt_tokens == 3
    coded = sdk.embeddings.with_raw_response.create(
        model="test/embed", input="One.", dimensions=2, encoding_format="base64"
    )
    text = coded.http_response.json()["data"][0]["embedding"]
    assert len(struct.unpack("<2f", base64.b64decode(text))) == 2


def test_openai_moderations(sdk: OpenAI) -> None:
    """A judgement for each text; an endpoint that was declared free costs nothing."""
    for model, cost in (("test/moderate", 4e-8), ("test/moderate-free", 0)):
        answer = sdk.moderations.create(model=model, input=["I will kill you", "Good morning"])
        assert [each.flagged for each in answer.results] == [True, False]
        assert answer.results[0].categories.violence is True
        assert answer.usage["cost"] == pytest.approx(cost, abs=1e-7)  # type: ignore[attr-defined]  # beyond OpenAI's own


def test_openai_errors(sdk: OpenAI) -> None:
    """What each error is to OpenAI's client; a model of another kind says where to ask."""
    with pytest.raises(openai.BadRequestError, match="ask it at /chat/completions"):
        sdk.embeddings.create(model="test/model", input="x")
    with pytest.raises(openai.BadRequestError, match="ask it at /embeddings"):
        sdk.chat.completions.create(model="test/embed", messages=[{"role": "user", "content": "x"}])
    with pytest.raises((openai.NotFoundError, openai.BadRequestError), match="not a valid model ID"):
        sdk.embeddings.create(model="test/none", input="x")
    with pytest.raises(openai.BadRequestError, match="input"):
        sdk.embeddings.create(model="test/embed", input="")


def test_openrouter_embeddings_and_rerank(router: OpenRouter) -> None:
    """OpenRouter's strict validators take our answers: cost, id, documents, the list of models."""
    vectors: Any = router.embeddings.generate(model="test/embed", input=["One.", "Two."], dimensions=8)
    assert [len(each.embedding) for each in vectors.data] == [8, 8]
    assert vectors.usage.cost > 0
    assert vectors.id.startswith("gen-")
    ranked: Any = router.rerank.rerank(model="test/rerank", query="red fish", documents=["blue", "a red fish"], top_n=1)
    assert [(each.index, each.document.text) for each in ranked.results] == [(1, "a red fish")]
    assert (ranked.usage.search_units, ranked.usage.cost, ranked.provider) == (1, 0.002, "a")
    listed: Any = router.embeddings.list_models()
    assert [each.id for each in listed.result.data] == ["test/embed"]
    with pytest.raises(errors.OpenRouterError) as caught:
        router.embeddings.generate(model="test/model", input="x")
    assert caught.value.status_code == 400


def test_google_embeddings(google: genai.Client, well: World) -> None:
    """Google's client embeds one and several contents, and knows our errors."""
    config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=8)
    one = google.models.embed_content(model="test/embed", contents="One.", config=config)
    assert well.stage.bodies()[-1]["dimensions"] == 8
    several = google.models.embed_content(model="test/embed", contents=["One.", "Two."], config=config)
    assert one.embeddings is not None
    assert several.embeddings is not None
    assert [len(each.values or ()) for each in several.embeddings] == [8, 8]
    assert several.embeddings[0].values == one.embeddings[0].values
    with pytest.raises(google_errors.ClientError, match="ask it at /chat/completions"):
        google.models.embed_content(model="test/model", contents="x")
    single = well.request("POST", "/v1beta/models/test/embed:embedContent", {"content": {"parts": [{"text": "One."}]}})
    assert single.json.keys() == {"embedding", "usageMetadata"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", EMBED),
        ("/api/v1/embeddings", EMBED),
        ("/v1/rerank", RERANK),
        ("/api/v1/rerank", RERANK),
        ("/v1/moderations", MODERATE),
        ("/api/v1/moderations", MODERATE),
        ("/v1/engines/test/embed/embeddings", {"input": "One."}),
        ("/v1beta/models/test/embed:embedContent", {"content": {"parts": [{"text": "One."}]}}),
        ("/v1beta/models/test/embed:batchEmbedContents", {"requests": [{"content": {"parts": [{"text": "One."}]}}]}),
    ],
)
def test_every_url(well: World, path: str, body: Any) -> None:
    """An answer with its generation, which another workspace can't see; no key, no credits, no JSON: refused."""
    answer = well.request("POST", path, body)
    assert answer.status == 200, answer.text
    found = f"/api/v1/generation?id={answer.headers['x-generation-id']}"
    record = well.request("GET", found).json["data"]
    assert record["api_type"] == next(
        word for word in ("moderations", "rerank", "embeddings") if word[:5] in path.lower()
    )
    assert record["total_cost"] > 0
    stranger = well.new_key("plain-stranger", credits_usd="1")
    assert request(well.url, "GET", found, headers=stranger.headers).status == 404
    assert request(well.url, "POST", path, body).status == 401
    poor = well.new_key("plain-poor")
    refused = request(well.url, "POST", path, body, headers=poor.headers)
    assert refused.status == (403 if path.startswith("/v1/") else 402)
    assert "max_tokens to" not in refused.error["message"]
    for junk in (b"", b"{", b"[]", b'{"input": {}}', b'{"query": 3}'):
        wrong = well.request("POST", path, junk)
        assert wrong.status == 400, junk
        assert wrong.error["message"]


def test_what_is_listed(well: World) -> None:
    """OpenRouter's list shows models that make text unless it is asked for others; OpenAI's shows all."""

    def ids(path: str) -> set[str]:
        return {each["id"] for each in well.request("GET", path).json["data"]}

    plain = {"test/embed", "test/rerank", "test/moderate", "test/moderate-free"}
    assert plain.isdisjoint(ids("/api/v1/models"))
    assert plain < ids("/v1/models") == ids("/api/v1/models?output_modalities=all")
    assert ids("/api/v1/models?output_modalities=rerank,embeddings") == {"test/rerank", "test/embed"}
    for base in ("/api/v1", "/v1"):
        assert ids(f"{base}/embeddings/models") == {"test/embed"}
        assert ids(f"{base}/embeddings/models?q=rank") == set()
    assert ids("/api/v1/models?q=embed&output_modalities=all") == {"test/embed"}


def test_a_session_in_the_header(well: World) -> None:
    """`x-session-id` is kept as for chat."""
    answer = well.request("POST", "/api/v1/embeddings", EMBED, headers=well.key.headers | {"x-session-id": "s1"})
    well.settled()
    found = well.request("GET", f"/api/v1/generation?id={answer.json['id']}").json["data"]
    assert (found["session_id"], found["finish_reason"], found["streamed"]) == ("s1", "stop", False)
