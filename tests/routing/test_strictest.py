"""Workspace, guardrails and key together: the strictest wins, and no key gets more than whoever made it."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tests.routing.stage import FACTS, MICRO, MODEL, endpoint, market
from tollway.domain.catalog import Endpoint
from tollway.domain.chat import ChatRequest, Preferences
from tollway.domain.guardrails import ZDR_OF, Guards, InForce, group_of, rulings_of
from tollway.domain.identity import Key, KeyKind
from tollway.domain.money import NANO
from tollway.domain.standing import Ruling, WorkspaceSettings, standing_of
from tollway.routing.health import Glance, HealthBoard
from tollway.routing.plan import make_plan
from tollway.storage.keys import own_rulings

MODELS = (MODEL, "openai/small", "anthropic/big")
SLUGS = (*FACTS, "stranger")
OFFERED = market(
    *(
        endpoint(slug, model=model, prompt=price, completion=price)
        for model in MODELS
        for place, slug in enumerate(SLUGS)
        for price in ((place + MODELS.index(model)) % 3 * MICRO,)
    )
)
NAMES = st.lists(st.sampled_from(MODELS), max_size=3).map(tuple)
PROVIDERS = st.lists(st.sampled_from(SLUGS), max_size=4).map(tuple)
GUARDS = st.builds(
    Guards,
    allowed_models=st.none() | NAMES,
    ignored_models=NAMES,
    allowed_providers=st.none() | PROVIDERS,
    ignored_providers=PROVIDERS.map(lambda names: names[:1]),
    zdr_of=st.lists(st.sampled_from(ZDR_OF), unique=True, max_size=2).map(tuple) | st.just(ZDR_OF) | st.just(()),
    training=st.booleans(),
    free_training=st.none() | st.booleans(),
)
SETTINGS = st.builds(
    WorkspaceSettings,
    provider=st.none()
    | st.builds(
        Preferences,
        only=st.none() | PROVIDERS,
        ignore=st.none() | PROVIDERS.map(lambda names: names[:1]),
        zdr=st.none() | st.booleans(),
        data_collection=st.sampled_from([None, "allow", "deny"]),
    ),
)


@dataclass
class Lists:
    """What a key itself allows."""

    models: tuple[str, ...] | None
    providers: tuple[str, ...] | None


def lets(guards: Guards, each: Endpoint) -> bool:
    """Whether a guardrail allows an endpoint, field by field: written apart from the rules that are tested."""
    known = FACTS.get(each.provider)
    keeps = known is None or known.retains is not False
    trains = known is None or known.trains is not False or known.retains is not False
    free = each.price is not None and each.price.declared_free
    may_train = guards.training if not free or guards.free_training is None else guards.free_training
    return (
        (guards.allowed_models is None or each.model_id in guards.allowed_models)
        and each.model_id not in guards.ignored_models
        and (guards.allowed_providers is None or each.provider in guards.allowed_providers)
        and each.provider not in guards.ignored_providers
        and not (keeps and group_of(each.model_id) in guards.zdr_of)
        and (may_train or not trains)
    )


def as_guards(settings: WorkspaceSettings) -> Guards:
    wishes = settings.provider or Preferences()
    return Guards(
        allowed_providers=wishes.only,
        ignored_providers=wishes.ignore or (),
        zdr_of=ZDR_OF if wishes.zdr else (),
        training=wishes.data_collection != "deny",
    )


def tried(rulings: tuple[Ruling, ...], wishes: Preferences | None) -> set[str]:
    """Every endpoint that may be asked for one of the models."""
    found = make_plan(
        ChatRequest(model=MODEL, models=MODELS, provider=wishes),
        OFFERED,
        prompt_tokens=25,
        prompt_bound=100,
        available=NANO,
        sight=Glance(HealthBoard(), 0.0),
        policy="price",
        dice=lambda: 0.0,
        rulings=rulings,
    )
    return {each.endpoint.id for each in found.candidates}


def rulings(settings: WorkspaceSettings, guards: list[Guards], lists: Lists) -> tuple[Ruling, ...]:
    """As a key has them, in the way in which it is read."""
    in_force = [InForce(str(place), str(place), each) for place, each in enumerate(guards)]
    key = Key(
        "k", b"", "w", "n", "l", KeyKind.INFERENCE, 0, allowed_models=lists.models, allowed_providers=lists.providers
    )
    standing = standing_of(settings, None, (*rulings_of(in_force), *own_rulings(key)))
    return standing.rulings if standing else ()


@given(
    settings=SETTINGS,
    guards=st.lists(GUARDS, max_size=3),
    lists=st.builds(Lists, st.none() | NAMES, st.none() | PROVIDERS),
    wishes=st.none()
    | st.builds(Preferences, zdr=st.none() | st.just(False), data_collection=st.sampled_from([None, "allow"])),
)
def test_the_strictest_wins(
    settings: WorkspaceSettings, guards: list[Guards], lists: Lists, wishes: Preferences
) -> None:
    """Who may be asked is exactly who is allowed by the workspace, by each guardrail and by the key's own lists."""
    own = Guards(allowed_models=lists.models, allowed_providers=lists.providers)
    layers = [as_guards(settings), *guards, own]
    offered = [stall.endpoint for offer in OFFERED.offers.values() for stall in offer.stalls]
    allowed = {each.id for each in offered if all(lets(layer, each) for layer in layers)}
    assert tried(rulings(settings, guards, lists), wishes) == allowed


@given(
    settings=SETTINGS,
    guards=st.lists(GUARDS, max_size=2),
    more=st.lists(GUARDS, max_size=1),
    lists=st.builds(Lists, st.none() | NAMES, st.none() | PROVIDERS),
)
def test_no_more_than_its_maker(
    settings: WorkspaceSettings, guards: list[Guards], more: list[Guards], lists: Lists
) -> None:
    """What the maker's guardrails leave is all that a key of theirs can have, whatever lists and guardrails it has."""
    of_maker = tried(rulings(settings, guards, Lists(None, None)), None)
    assert tried(rulings(settings, [*guards, *more], lists), None) <= of_maker
