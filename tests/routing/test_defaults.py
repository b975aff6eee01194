"""Where a request is silent: its workspace's preferences, and the model of who names none."""

from typing import Any

import pytest
from msgspec import structs

from tests.routing.stage import MICRO, MODEL, ask, endpoint, market, order_of, plan
from tollway.domain.caps import PriceRouting
from tollway.domain.chat import ChatRequest, MaxPrice, Preferences, SortBy
from tollway.domain.errors import InvalidRequest
from tollway.domain.plain import EmbeddingRequest
from tollway.domain.standing import DEFAULTS, RULED, Standing, WorkspaceSettings, standing_of
from tollway.routing.defaults import with_model, with_preferences


def standing(default_model: str | None = None, **wishes: Any) -> Standing | None:
    return standing_of(WorkspaceSettings(default_model, Preferences(**wishes) if wishes else None))


MERGED: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    # what, the workspace's, the request's own, what the request then says
    ("silence is filled", {"sort": "price"}, {}, {"sort": "price"}),
    ("the request wins", {"sort": "price"}, {"sort": "latency"}, {"sort": "latency"}),
    ("field by field", {"sort": "price", "quantizations": ("fp8",)}, {"sort": "latency"},
     {"sort": "latency", "quantizations": ("fp8",)}),
    ("an order is no sort", {"sort": "price"}, {"order": ("a",)}, {"order": ("a",)}),
    ("nor a sort an order", {"order": ("a",)}, {"sort": "price"}, {"sort": "price"}),
    ("an open sort is filled", {"sort": "price"}, {"sort": SortBy()}, {"sort": "price"}),
    ("its partition stays", {"sort": "price"}, {"sort": SortBy(partition="none")}, {"sort": SortBy("price", "none")}),
    ("whatever the default's", {"sort": SortBy("price", "none")}, {"sort": SortBy(partition="model")},
     {"sort": SortBy("price", "model")}),
    ("an open sort is no sort", {"order": ("a",)}, {"sort": SortBy()}, {"sort": SortBy(), "order": ("a",)}),
    ("an open sort alone", {"zdr": True}, {"sort": SortBy()}, {"sort": SortBy()}),
    ("an empty order is one", {"sort": "price"}, {"order": ()}, {"order": ()}),
    ("fallbacks", {"allow_fallbacks": False}, {"allow_fallbacks": True}, {"allow_fallbacks": True}),
    ("false is an answer", {"require_parameters": True}, {"require_parameters": False}, {"require_parameters": False}),
    ("speed", {"preferred_min_throughput": 50.0}, {"only": ("a",)},
     {"preferred_min_throughput": 50.0, "only": ("a",)}),
    ("a ruling is no default", {"only": ("a",), "zdr": True, "max_price": MaxPrice(prompt=1)}, {}, {}),
)  # fmt: skip


@pytest.mark.parametrize(("given", "own", "expected"), [row[1:] for row in MERGED], ids=[row[0] for row in MERGED])
def test_preferences(given: dict[str, Any], own: dict[str, Any], expected: dict[str, Any]) -> None:
    """What a request says of how to choose wins, and where it says nothing its workspace does."""
    request = with_preferences(ask(**own), standing(**given))
    assert (request.provider or Preferences()) == Preferences(**expected)
    embed = EmbeddingRequest(inputs=("a",), provider=Preferences(**own) if own else None)
    assert (with_preferences(embed, standing(**given)).provider or Preferences()) == Preferences(**expected)


def test_nothing_settled_changes_nothing() -> None:
    """The same object: requests of workspaces without settings cost nothing."""
    request = ask()
    assert standing() is None
    assert with_preferences(request, None) is request
    assert with_preferences(request, standing(only=("a",))) is request
    assert set(RULED).isdisjoint(DEFAULTS)
    assert set(RULED) | set(DEFAULTS) == set(Preferences.__struct_fields__)


@pytest.mark.parametrize(
    "request_",
    [
        ask(model=f"{MODEL}:nitro"),
        ask(model=f"{MODEL}:free:floor"),
        ask(model=None, models=(MODEL, f"{MODEL}:exacto")),
        ask(routing=PriceRouting(strategy="cheapest")),
    ],
    ids=["nitro", "floor behind free", "among models", "CPEN's strategy"],
)
def test_an_order_said_elsewhere(request_: ChatRequest) -> None:
    """A model's suffix and CPEN's strategy are the request's own words: no default comes before them."""
    assert with_preferences(request_, standing(sort="latency", order=("a",))) is request_
    mixed = with_preferences(request_, standing(sort="latency", allow_fallbacks=False))
    assert mixed.provider == Preferences(allow_fallbacks=False)


def test_the_default_decides() -> None:
    """A plan over what was merged: the dearer endpoint is first only where the workspace's order says so."""
    offered = market(endpoint("a", prompt=3 * MICRO), endpoint("b"))
    assert order_of(plan(with_preferences(ask(), standing(sort="price")), offered)) == ["b", "a"]
    assert order_of(plan(with_preferences(ask(), standing(order=("a",))), offered)) == ["a", "b"]
    assert order_of(plan(with_preferences(ask(sort="price"), standing(order=("a",))), offered)) == ["b", "a"]
    across = standing(sort=SortBy("price", "none"))
    assert with_preferences(ask(), across).provider == Preferences(sort=SortBy("price", "none"))


def test_the_model_of_who_names_none() -> None:
    """The key's, else the workspace's, else the operator's; who names one is not asked."""
    settings = WorkspaceSettings(default_model="of/workspace")
    silent = ask(model=None)
    assert with_model(silent, standing_of(settings, "of/key"), "of/operator").model == "of/key"
    assert with_model(silent, standing_of(settings), "of/operator").model == "of/workspace"
    assert with_model(silent, standing(sort="price"), "of/operator").model == "of/operator"
    assert with_model(silent, None, "of/operator").model == "of/operator"
    for request in (ask(model="a/b"), ask(model=None, models=("a/b",))):
        assert with_model(request, standing_of(settings, "of/key"), MODEL) is request
    with pytest.raises(InvalidRequest, match="name a model"):
        plan(with_model(silent, None, None), market(endpoint("a")))


def test_what_is_settled() -> None:
    """Settings part into what can be overruled and what can't; an empty half is not there at all."""
    both = standing(sort="price", ignore=("a",))
    assert both is not None
    assert both.defaults == Preferences(sort="price")
    assert [ruling.preferences for ruling in both.rulings] == [Preferences(ignore=("a",))]
    only_model = standing("m")
    assert only_model == Standing("m")
    assert structs.replace(both, defaults=None) == standing(ignore=("a",))
