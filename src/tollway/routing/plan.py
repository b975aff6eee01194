"""One pure function decides: request x market x health x money x dice -> a Plan, with a reason for every endpoint."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches

from tollway.billing.estimate import bound, dearest, max_tokens_for
from tollway.domain.catalog import Model
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    NoEndpoints,
    NotBuiltYet,
    PaymentRequired,
    TollwayError,
)
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.routing import Candidate, Plan, Rejection
from tollway.routing.market import OFF_RULES, Market, Offer, Stall
from tollway.routing.order import Dice, Place, order_stalls
from tollway.routing.rules import RULES, Ask, Rule, ask_of

NOT_AFFORDABLE = "not_affordable"
FALLBACKS_OFF = "fallbacks_off"
REASONS_SHOWN = 8
PROVIDERS_SHOWN = 4

WhyDown = Callable[[str], str | None]
"""An endpoint's id -> why it is to be avoided just now, or None."""


def make_plan(
    request: ChatRequest,
    market: Market,
    *,
    prompt_tokens: int,
    prompt_bound: int,
    available: Nanodollars,
    why_down: WhyDown,
    dice: Dice,
) -> Plan:
    """Who is tried, in which order, and why nobody else is.

    `prompt_tokens` estimates the prompt (does it fit?), `prompt_bound` bounds it (what may it cost?).
    ModelNotFound: a model that is not in the catalog, or none was named.
    """
    ask = ask_of(request, prompt_tokens, market.slugs)
    rules = [rule for rule in RULES if rule.concerns(ask)]
    models: list[Model] = []
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    for offer in _offers(request, market):
        models.append(offer.model)
        rejections += offer.off
        well, unwell = _sift(offer.stalls, ask, rules, why_down, rejections)
        if well or unwell:
            places = order_stalls(well, unwell, ask.preferences, dice)
            ill = {stall.endpoint.id for stall in unwell}
            _admit(places, ill, ask, prompt_bound, available, candidates, rejections)
    if ask.preferences.allow_fallbacks is False and not ask.preferences.order and len(candidates) > 1:
        rejections += [Rejection(each.endpoint, FALLBACKS_OFF, "fallbacks are off") for each in candidates[1:]]
        del candidates[1:]
    return Plan(tuple(models), tuple(candidates), tuple(rejections))


def refuse(
    plan: Plan, *, prompt_bound: int, choices: int, available: Nanodollars, of_key: bool = False
) -> TollwayError:
    """The error that explains a plan without candidates: no money, or no endpoint that fits.

    `of_key`: what is `available` is bounded by the key's limit, so that credits would not help.
    """
    poor = [each for each in plan.rejections if each.rule == NOT_AFFORDABLE]
    if poor:
        prices = [each.endpoint.price for each in poor if each.endpoint.price]
        tokens = max(max_tokens_for(price, prompt_bound, choices, available) for price in prices)
        usd = nanodollars_to_text(max(0, available))
        left = f"${usd} that is left of this key's limit" if of_key else f"${usd} that is available"
        more = "Raise the key's limit" if of_key else "Add credits"
        return PaymentRequired(
            f"This request could cost more than the {left}. {more}"
            + (f", or set max_tokens to {tokens} or less." if tokens > 0 else "."),
            metadata={"affordable_max_tokens": tokens},
        )
    names = ", ".join(model.id for model in plan.models)
    if not plan.rejections:
        return NoEndpoints(f"No endpoints found for {names}.")
    wishes = [each for each in plan.rejections if each.rule not in OFF_RULES]
    fitting = "that fit this request" if wishes else "that can be called"
    return NoEndpoints(
        f"No endpoints found for {names} {fitting}; {len(plan.rejections)} left out: {_reasons(plan, wishes)}",
        metadata={
            "availability": {
                "code": "constraint_filtered" if wishes else "no_endpoints",
                "requested_models": [model.id for model in plan.models],
            }
        },
    )


def _reasons(plan: Plan, wishes: Sequence[Rejection]) -> str:
    """Every reason once, with the providers that it concerns: first those that the caller's own wishes made."""
    off = [each for each in plan.rejections if each.rule in OFF_RULES]
    providers: dict[str, dict[str, int]] = {}
    for each in (*wishes, *off):
        counts = providers.setdefault(each.reason, {})
        counts[each.endpoint.provider] = counts.get(each.endpoint.provider, 0) + 1
    said = []
    for reason, counts in list(providers.items())[:REASONS_SHOWN]:
        names = list(counts)
        more = f" and {len(names) - PROVIDERS_SHOWN} more" if len(names) > PROVIDERS_SHOWN else ""
        said.append(f"{', '.join(names[:PROVIDERS_SHOWN])}{more}: {reason}")
    unsaid = list(providers.values())[REASONS_SHOWN:]
    if unsaid:
        said.append(f"and {sum(sum(counts.values()) for counts in unsaid)} more")
    return "; ".join(said)


def _offers(request: ChatRequest, market: Market) -> list[Offer]:
    """What the named models are offered as, each model once, whatever names it was given."""
    names = [request.model] if request.model else []
    names += request.models or ()
    if not names:
        raise InvalidRequest("model: name a model, such as one of GET /api/v1/models", param="model")
    offers: dict[str, Offer] = {}
    for name in names:
        offer = market.offer(name)
        if offer is None:
            raise unknown_model(name, market)
        offers[offer.model.id] = offer
    return list(offers.values())


def unknown_model(name: str, market: Market) -> TollwayError:
    """NotBuiltYet for the names of OpenRouter's routers and variants, else ModelNotFound with the nearest ids."""
    base, _, variant = name.partition(":")
    if name.startswith(ROUTERS) or (variant and market.offer(base) is not None):
        what = "Routers and presets as models are" if name.startswith(ROUTERS) else f'The variant ":{variant[:20]}" is'
        return NotBuiltYet(f"{what} not built yet; name the model itself: {name[:80]}", param="model")
    near = get_close_matches(name[:80].lower(), [each.model.id for each in market.offers.values() if each.live], 3, 0.8)
    hint = f"; did you mean {', '.join(near)}?" if near else "; GET /api/v1/models lists them"
    return ModelNotFound(f"{name} is not a valid model ID{hint}", param="model")


ROUTERS = ("openrouter/", "tollway/", "@preset/", "~", "cpen/")


def _sift(
    stalls: Sequence[Stall], ask: Ask, rules: Sequence[Rule], why_down: WhyDown, rejections: list[Rejection]
) -> tuple[list[Stall], list[Stall]]:
    """Endpoints that pass every rule, the well apart from the unwell; the others go to `rejections`."""
    checks = [(rule.name, rule.check) for rule in rules]
    well: list[Stall] = []
    unwell: list[Stall] = []
    for stall in stalls:
        endpoint = stall.endpoint
        for name, check in checks:
            if (reason := check(ask, endpoint)) is not None:
                rejections.append(Rejection(endpoint, name, reason))
                break
        else:
            (well if why_down(endpoint.id) is None else unwell).append(stall)
    return well, unwell


def _admit(
    places: Sequence[Place],
    ill: AbstractSet[str],
    ask: Ask,
    prompt_bound: int,
    available: Nanodollars,
    candidates: list[Candidate],
    rejections: list[Rejection],
) -> None:
    """Makes candidates of those whose worst cost is there; the others go to `rejections`."""
    request = ask.request
    asked = request.output_limit
    choices = max(request.n or 1, request.best_of or 1)
    # The prompt may be much shorter than its bound, so that only half of the bound is taken off what we ask for.
    likely = min(prompt_bound, 2 * ask.prompt_tokens)
    for stall, reason in places:
        most = bound(
            dearest(stall.price, prompt_bound) if stall.price.tiers else stall.dear,
            prompt_tokens=prompt_bound,
            choices=choices,
            asked=asked,
            output_max=stall.output_max,
            room=max(1, stall.endpoint.context_tokens - likely),
            available=available,
        )
        if most is None:
            rejections.append(Rejection(stall.endpoint, NOT_AFFORDABLE, "could cost more than is available"))
        else:
            sent = most.max_tokens if most.ours else asked
            candidates.append(
                Candidate(stall.endpoint, stall.price, most.amount, sent, most.ours, reason, stall.endpoint.id in ill)
            )
