"""Rules that stand above a request: what its workspace allows, before anything that the request itself wishes."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from msgspec import Struct, structs

from tollway.domain.catalog import Catalog, Endpoint
from tollway.domain.guardrails import group_of
from tollway.domain.standing import Ruling
from tollway.routing.market import Market
from tollway.routing.provider_names import in_lower_case
from tollway.routing.rules import (
    Ask,
    Rule,
    caps_of,
    in_ignore,
    may_not_be_distilled,
    may_store,
    not_in_only,
    too_dear,
)

Check = Callable[[str, Ask, Endpoint], str | None]


def not_allowed(whose: str, ruled: Ask, endpoint: Endpoint) -> str | None:
    """Others are allowed."""
    return f"not in {whose} allowed providers" if not_in_only(ruled, endpoint) else None


def ignored(whose: str, ruled: Ask, endpoint: Endpoint) -> str | None:
    """It is ignored."""
    return f"in {whose} ignored providers" if in_ignore(ruled, endpoint) else None


def above_cap(whose: str, ruled: Ask, endpoint: Endpoint) -> str | None:
    """A price is above the cap."""
    reason = too_dear(ruled, endpoint)
    return f"{reason} ({whose} price cap)" if reason else None


def against_policy(whose: str, ruled: Ask, endpoint: Endpoint) -> str | None:
    """Data would be collected or kept."""
    reason = may_store(ruled, endpoint)
    return f"{reason} ({whose} data policy)" if reason else None


def undistillable(whose: str, ruled: Ask, endpoint: Endpoint) -> str | None:
    """Answers must be free to train others on."""
    reason = may_not_be_distilled(ruled, endpoint)
    return f"{reason} ({whose} data policy)" if reason else None


def model_not_allowed(whose: str, names: Collection[str], endpoint: Endpoint) -> str | None:
    """Other models are allowed."""
    return None if endpoint.model_id in names else f"{endpoint.model_id} is not in {whose} allowed models"


def model_ignored(whose: str, names: Collection[str], endpoint: Endpoint) -> str | None:
    """The model is ignored."""
    return f"{endpoint.model_id} is in {whose} ignored models" if endpoint.model_id in names else None


class RulingRule(Struct, frozen=True):
    """A check with its name, and the rulings that it belongs to."""

    name: str
    concerns: Callable[[Ask], bool]
    check: Check


OTHER_MODELS, IGNORED_MODELS = "ruling_models", "ruling_ignored_models"
RULINGS: tuple[RulingRule, ...] = (
    RulingRule("ruling_only", lambda ruled: ruled.preferences.only is not None, not_allowed),
    RulingRule("ruling_ignored", lambda ruled: bool(ruled.preferences.ignore), ignored),
    RulingRule("ruling_max_price", lambda ruled: bool(ruled.caps), above_cap),
    RulingRule(
        "ruling_data_policy",
        lambda ruled: ruled.preferences.data_collection == "deny" or bool(ruled.preferences.zdr),
        against_policy,
    ),
    RulingRule("ruling_distillation", lambda ruled: ruled.preferences.enforce_distillable_text is True, undistillable),
)


def rules_of(rulings: Sequence[Ruling], ask: Ask, market: Market) -> list[Rule]:
    """The rulings of a request, as rules among its others. Each is asked by itself: a request has no say in it."""
    found: list[Rule] = []
    for ruling in rulings:
        ruled = structs.replace(
            ask,
            preferences=in_lower_case(ruling.preferences),
            caps=caps_of(ruling.preferences.max_price),
            names=market.names,
        )
        if ruling.allowed_models is not None:
            names = ids_of(ruling.allowed_models, market.catalog)
            found.append(Rule(OTHER_MODELS, _always, partial(_of_model, model_not_allowed, ruling.whose, names)))
        if ruling.ignored_models:
            names = ids_of(ruling.ignored_models, market.catalog)
            found.append(Rule(IGNORED_MODELS, _always, partial(_of_model, model_ignored, ruling.whose, names)))
        found += [
            Rule(rule.name, _always, partial(_asked, rule.check, ruling, ruled))
            for rule in RULINGS
            if rule.concerns(ruled)
        ]
    return found


def _asked(check: Check, ruling: Ruling, ruled: Ask, ask: Ask, endpoint: Endpoint) -> str | None:
    if ruling.authors is not None and group_of(endpoint.model_id) not in ruling.authors:
        return None
    if ruling.free is not None and ruling.free is not (endpoint.price is not None and endpoint.price.declared_free):
        return None
    return check(ruling.whose, ruled, endpoint)


def ids_of(names: Iterable[str], catalog: Catalog) -> frozenset[str]:
    """Models by whichever of their names; one that the catalog does not have stays as it was said."""
    return frozenset([model.id if (model := catalog.resolve(name)) is not None else name for name in names])


def _of_model(
    check: Callable[[str, Collection[str], Endpoint], str | None],
    whose: str,
    names: Collection[str],
    ask: Ask,
    endpoint: Endpoint,
) -> str | None:
    return check(whose, names, endpoint)


def _always(ask: Ask) -> bool:
    return True
