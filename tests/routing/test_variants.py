"""Names with a suffix: which endpoints they mean, in which order, and that the request's own fields win."""

from typing import Any

import pytest

from tests.routing.stage import MICRO, MODEL, ask, endpoint, market, order_of, plan, why_not
from tollway.domain.chat import SortBy
from tollway.domain.errors import ModelNotFound, NoEndpoints, NotBuiltYet
from tollway.domain.measured import Measured, Spread
from tollway.domain.routing import Plan
from tollway.routing.plan import refuse
from tollway.routing.variants import PLAIN, VARIANTS, Variant, both

FREE: dict[str, Any] = {"prompt": 0, "completion": 0}
FAST = {"dear": Measured(speed=Spread(90.0, 90.0, 90.0, 90.0)), "cheap": Measured(speed=Spread(9.0, 9.0, 9.0, 9.0))}
PAIR = (endpoint("cheap"), endpoint("dear", prompt=5 * MICRO))


def ordered(name: str, **wishes: Any) -> list[str]:
    """Who would be tried, of a cheap and slow endpoint and of a dear and fast one; the dice favour neither."""
    return order_of(plan(ask(model=name, **wishes), market(*PAIR), measured=FAST, dice=lambda: 0.999))


@pytest.mark.parametrize(
    ("name", "wishes", "order"),
    [
        (f"{MODEL}:nitro", {}, ["dear", "cheap"]),
        (f"{MODEL}:floor", {}, ["cheap", "dear"]),
        (f"{MODEL}:floor:nitro", {}, ["dear", "cheap"]),
        (f"{MODEL}:nitro:extended", {}, ["dear", "cheap"]),
        (f"{MODEL}:nitro", {"sort": "price"}, ["cheap", "dear"]),
        (f"{MODEL}:nitro", {"sort": SortBy("price")}, ["cheap", "dear"]),
        (f"{MODEL}:nitro", {"sort": SortBy()}, ["dear", "cheap"]),
        (f"{MODEL}:floor", {"sort": SortBy(partition="model")}, ["cheap", "dear"]),
        (f"{MODEL}:nitro", {"order": ("cheap",)}, ["cheap", "dear"]),
        (f"{MODEL}:nitro", {"ignore": ("dear",)}, ["cheap"]),
        (f"{MODEL}:floor", {"sort": "throughput"}, ["dear", "cheap"]),
    ],
)
def test_order(name: str, wishes: dict[str, Any], order: list[str]) -> None:
    """`:nitro` is by throughput, `:floor` by price, the last counts; `sort` and `order` of the request win."""
    assert ordered(name, **wishes) == order


def test_the_same_as_the_sort_that_it_stands_for() -> None:
    """`:exacto` too: the plan is the one that the field makes."""
    for suffix, by in (("nitro", "throughput"), ("floor", "price"), ("exacto", "exacto")):
        found = plan(ask(model=f"{MODEL}:{suffix}"), market(*PAIR), measured=FAST)
        assert found == plan(ask(sort=by), market(*PAIR), measured=FAST)


@pytest.mark.parametrize("suffix", ["extended", "beta"])
def test_a_static_variant(suffix: str) -> None:
    """Is the catalog's model of that name; where there is none, the model itself."""
    name = f"{MODEL}:{suffix}"
    assert plan(ask(model=name), market(endpoint("a"))) == plan(ask(), market(endpoint("a")))
    own = market(endpoint("a"), endpoint("b", model=name))
    assert order_of(plan(ask(model=name), own)) == ["b"]


def free_and_paid(**fields: Any) -> Plan:
    """A plan over a free endpoint and a paid one."""
    return plan(ask(**fields), market(endpoint("gift", **FREE), endpoint("shop")))


@pytest.mark.parametrize("name", [f"{MODEL}:free", f"{MODEL}:free:nitro", f"{MODEL}:floor:free"])
def test_free(name: str) -> None:
    """Free endpoints only; the others say why they are left out."""
    found = free_and_paid(model=name)
    assert order_of(found) == ["gift"]
    assert why_not(found) == {"shop": ("not_free", 'is not free, as ":free" asks')}
    assert found.hold == 0


def test_nothing_is_free() -> None:
    """404 with the reason, and nobody is charged instead."""
    found = plan(ask(model=f"{MODEL}:free"), market(endpoint("shop")))
    error = refuse(found, prompt_tokens=100, prompt_bound=100, choices=1, available=10**9)
    assert isinstance(error, NoEndpoints)
    assert 'shop: is not free, as ":free" asks' in error.message


def test_free_first_then_paid() -> None:
    """A list that names the free variant and then the model has the others behind; each endpoint stands once."""
    found = free_and_paid(model=f"{MODEL}:free", models=(MODEL,))
    assert order_of(found) == ["gift", "shop"]
    assert found.rejections == ()
    assert [model.id for model in found.models] == [MODEL]
    assert sorted(order_of(free_and_paid(models=(f"{MODEL}:free",)))) == ["gift", "shop"]  # named whole at first


def test_a_free_model_of_the_catalog() -> None:
    """A model listed under its own `:free` name is that one, and may take further suffixes."""
    own = market(endpoint("a"), endpoint("b", model=f"{MODEL}:free", **FREE))
    assert order_of(plan(ask(model=f"{MODEL}:free"), own)) == ["b"]
    assert order_of(plan(ask(model=f"{MODEL}:free:nitro"), own)) == ["b"]


@pytest.mark.parametrize("name", [f"{MODEL}:", f"{MODEL}:Nitro", f"{MODEL}:wat", f"{MODEL}::nitro", ":nitro", "a:free"])
def test_no_such_variant(name: str) -> None:
    """An unknown suffix is an unknown model."""
    with pytest.raises(ModelNotFound, match="is not a valid model ID"):
        plan(ask(model=name), market(endpoint("a")))


@pytest.mark.parametrize("name", [f"{MODEL}:online", f"{MODEL}:free:online", f"{MODEL}:online:nitro"])
def test_online_says_that_it_is_not_built(name: str) -> None:
    """501: left out in silence, the answer would be another one."""
    with pytest.raises(NotBuiltYet, match=":online"):
        plan(ask(model=name), market(endpoint("a", **FREE)))


def test_both_forgets_nothing() -> None:
    """Whatever is stacked on a variant, what it asked for stays, but for the order."""
    for one in VARIANTS.values():
        for other in VARIANTS.values():
            found = both(one, other)
            assert (found.free, found.thinks) == (one.free or other.free, one.thinks or other.thinks)
            assert found.sort == (other.sort or one.sort)
    assert both(Variant(paid=True), PLAIN).paid
