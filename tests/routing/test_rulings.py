"""What a workspace rules: who is left out and in which words, and that no request gets round it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.stage import FACTS, MICRO, MODEL, ask, endpoint, market, why_not
from tests.routing.stage import plan as make
from tollway.domain.caps import PriceRouting
from tollway.domain.chat import ChatRequest, MaxPrice, Preferences
from tollway.domain.money import NANO
from tollway.domain.routing import Plan
from tollway.domain.standing import RULED, Ruling, WorkspaceSettings, standing_of
from tollway.routing.caps import PER_MILLION
from tollway.routing.defaults import with_preferences
from tollway.routing.health import Glance, HealthBoard
from tollway.routing.market import Market
from tollway.routing.plan import make_plan, refuse
from tollway.routing.rulings import RULINGS


def ruled(request: ChatRequest, offered: Market, **rulings: Any) -> Plan:
    """The plan for a request of a workspace with these settings."""
    standing = standing_of(WorkspaceSettings(provider=Preferences(**rulings)))
    return make_plan(
        with_preferences(request, standing),
        offered,
        prompt_tokens=25,
        prompt_bound=100,
        available=NANO,
        sight=Glance(HealthBoard(), 0.0),
        policy="price",
        dice=lambda: 0.0,
        rulings=standing.rulings if standing else (),
    )


LEFT_OUT: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    # the workspace's setting, who is left out by it, the rule, its words
    ({"ignore": ("discreet",)}, "discreet", "ruling_ignored", "in the workspace's ignored providers"),
    ({"ignore": ("DISCREET",)}, "discreet", "ruling_ignored", "in the workspace's ignored providers"),
    ({"only": ("keeper",)}, "discreet", "ruling_only", "not in the workspace's allowed providers"),
    ({"only": ()}, "discreet", "ruling_only", "not in the workspace's allowed providers"),
    (
        {"data_collection": "deny"},
        "trainer",
        "ruling_data_policy",
        "may train on prompts (the workspace's data policy)",
    ),
    ({"zdr": True}, "keeper", "ruling_data_policy", "keeps prompts for 30 days (the workspace's data policy)"),
    (
        {"zdr": True},
        "stranger",
        "ruling_data_policy",
        "its data policy is not known, and data collection or retention is forbidden (the workspace's data policy)",
    ),
    (
        {"max_price": MaxPrice(completion="0.5")},
        "discreet",
        "ruling_max_price",
        "its completion price is above max_price.completion (the workspace's price cap)",
    ),
    (
        {"enforce_distillable_text": True},
        "discreet",
        "ruling_distillation",
        "whether its author permits distillation is not known, and the request requires it "
        "(the workspace's data policy)",
    ),
)
OFFERED = market(*(endpoint(slug) for slug in (*FACTS, "stranger")))


@pytest.mark.parametrize(("rulings", "provider", "rule", "reason"), LEFT_OUT)
def test_left_out(rulings: dict[str, Any], provider: str, rule: str, reason: str) -> None:
    """Each ruling, in its own words: whose it is can be read from the error."""
    found = ruled(ask(), OFFERED, **rulings)
    assert why_not(found)[provider] == (rule, reason)


def test_every_floor_has_its_row() -> None:
    """No rule without a case, and no ruling without a rule."""
    assert {row[2] for row in LEFT_OUT} == {rule.name for rule in RULINGS}
    assert {name for row in LEFT_OUT for name in row[0]} == set(RULED)


def test_the_error_names_the_workspace() -> None:
    """Nothing matches: a 404 whose reason is the workspace's, though the request has wishes of its own."""
    found = ruled(ask(only=("keeper",)), OFFERED, ignore=("keeper",))
    error = refuse(found, prompt_tokens=25, prompt_bound=100, choices=1, available=NANO)
    assert error.status == 404
    assert "keeper: in the workspace's ignored providers" in error.message
    assert "not in provider.only" in error.message


def test_a_price_cap_that_may_be_exceeded_exceeds_no_floor() -> None:
    """CPEN's escalation takes an endpoint above the request's cap, and never one that the workspace forbids."""
    offered = market(endpoint("a"), endpoint("b", prompt=2 * MICRO), endpoint("c", prompt=9 * MICRO))
    routing = PriceRouting(max_input_per_1m="1", continuity_mode="temporary_escalation")
    free = make(ask(routing=routing), offered)
    assert [each.endpoint.provider for each in free.candidates] == ["a", "b"]
    held = ruled(ask(routing=routing), offered, ignore=("b",), max_price=MaxPrice(prompt=5))
    assert [each.endpoint.provider for each in held.candidates] == ["a"]


PROVIDERS = st.lists(st.sampled_from([*FACTS, "stranger"]), max_size=4).map(tuple)
PRICES = st.one_of(st.none(), st.floats(0.5, 4).map(lambda price: MaxPrice(prompt=price)))
WISHES = st.builds(
    Preferences,
    order=st.none() | PROVIDERS,
    only=st.none() | PROVIDERS,
    ignore=st.none() | PROVIDERS,
    allow_fallbacks=st.none() | st.booleans(),
    data_collection=st.sampled_from([None, "allow", "deny"]),
    zdr=st.none() | st.booleans(),
    enforce_distillable_text=st.none() | st.just(False),
    sort=st.sampled_from([None, "price", "latency"]),
    max_price=PRICES,
)
REQUESTS = st.builds(
    lambda wishes, model, models, routing: ChatRequest(model=model, models=models, provider=wishes, routing=routing),
    st.none() | WISHES,
    st.sampled_from([MODEL, f"{MODEL}:nitro", f"{MODEL}:floor"]),
    st.none() | st.just((MODEL, "test/other")),
    st.none() | st.just(PriceRouting(max_input_per_1m="2", continuity_mode="temporary_escalation")),
)
PRICED = market(
    *(
        endpoint(slug, model=model, prompt=(1 + place) * MICRO // 2)
        for model in (MODEL, "test/other")
        for place, slug in enumerate((*FACTS, "stranger"))
    )
)


@given(settings=WISHES, request=REQUESTS)
def test_a_request_never_widens_a_floor(settings: Preferences, request: ChatRequest) -> None:
    """Whatever a request says: who is tried is allowed by the workspace, and the reasons for all others are given."""
    found = ruled(request, PRICED, **{name: getattr(settings, name) for name in Preferences.__struct_fields__})
    for candidate in found.candidates:
        slug = candidate.endpoint.provider
        known = FACTS.get(slug)
        assert settings.only is None or slug in settings.only
        assert slug not in (settings.ignore or ())
        if settings.zdr or settings.data_collection == "deny":
            assert known is not None
            assert known.retains is False
        if settings.data_collection == "deny":
            assert known is not None
            assert known.trains is False
        if settings.max_price is not None:
            assert candidate.price.rates.prompt <= float(settings.max_price.prompt or 0) * PER_MILLION
    assert found.candidates or found.rejections


@given(settings=WISHES, request=REQUESTS)
def test_a_floor_only_takes_away(settings: Preferences, request: ChatRequest) -> None:
    """With a ruling nobody is tried who would not be tried without it, but for an escalation or a lone fallback."""
    ruling = Preferences(**{name: getattr(settings, name) for name in RULED})
    if (request.provider and request.provider.allow_fallbacks is False) or request.routing is not None:
        return
    with_it = {each.endpoint.id for each in planned(request, (Ruling("the workspace's", ruling),)).candidates}
    assert with_it <= {each.endpoint.id for each in planned(request, ()).candidates}


def planned(request: ChatRequest, rulings: tuple[Ruling, ...]) -> Plan:
    return make_plan(
        request,
        PRICED,
        prompt_tokens=25,
        prompt_bound=100,
        available=NANO,
        sight=Glance(HealthBoard(), 0.0),
        policy="price",
        dice=lambda: 0.0,
        rulings=rulings,
    )


def test_models_by_another_name() -> None:
    """A model that is allowed or ignored by one of its other names is that model; unknown names are nobody's."""
    offered = market(endpoint("a"), endpoint("b", model="test/other"), aliases={"test/model-2024-07-18": MODEL})
    for ruling, expected in (
        (Ruling("the key's", Preferences(), allowed_models=("test/model-2024-07-18", "no/such")), {"a"}),
        (Ruling("the key's", Preferences(), ignored_models=("test/model-2024-07-18", "no/such")), {"b"}),
        (Ruling("the key's", Preferences(), allowed_models=("no/such",)), set()),
    ):
        found = make_plan(
            ask(models=(MODEL, "test/other")),
            offered,
            prompt_tokens=25,
            prompt_bound=100,
            available=NANO,
            sight=Glance(HealthBoard(), 0.0),
            policy="price",
            dice=lambda: 0.0,
            rulings=(ruling,),
        )
        assert {each.endpoint.provider for each in found.candidates} == expected
