"""Routers, aliases and the newest of families in `GET /models`: what can be called is listed (OPENROUTER.md 5, 7.1)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sdks import openrouter
from tests.support import World, offer, world
from tollway.api.model_names import named_offers, target_of
from tollway.config import Routing
from tollway.domain.aliases import Alias
from tollway.domain.chat import Preferences
from tollway.domain.standing import WorkspaceSettings
from tollway.routing.names import newest
from tollway.storage.workspaces import set_settings

OFFERS = (
    offer("ann/word-large-1", at=("a",), prompt="0.000002"),
    offer("ann/word-large-2", at=("b",), prompt="0.000001"),
    offer("ann/alone-1", at=("a",)),
    offer("bob/x-1", at=("a",)),
    offer("bob/x-2", at=("a",)),
    offer("bob/gift", at=("a",), free=True),
)
ALIASES = (
    Alias("cpen/low", "low", models=("ann/word-large-1", "ann/word-large-2")),
    Alias("cpen/high", "high", models=("ann/alone-1",), status="planned"),
    Alias("cpen/middle", "middle", models=("no/such",)),
)
NAMES = ["openrouter/auto", "openrouter/free", "cpen/low", "~ann/word-large-latest"]


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(*OFFERS, routing=Routing(aliases=ALIASES)) as running:
        yield running


def listed(town: World, path: str = "/api/v1/models", **named: Any) -> dict[str, Any]:
    return {each["id"]: each for each in town.request("GET", path, **named).json["data"]}


@pytest.mark.parametrize("path", ["/api/v1/models", "/v1/models", "/api/v1/models/user"])
def test_they_stand_behind_the_models(town: World, path: str) -> None:
    """What can be called, and nothing else: no alias that is planned or has nobody, no family of one or of letters."""
    found = listed(town, path)
    assert list(found)[-len(NAMES) :] == NAMES
    assert len(found) == len(OFFERS) + len(NAMES)
    counted = town.request("GET", "/api/v1/models/count").json["data"]["count"]
    assert counted == len(found)


def test_every_one_can_be_called(town: World) -> None:
    """Each name of the list is a name for a request."""
    for name in listed(town):
        assert town.chat(model=name).status == 200, name


def test_what_is_said_of_them(town: World) -> None:
    """Auto has no price of its own; free is free; an alias begins at its cheapest; of a family the newest is told."""
    found = listed(town)
    assert found["openrouter/auto"]["pricing"] == {"prompt": "-1", "completion": "-1"}
    assert found["openrouter/auto"]["architecture"]["tokenizer"] == "Router"
    assert found["openrouter/free"]["pricing"]["prompt"] == "0"
    assert found["cpen/low"]["pricing"]["prompt"] == "0.000001"
    newest = found["~ann/word-large-latest"]
    assert newest["alias_target"] == {"slug": "ann/word-large-2", "name": found["ann/word-large-2"]["name"]}
    assert newest["pricing"] == found["ann/word-large-2"]["pricing"]
    assert not [each for each in found if not each.startswith("~") and "alias_target" in found[each]]


def test_routers_are_looked_up(town: World) -> None:
    """One by one as in the list; they have no endpoints of their own."""
    for name in NAMES[:2]:
        one = town.request("GET", f"/api/v1/model/{name}")
        assert one.json["data"] == listed(town)[name]
        endpoints = town.request("GET", f"/api/v1/models/{name}/endpoints").json["data"]
        assert (endpoints["id"], endpoints["endpoints"]) == (name, [])


def test_feeds_and_other_kinds_have_none(town: World) -> None:
    """A feed tells of new models; embeddings are made by no router."""
    feed = town.request("GET", "/api/v1/models?use_rss=true").text
    assert "ann/alone-1" in feed
    assert not any(name in feed for name in NAMES)
    assert listed(town, "/api/v1/embeddings/models") == {}


def test_the_official_client_reads_them(town: World) -> None:
    """Its validators are strict."""
    with openrouter(town) as client:
        ids = [each.id for each in client.models.list().result.data]
    assert ids[-len(NAMES) :] == NAMES


def test_what_a_workspace_does_not_allow_is_not_listed(town: World) -> None:
    """Of an alias what is left; a name of which nothing is left is gone."""
    ruled = town.new_key("ruled")
    settings = WorkspaceSettings(provider=Preferences(ignore=("b",)))
    town.run(set_settings(town.house.database, "ruled", settings, 1))
    found = listed(town, "/api/v1/models/user", headers=ruled.headers)
    assert "~ann/word-large-latest" not in found
    assert found["cpen/low"]["pricing"]["prompt"] == "0.000002"
    assert set(NAMES) - found.keys() == {"~ann/word-large-latest"}


def test_families_of_the_whole_catalog_are_found_by_their_names() -> None:
    """Each that is listed means, in a request, the very model that the list says."""
    with world(offer(), whole_catalog=True) as demo:
        market = demo.house.gateway.market
        families = [each for each in named_offers(market) if each.model.id.startswith("~")]
        assert len(families) > 20
        for each in families:
            found = newest(each.model.id, market)
            assert found is not None
            assert found.model.id == target_of(each), each.model.id
