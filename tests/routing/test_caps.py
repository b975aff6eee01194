"""CPEN's caps over whole plans: nobody above a cap but one escalation that was asked for; strategies; aliases."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.stage import MICRO, ask, endpoint, market, order_of, plan, why_not
from tollway.domain.aliases import Alias
from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Catalog, Operation, WireFormat
from tollway.domain.chat import ChatRequest, SortBy
from tollway.domain.errors import InvalidRequest, ModelNotFound, OverBudget, PromptTooLong, Unavailable
from tollway.domain.measured import Measured, Spread
from tollway.domain.routing import Candidate, Plan
from tollway.routing.market import Market, build_market, seventy_thirty
from tollway.routing.plan import refuse

SLUGS = "abcdefgh"
LOW = Alias("cpen/low", "low", ("test/one", "test/two", "test/gone"), max_usd_per_1m="3")


def routed(**fields: Any) -> ChatRequest:
    """A request with this `routing` object."""
    return ask(routing=PriceRouting(**fields))


def with_aliases(base: Market, *aliases: Alias) -> Market:
    """The same market with aliases."""
    catalog: Catalog = base.catalog
    return build_market(catalog, base.providers, {Operation.CHAT: frozenset({WireFormat.OPENAI_CHAT})}, aliases)


def down(*slugs: str, model: str = "test/model") -> dict[str, str]:
    return {f"{slug}:{model}": "failing" for slug in slugs}


prices = st.integers(0, 40)
caps = st.none() | st.integers(0, 40).map(lambda tenths: f"{tenths // 10}.{tenths % 10}")


@given(
    offered=st.lists(st.tuples(prices, prices), min_size=1, max_size=8),
    most=st.tuples(caps, caps, caps),
    least=caps,
    strategy=st.sampled_from(["cheapest", "balanced", "continuity"]),
    mode=st.sampled_from([None, "stay_within_cap", "temporary_escalation"]),
    flag=st.sampled_from([None, True, False]),
    ill=st.sets(st.sampled_from(SLUGS)),
    fallbacks=st.sampled_from([None, False]),
    dice=st.floats(0, 0.999),
)
def test_no_plan_is_above_its_caps(
    offered: list[tuple[int, int]],
    most: tuple[str | None, str | None, str | None],
    least: str | None,
    strategy: Any,
    mode: Any,
    flag: bool | None,
    ill: set[str],
    fallbacks: bool | None,
    dice: float,
) -> None:
    """Whatever is on offer and failing: no candidate is above a cap, save one that says so and was asked for."""
    tenth = MICRO // 10
    on_offer = market(
        *(
            endpoint(slug, prompt=prompt * tenth, completion=completion * tenth)
            for slug, (prompt, completion) in zip(SLUGS, offered, strict=False)
        )
    )
    routing = PriceRouting(
        max_input_per_1m=most[0],
        max_output_per_1m=most[1],
        max_total_per_1m=most[2],
        min_total_per_1m=least,
        strategy=strategy,
        continuity_mode=mode,
        allow_temporary_high_price=flag,
    )
    wishes = {} if fallbacks is None else {"allow_fallbacks": fallbacks}
    found = plan(ask(routing=routing, **wishes), on_offer, down=down(*ill), dice=lambda: dice)

    def above(candidate: Candidate) -> bool:
        rates = candidate.price.rates
        totals = (rates.prompt, rates.completion, rates.prompt + rates.completion)
        return any(cap is not None and total > float(cap) * MICRO + 1 for cap, total in zip(most, totals, strict=True))

    dear = [candidate for candidate in found.candidates if above(candidate)]
    assert dear == [candidate for candidate in found.candidates if candidate.escalated]
    assert len(dear) <= int(mode == "temporary_escalation" or (flag is True and mode is None))
    floor = 0 if least is None else float(least) * MICRO
    assert all(each.price.rates.prompt + each.price.rates.completion >= floor - 1 for each in found.candidates)
    left_out = {each.endpoint.id for each in found.rejections}
    tried = {each.endpoint.id for each in found.candidates}
    assert not left_out & tried
    assert len(left_out | tried) == len(offered), "each endpoint is tried, or has a reason"


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, False),
        ({"allow_temporary_high_price": True}, True),
        ({"allow_temporary_high_price": False}, False),
        ({"continuity_mode": "temporary_escalation"}, True),
        ({"continuity_mode": "stay_within_cap", "allow_temporary_high_price": True}, False),
    ],
)
def test_escalation_is_asked_for(fields: dict[str, Any], may: bool) -> None:
    """Either field asks for it; staying within the cap in so many words wins."""
    on_offer = market(endpoint("a"), endpoint("b", prompt=3 * MICRO), endpoint("c", prompt=5 * MICRO))
    found = plan(routed(max_input_per_1m="1", **fields), on_offer)
    assert [each.endpoint.provider for each in found.candidates if each.escalated] == (["b"] if may else [])


def test_an_escalation_stands_before_those_that_fail() -> None:
    """The cheapest healthy one above the cap: behind the healthy within it, before the failing."""
    on_offer = market(endpoint("a"), endpoint("b"), endpoint("c", prompt=3 * MICRO), endpoint("d", prompt=2 * MICRO))
    asked = routed(max_input_per_1m="1", continuity_mode="temporary_escalation")
    assert order_of(plan(asked, on_offer)) == ["a", "b", "d"]
    assert order_of(plan(asked, on_offer, down=down("a"))) == ["b", "d", "a"]
    assert order_of(plan(asked, on_offer, down=down("a", "b", "d"))) == ["c", "a", "b"]
    last = plan(asked, on_offer).candidates[-1]
    assert last.reason == "above the cap, as temporary escalation allows: all within it are failing"
    assert why_not(plan(asked, on_offer)) == {"c": ("price_cap", "its price is above routing.max_input_per_1m")}


def test_what_else_a_request_needs_holds_for_an_escalation() -> None:
    """Only the cap is lifted; and where nobody is within it, nothing is."""
    asked = routed(max_input_per_1m="1", continuity_mode="temporary_escalation")
    on_offer = market(endpoint("a"), endpoint("b", prompt=3 * MICRO, context_tokens=1))
    assert order_of(plan(asked, on_offer)) == ["a"]
    assert order_of(plan(asked, market(endpoint("b", prompt=3 * MICRO)))) == []


def test_an_alias_and_a_model_behind_it() -> None:
    """An endpoint that two names mean is tried once, where it came first; left out once, where nobody takes it."""
    on_offer = with_aliases(market(endpoint("a", model="test/one"), endpoint("b", model="test/two")), LOW)
    for names, order in ((("cpen/low", "test/one"), ["a", "b"]), (("test/two", "cpen/low"), ["b", "a"])):
        found = plan(ask(model=None, models=names), on_offer)
        assert order_of(found) == order
        assert found.rejections == ()
    found = plan(ask(model="cpen/low", models=("test/two",), ignore=("b",)), on_offer)
    assert [each.endpoint.provider for each in found.rejections] == ["b"]


def test_an_escalation_stays_behind_a_sort() -> None:
    """`partition: none` sorts those within the cap; who stands in for them comes after."""
    on_offer = market(endpoint("a", prompt=3 * MICRO), endpoint("b", model="test/other"))
    found = plan(
        ask(
            models=("test/other",),
            sort=SortBy("throughput", "none"),
            routing=PriceRouting(max_input_per_1m="1", continuity_mode="temporary_escalation"),
        ),
        on_offer,
        measured={"a": Measured(speed=Spread(90.0, 90.0, 90.0, 90.0))},
    )
    assert order_of(found) == ["b", "a"]


def test_no_route_under_budget() -> None:
    """CPEN's words, and the reasons beside them; another rule's refusal stays what it is."""

    def refusal(found: Plan) -> Any:
        return refuse(found, prompt_tokens=25, prompt_bound=10, choices=1, available=10**9)

    found = refusal(plan(routed(max_input_per_1m="0.5"), market(endpoint("a"))))
    assert isinstance(found, OverBudget)
    assert found.message == "No route available under budget"
    assert found.metadata["availability"]["reasons"] == "a: its price is above routing.max_input_per_1m"
    other = refusal(plan(routed(max_input_per_1m="0.5"), market(endpoint("a", context_tokens=1))))
    assert type(other) is PromptTooLong


@pytest.mark.parametrize("value", ["", "x", "-1", -1, "1_0", "NaN", "1e9999", " 1"])
def test_a_cap_is_a_number(value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        plan(routed(max_output_per_1m=value), market(endpoint("a")))
    assert caught.value.param == "routing.max_output_per_1m"


def test_cheapest_is_strict() -> None:
    """By three parts of input to seven of output, whatever the dice and whoever holds the prompt's cache."""
    on_offer = market(
        endpoint("a", prompt=3 * MICRO, completion=MICRO),
        endpoint("b", prompt=MICRO, completion=2 * MICRO),
        endpoint("c", prompt=MICRO, completion=MICRO),
    )
    figures = [seventy_thirty(stall.price.rates) for stall in on_offer.offers["test/model"].stalls]
    assert sorted(figures) == [MICRO, 16 * MICRO // 10, 17 * MICRO // 10]
    found = plan(routed(strategy="cheapest"), on_offer)
    for mark in (0.0, 0.5, 0.999):
        found = plan(routed(strategy="cheapest"), on_offer, dice=_always(mark), kept={"test/model": "b:test/model"})
        assert order_of(found) == ["c", "a", "b"]
    assert found.candidates[0].reason == "cheapest"


def test_continuity_is_by_health() -> None:
    """Who is in trouble goes last, then who fails more; of equals the cheapest first."""
    on_offer = market(*(endpoint(slug, prompt=price * MICRO) for slug, price in zip("abcd", (1, 2, 3, 4), strict=True)))
    measured = {
        "a": Measured(requests=200, error_rate=0.3, steady=0.7),
        "b": Measured(requests=200, error_rate=0.01, steady=0.99),
        "c": Measured(requests=200, limited_rate=0.02, steady=1.0),
    }
    assert order_of(plan(routed(strategy="continuity"), on_offer, measured=measured)) == ["d", "b", "c", "a"]
    assert order_of(plan(routed(strategy="continuity"), on_offer)) == ["a", "b", "c", "d"]


def test_wishes_of_provider_go_before_the_strategy() -> None:
    on_offer = market(endpoint("a"), endpoint("b", prompt=2 * MICRO))
    asked = ask(order=("b", "a"), routing=PriceRouting(strategy="cheapest"))
    assert order_of(plan(asked, on_offer)) == ["b", "a"]


def pooled(*aliases: Alias) -> Market:
    return with_aliases(
        market(
            endpoint("a", model="test/one", prompt=3 * MICRO, completion=3 * MICRO),
            endpoint("b", model="test/two"),
            endpoint("c", model="test/two", prompt=9 * MICRO, completion=9 * MICRO),
        ),
        *aliases,
    )


def test_an_alias_is_all_its_models() -> None:
    """Their endpoints are one market, dearer ones than its band apart; candidates say whose name they answer to."""
    found = plan(ask(model="cpen/low", routing=PriceRouting(strategy="cheapest")), pooled(LOW))
    assert [(each.endpoint.id, each.alias) for each in found.candidates] == [
        ("b:test/two", "cpen/low"),
        ("a:test/one", "cpen/low"),
    ]
    named = plan(ask(model="test/two"), pooled(LOW))
    assert {each.alias for each in named.candidates} == {None}


def test_an_alias_that_cannot_be_used() -> None:
    """Planned, and in outage: 503. Unknown: a model that there is not."""
    planned = Alias("cpen/high", "high", ("test/one",), status="planned")
    empty = Alias("cpen/empty", "low", ("test/gone",))
    for name in ("cpen/high", "cpen/empty"):
        with pytest.raises(Unavailable):
            plan(ask(model=name), pooled(planned, empty))
    with pytest.raises(ModelNotFound):
        plan(ask(model="cpen/nothing"), pooled(LOW))


def test_the_last_alias_of_a_name_counts() -> None:
    other = Alias("cpen/low", "low", ("test/one",))
    found = plan(ask(model="cpen/low"), pooled(LOW, other))
    assert [each.endpoint.provider for each in found.candidates] == ["a"]


def _always(mark: float) -> Callable[[], float]:
    return lambda: mark
