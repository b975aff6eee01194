"""Names that stand for whichever model fits: the newest of a family, any free one, the operator's default."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from tests.routing.stage import ask, endpoint, market, order_of, plan
from tests.routing.test_variants import FREE
from tollway.domain.errors import ModelNotFound, NoEndpoints
from tollway.routing.market import Market
from tollway.routing.names import newest


def family(*ids: str, off: str = "") -> Market:
    """Models, each newer than the one before; one has nobody who offers it."""
    found = market(*(endpoint("nobody" if each == off else "a", model=each) for each in ids), live=("a",))
    offers = {
        each: structs.replace(found.offers[each], model=structs.replace(found.offers[each].model, created_s=age))
        for age, each in enumerate(ids)
    }
    return structs.replace(found, offers=offers)


MODELS = (
    "openai/gpt-4o",
    "openai/gpt-4.1",
    "openai/gpt-5",
    "openai/gpt-5.2",
    "openai/gpt-5-mini",
    "openai/gpt-oss-120b",
    "other/gpt-9",
    "google/gemini-2.5-flash",
    "google/gemini-2.5-flash-lite",
    "google/gemini-3-pro-preview",
    "anthropic/claude-3.7-sonnet",
    "anthropic/claude-sonnet-4.5",
    "qwen/qwen3-max",
    "qwen/qwen4-max:free",
)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("~openai/gpt-latest", "openai/gpt-5.2"),
        ("~openai/gpt-mini-latest", "openai/gpt-5-mini"),
        ("~openai/gpt-4-latest", "openai/gpt-4.1"),
        ("~openai/gpt-4o-latest", "openai/gpt-4o"),
        ("~google/gemini-flash-latest", "google/gemini-2.5-flash"),
        ("~google/gemini-pro-latest", "google/gemini-3-pro-preview"),
        ("~anthropic/claude-sonnet-latest", "anthropic/claude-sonnet-4.5"),
        ("~qwen/qwen-max-latest", "qwen/qwen3-max"),
        ("~openai/nothing-latest", None),
        ("~openai/gpt", None),
        ("~nobody/gpt-latest", None),
        ("~", None),
        ("~/-latest", None),
    ],
)
def test_newest(name: str, means: str | None) -> None:
    """The family's words are the model's words, in their order; numbers may follow, and a preview is one of them."""
    found = newest(name, family(*MODELS))
    assert (found.model.id if found else None) == means


def test_the_newest_that_can_be_called() -> None:
    """A newer model without a live endpoint is passed over; the plan's model is the concrete one."""
    on_offer = family("x/one-1", "x/one-2", off="x/one-2")
    for name in ("~x/one-latest", "~x/one-latest:nitro"):
        assert [model.id for model in plan(ask(model=name), on_offer).models] == ["x/one-1"]
    with pytest.raises(ModelNotFound):
        plan(ask(model="~x/two-latest"), on_offer)


@pytest.mark.parametrize("name", ["openrouter/free", "tollway/free"])
def test_any_free_model(name: str) -> None:
    """Models with a free endpoint that serves the request, in an order that the dice make; others behind if named."""
    on_offer = market(
        endpoint("gift", model="x/one", **FREE),
        endpoint("shop", model="x/one"),
        endpoint("present", model="x/two", parameters=frozenset({"seed"}), **FREE),
        endpoint("paid", model="x/three"),
    )
    rolls: Iterator[float] = iter((0.1, 0.2, *[0.0] * 9))
    assert order_of(plan(ask(model=name), on_offer, dice=lambda: next(rolls))) == ["gift", "present"]
    rolls = iter((0.2, 0.1, *[0.0] * 9))
    assert order_of(plan(ask(model=name), on_offer, dice=lambda: next(rolls))) == ["present", "gift"]
    assert order_of(plan(ask(model=name, require_parameters=True, seed=1), on_offer)) == ["present"]
    assert order_of(plan(ask(model=name, ignore=("gift",)), on_offer)) == ["present"]
    assert order_of(plan(ask(model=name, models=("x/three",)), on_offer)) == ["gift", "present", "paid"]


def test_no_free_model() -> None:
    """404, with what to do."""
    with pytest.raises(NoEndpoints, match="No free model"):
        plan(ask(model="openrouter/free"), market(endpoint("shop")))
