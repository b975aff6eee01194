"""`GET /models` and its kin: pages, search, one model, its endpoints, and what an account sees of itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import World, offer, world
from tollway.config import Routing
from tollway.domain.aliases import Alias
from tollway.domain.identity import LimitReset


@pytest.mark.parametrize("base", ["/api/v1", "/v1"])
def test_pages(well: World, base: str) -> None:
    """`offset` and `limit` walk the whole list by `links.next`, each model once; without them all come at once."""
    everything = well.request("GET", f"{base}/models").json
    ids = [model["id"] for model in everything["data"]]
    assert everything["total_count"] == len(ids) == len(set(ids))
    found: list[str] = []
    path: str | None = f"{base}/models?limit=3"
    while path:
        page = well.request("GET", path).json
        assert page["total_count"] == len(ids)
        assert 1 <= len(page["data"]) <= 3
        found += [model["id"] for model in page["data"]]
        path = page["links"]["next"]
        assert path is None or path.startswith(f"{base}/models?")
    assert found == ids
    assert well.request("GET", f"{base}/models?offset=100000").json["data"] == []
    assert well.request("GET", f"{base}/models?limit=0").json["data"] == []
    assert well.request("GET", f"{base}/models?limit=1000").json["links"]["next"] is None


def test_search(well: World) -> None:
    """`q` looks at ids and names, not at the words of the format; its pages keep it."""

    def ids(query: str) -> set[str]:
        return {model["id"] for model in well.request("GET", f"/api/v1/models?q={query}").json["data"]}

    assert ids("GPT-4") == {"openai/gpt-4o", "openai/gpt-4"}
    assert ids("owned_by") == set()
    assert ids("nothing-has-this-name") == set()
    first = well.request("GET", "/api/v1/models?q=gpt-4&limit=1").json
    assert first["total_count"] == 2
    second = well.request("GET", first["links"]["next"]).json
    assert second["links"]["next"] is None
    assert {first["data"][0]["id"], second["data"][0]["id"]} == {"openai/gpt-4o", "openai/gpt-4"}


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=1001", "limit=x", "limit=", "offset=-1", "offset=1e3", "limit=1.5"]
)
def test_bad_pages(well: World, query: str) -> None:
    """A page that can't be is a 400 that names the parameter."""
    answer = well.request("GET", f"/api/v1/models?{query}")
    assert answer.status == 400
    assert answer.error["metadata"]["param"] == query.partition("=")[0]


@pytest.mark.parametrize("name", ["test/model", "test%2Fmodel"])
def test_one_model(well: World, name: str) -> None:
    """An id holds a slash, which a client may escape. /v1 answers as OpenAI does, /api/v1 below `data`."""
    assert well.request("GET", f"/v1/models/{name}").json["id"] == "test/model"
    for path in (f"/api/v1/models/{name}", f"/api/v1/model/{name}"):
        assert well.request("GET", path).json["data"]["id"] == "test/model"


NAMES: tuple[tuple[str, str | None, set[str]], ...] = (
    # what a request may say, and the model and providers that it means
    ("test/v-2:nitro", "test/v-2", {"a", "b"}),
    ("test/v-2:free", "test/v-2", {"b"}),
    ("test/v-2:free:nitro", "test/v-2", {"b"}),
    ("~test/v-latest", "test/v-2", {"a", "b"}),
    ("~test/v-latest:free", "test/v-2", {"b"}),
    ("cpen/low", "cpen/low", {"a", "c"}),
    ("cpen/low:floor", "cpen/low", {"a", "c"}),
    ("test/dear:free", None, set()),
    ("cpen/high", None, set()),
    ("test/v-2:none-such", None, set()),
    ("~test/none-latest", None, set()),
)


@pytest.fixture(scope="module")
def names() -> Iterator[World]:
    """A model at two providers, of whom one is free; an alias, and one that is planned."""
    offers = (
        offer("test/v-1", at=("a",)),
        offer("test/v-2", at=("a",)),
        offer("test/v-2", at=("b",), free=True),
        offer("test/dear", at=("c",)),
    )
    aliases = (
        Alias("cpen/low", "low", models=("test/v-1", "test/dear")),
        Alias("cpen/high", "high", models=("test/dear",), status="planned"),
    )
    with world(*offers, routing=Routing(aliases=aliases)) as running:
        yield running


@pytest.mark.parametrize(("name", "model", "providers"), NAMES)
def test_every_name_is_looked_up(names: World, name: str, model: str | None, providers: set[str]) -> None:
    """Whatever can be asked for is found, with the endpoints that would answer (OPENROUTER.md, section 2)."""
    one = names.request("GET", f"/api/v1/model/{name}")
    listed = names.request("GET", f"/api/v1/models/{name}/endpoints")
    bare = names.request("GET", f"/v1/models/{name}")
    if model is None:
        assert (one.status, listed.status, bare.status) == (404, 404, 404)
        return
    assert one.json["data"]["id"] == bare.json["id"] == listed.json["data"]["id"] == model
    endpoints = listed.json["data"]["endpoints"]
    assert {each["tag"] for each in endpoints} == providers
    if name.partition(":")[2].startswith("free"):
        assert one.json["data"]["pricing"]["prompt"] == "0"
    if model == "cpen/low":
        assert {each["model_id"] for each in endpoints} == {"test/v-1", "test/dear"}


def test_tags_name_endpoints() -> None:
    """What a provider has twice of a model has tags that `only` takes, each for one; the base slug means both."""
    offers = (offer("test/model", "acme/big", at=("a", "b")), offer("test/model", "acme/big-turbo", at=("a",)))
    with world(*offers) as shop:
        listed = shop.request("GET", "/api/v1/models/test/model/endpoints").json["data"]["endpoints"]
        assert {each["tag"] for each in listed} == {"a/acme/big", "a/turbo", "b"}
        for tag, upstream in (("a/acme/big", "acme/big"), ("A/Turbo", "acme/big-turbo"), ("b", "acme/big")):
            answer = shop.chat("/api/v1/chat/completions", provider={"only": [tag]})
            assert answer.status == 200
            assert shop.stage.bodies()[-1]["model"] == upstream
        assert shop.chat("/api/v1/chat/completions", provider={"only": ["b/turbo"]}).status == 404
        both = shop.chat("/api/v1/chat/completions", provider={"ignore": ["a/turbo", "a/acme/big"]})
        assert both.json["provider"] == "b"


def test_unknown_model(well: World) -> None:
    """400 on /api/v1, 404 `model_not_found` on /v1 for chat; 404 on both for the page of a model."""
    assert well.chat("/api/v1/chat/completions", model="no/such").status == 400
    answer = well.chat("/v1/chat/completions", model="no/such")
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"
    assert well.request("GET", "/v1/models/no/such").error["code"] == "model_not_found"
    for path in ("/api/v1/models/no/such", "/api/v1/model/no/such", "/api/v1/models/no/such/endpoints"):
        answer = well.request("GET", path)
        assert answer.status == 404
        assert answer.error["code"] == 404


REQUIRED = [
    "id",
    "canonical_slug",
    "name",
    "created",
    "context_length",
    "architecture",
    "pricing",
    "top_provider",
    "per_request_limits",
    "supported_parameters",
    "default_parameters",
    "supported_voices",
    "links",
]
ENDPOINT = [
    "name",
    "model_id",
    "model_name",
    "context_length",
    "max_completion_tokens",
    "max_prompt_tokens",
    "pricing",
    "provider_name",
    "tag",
    "quantization",
    "supported_parameters",
    "supports_implicit_caching",
    "uptime_last_5m",
    "uptime_last_30m",
    "uptime_last_1d",
    "latency_last_30m",
    "throughput_last_30m",
    "native_tools",
    "service_tier",
    "supports_tool_choice",
    "supports_diarization",
]


def test_required_fields(well: World) -> None:
    """OPENROUTER.md 7.1 and 7.2: every R field of every model and endpoint; prices are decimal strings per token."""
    for model in well.request("GET", "/api/v1/models").json["data"]:
        assert set(REQUIRED) <= model.keys()
        assert type(model["created"]) is int
        assert {"prompt", "completion"} <= model["pricing"].keys()
        assert all(isinstance(price, str) for name, price in model["pricing"].items() if name != "overrides")
        found = well.request("GET", f"/api/v1/models/{model['id']}/endpoints").json["data"]
        assert {"id", "name", "created", "description", "architecture", "endpoints"} <= found.keys()
        assert bool(found["endpoints"]) is not model["id"].startswith("openrouter/")
        for endpoint in found["endpoints"]:
            assert set(ENDPOINT) <= endpoint.keys()
            assert type(endpoint["context_length"]) is int
    priced = well.request("GET", "/v1/models/test/model").json["pricing"]
    assert (priced["prompt"], priced["completion"]) == ("0.000001", "0.000002")


def test_only_what_can_be_bought_is_listed() -> None:
    """A model whose one endpoint has no price is not in the list; priced, it appears without a restart."""
    with world(offer("test/model"), offer("test/unpriced", prompt=None, completion=None)) as small:

        def ids() -> set[str]:
            listed = {model["id"] for model in small.request("GET", "/api/v1/models").json["data"]}
            return listed - {"openrouter/auto"}

        assert ids() == {"test/model"}
        control = {"authorization": f"Bearer {small.house.control_token}"}
        ask: Any = {"id": "a:test/unpriced", "price": {"prompt": "0.000001", "completion": "0.000001"}}
        done = small.request("POST", "/control/v1/catalog/endpoint", ask, headers=control)
        assert done.status == 200, done.text
        assert ids() == {"test/model", "test/unpriced"}


@pytest.mark.parametrize("reset", [None, *LimitReset])
def test_key_with_a_limit(well: World, reset: LimitReset | None) -> None:
    """What is left of a key's limit, as `/key` and its budget tell it; the sums agree with `/credits`."""
    key = well.new_key(f"limited-{reset}", credits_usd="3", limit_usd="0.5", limit_reset=reset)
    assert well.chat(headers=key.headers).status == 200
    well.settled()
    data = well.request("GET", "/api/v1/key", headers=key.headers).json["data"]
    used = well.request("GET", "/api/v1/credits", headers=key.headers).json["data"]["total_usage"]
    assert used > 0
    assert data["usage"] == data["usage_daily"] == data["usage_weekly"] == data["usage_monthly"] == used
    assert data["limit"] == 0.5
    assert data["limit_reset"] == reset
    assert data["limit_remaining"] == pytest.approx(0.5 - used)
    [budget] = data["budgets"]
    assert budget == data["effective_budget"]
    assert budget["scope"] == "key_limit"
    assert budget["spend_usd"] == used
    assert (budget["resets_at"] is None) == (reset is None)
    assert data["is_free_tier"] is True
    assert data["label"].endswith(key.secret[-3:])
    assert key.secret not in str(data)
    assert well.request("GET", "/api/v1/auth/key", headers=key.headers).json["data"] == data


def test_key_over_its_limit(well: World) -> None:
    """A spent limit is 402 on /api/v1 and 403 on /v1, whatever credits there are; `/key` can still be read."""
    key = well.new_key("spender", credits_usd="3", limit_usd="0.0000001")
    for path, status in (("/api/v1/chat/completions", 402), ("/v1/chat/completions", 403)):
        answer = well.chat(path, headers=key.headers, max_tokens=50)
        assert answer.status == status
        assert "credits" in answer.error["message"] or "limit" in answer.error["message"]
    assert well.request("GET", "/api/v1/key", headers=key.headers).status == 200


def test_providers() -> None:
    """Who is live, by name: what is known of a provider of the registry, null for a server of one's own."""
    with world(offer(at=("anthropic", "a"))) as here:
        data = here.request("GET", "/api/v1/providers", headers={}).json["data"]
    unknown = dict.fromkeys(
        ("privacy_policy_url", "terms_of_service_url", "status_page_url", "headquarters", "datacenters")
    )
    assert data == [
        {"name": "a", "slug": "a", **unknown},
        {
            "name": "Anthropic",
            "slug": "anthropic",
            "privacy_policy_url": "https://www.anthropic.com/legal/privacy",
            "terms_of_service_url": "https://www.anthropic.com/legal/commercial-terms",
            "status_page_url": "https://status.anthropic.com/",
            "headquarters": "US",
            "datacenters": None,
        },
    ]
