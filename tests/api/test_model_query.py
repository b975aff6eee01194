"""Filters, orders and the feed of `GET /models`, its count, and what a workspace's rules leave of it."""

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from tests.sdks import openrouter
from tests.storage.ledgers import generation
from tests.support import Answer, World, offer, request, world
from tollway.domain.chat import Preferences
from tollway.domain.generation import Usage
from tollway.domain.standing import WorkspaceSettings
from tollway.gateway.rankings import Rankings
from tollway.storage.ledger import commit_generations
from tollway.storage.workspaces import set_settings

AUTO = "openrouter/auto"
"""Listed behind the models of every world that has some: it costs what the model costs that it chooses."""


@pytest.fixture(scope="module")
def market() -> Iterator[World]:
    """Three models with prices and contexts of their own, at two providers."""
    offers = (
        offer("ann/cheap", at=("a",), prompt="0.000001", completion="0.000002", context=8_000),
        offer("ann/dear", at=("a", "b"), prompt="0.00001", completion="0.00003", context=200_000),
        offer("bob/middle", at=("b",), prompt="0.000002", completion="0.000001", context=32_000),
    )
    with world(*offers) as it:
        yield it


def ids(world: World, query: str, path: str = "/api/v1/models") -> list[str]:
    answer = world.request("GET", f"{path}?{query}")
    assert answer.status == 200, answer.text
    return [model["id"] for model in answer.json["data"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort=pricing-low-to-high", ["ann/cheap", "bob/middle", "ann/dear", AUTO]),
        ("sort=pricing-high-to-low", ["ann/dear", "ann/cheap", "bob/middle", AUTO]),
        ("sort=context-high-to-low", ["ann/dear", AUTO, "bob/middle", "ann/cheap"]),
        ("sort=newest", ["ann/cheap", "ann/dear", "bob/middle", AUTO]),
        ("sort=latency-low-to-high&q=bob", ["bob/middle"]),
        ("context=32000", ["ann/dear", "bob/middle", AUTO]),
        ("max_price=2", ["ann/cheap", "bob/middle"]),
        ("min_price=2", ["ann/dear", "bob/middle"]),
        ("min_price=1.5&max_price=5", ["bob/middle"]),
        ("max_output_price=1", ["bob/middle"]),
        ("min_output_price=30", ["ann/dear"]),
        ("model_authors=ann,carl", ["ann/cheap", "ann/dear"]),
        ("model_authors=openrouter", [AUTO]),
        ("providers=b", ["ann/dear", "bob/middle", AUTO]),
        ("providers=B,none", ["ann/dear", "bob/middle", AUTO]),
        ("input_modalities=text", ["ann/cheap", "ann/dear", "bob/middle", AUTO]),
        ("input_modalities=text,image", []),
        ("supported_parameters=no_such", []),
        ("arch=other", ["ann/cheap", "ann/dear", "bob/middle"]),
        ("arch=router", [AUTO]),
        ("arch=Claude", []),
        ("zdr=true", []),
        ("zdr=false&q=dear", ["ann/dear"]),
        ("min_age_days=1", []),
        ("category=&q=", ["ann/cheap", "ann/dear", "bob/middle", AUTO]),
    ],
)
def test_filters_and_orders(market: World, query: str, expected: list[str]) -> None:
    """Each does what it says, the count too, and pages keep it."""
    assert ids(market, query) == expected
    assert market.request("GET", f"/api/v1/models/count?{query}").json == {"data": {"count": len(expected)}}
    paged, path = [], f"/api/v1/models?{query}&limit=1"
    while path:
        page = market.request("GET", path).json
        paged += [model["id"] for model in page["data"]]
        path = page["links"]["next"]
    assert paged == expected


@pytest.mark.parametrize(
    "query",
    [
        "sort=best", "sort=intelligence-high-to-low", "context=x", "context=-1", "max_price=cheap", "min_price=1e99",
        "category=programming", "region=eu", "distillable=true", "min_coding_index=3", "zdr=maybe", "max_age_days=1.5",
        "min_tool_success_rate=0.9",
    ],
)  # fmt: skip
def test_what_can_not_be_kept(market: World, query: str) -> None:
    """A 400 that names the parameter: nothing is filtered by what nobody knows, nor passed over in silence."""
    for path in ("/api/v1/models", "/api/v1/models/count", "/api/v1/models/user"):
        answer = market.request("GET", f"{path}?{query}")
        assert answer.status == 400
        assert answer.error["metadata"]["param"] == query.partition("=")[0]


def test_the_most_popular(market: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the tokens of a week; who has none comes last."""
    house = market.house
    monkeypatch.setattr(house, "rankings", Rankings(house.database, house.audit, house.gateway.now_ms))
    at = market.house.gateway.now_ms()
    made = [
        generation(f"popular-{model}", market.key.key, model=model, created_ms=at, usage=Usage(prompt=tokens))
        for model, tokens in (("bob/middle", 30), ("ann/dear", 20))
    ]
    market.run(commit_generations(market.house.database, made))
    for order in ("most-popular", "top-weekly"):
        assert ids(market, f"sort={order}") == ["bob/middle", "ann/dear", "ann/cheap", AUTO]


def test_the_feed(market: World) -> None:
    """RSS that a parser reads, of what was asked for; whatever stands in a name."""
    answer = market.request("GET", "/api/v1/models?use_rss=true&q=ann")
    assert answer.headers["content-type"] == "application/rss+xml; charset=utf-8"
    channel = fromstring(answer.text).find("channel")  # noqa: S314 (our own answer)
    assert channel is not None
    items = channel.findall("item")
    assert [item.findtext("guid") for item in items] == ["ann/cheap", "ann/dear"]
    assert (items[0].findtext("link") or "").endswith("/?q=ann%2Fcheap")


def test_what_a_workspace_allows(market: World) -> None:
    """Its rules leave models out, and endpoints, whose prices then don't count; nobody else sees any of it."""
    ruled = market.new_key("ruled")

    def allowed(**wishes: Any) -> list[str]:
        settings = WorkspaceSettings(provider=Preferences(**wishes))
        market.run(set_settings(market.house.database, "ruled", settings, 1))
        market.house.authenticator.forget(ruled.key.digest)
        answer: Answer = request(market.url, "GET", "/api/v1/models/user", headers=ruled.headers)
        assert answer.status == 200
        return [model["id"] for model in answer.json["data"]]

    assert allowed() == ["ann/cheap", "ann/dear", "bob/middle", AUTO]
    assert allowed(ignore=("a",)) == ["ann/dear", "bob/middle", AUTO]
    assert allowed(only=("a",)) == ["ann/cheap", "ann/dear", AUTO]
    assert allowed(zdr=True) == []
    assert len(ids(market, "", "/api/v1/models/user")) == 4


def test_endpoints_that_keep_nothing(market: World) -> None:
    """Of providers of which that is known; the official SDK reads list, count and the caller's list."""
    with world(offer("ann/kept", at=("a",)), provider={"retains": False}) as other:
        found = other.request("GET", "/api/v1/endpoints/zdr").json["data"]
        assert [each["model_id"] for each in found] == ["ann/kept"]
        assert ids(other, "zdr=true") == ["ann/kept", AUTO]
        with openrouter(other) as client:
            assert client.endpoints.list_zdr_endpoints().data[0].model_id == "ann/kept"
            assert client.models.count().data.count == 2
    assert market.request("GET", "/api/v1/endpoints/zdr").json == {"data": []}
