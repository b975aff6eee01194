"""One pure function decides: request x market x health x money x dice -> a Plan, with a reason for every endpoint."""

from collections.abc import Callable, Sequence

from tollway.billing.estimate import Bound, bound, max_tokens_for
from tollway.domain.catalog import Endpoint, Model
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    NoEndpoints,
    NoEndpointsNow,
    PaymentRequired,
    TollwayError,
)
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.routing import Candidate, Plan, Rejection
from tollway.routing.market import Market, Offer
from tollway.routing.order import Dice, order_endpoints
from tollway.routing.rules import RULES, Ask, Rule, ask_of

NOT_AFFORDABLE = "not_affordable"

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
    ask = ask_of(request, prompt_tokens)
    rules = [rule for rule in RULES if rule.concerns(ask)]
    models: list[Model] = []
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    for offer in _offers(request, market):
        models.append(offer.model)
        rejections += offer.off
        well, unwell = _sift(offer.live, ask, rules, why_down, rejections)
        for endpoint, reason in order_endpoints(well, unwell, ask.preferences, dice):
            _admit(endpoint, reason, request, prompt_bound, available, candidates, rejections)
    if ask.preferences.allow_fallbacks is False and not ask.preferences.order:
        del candidates[1:]
    return Plan(tuple(models), tuple(candidates), tuple(rejections))


def refuse(plan: Plan, *, prompt_bound: int, choices: int, available: Nanodollars) -> TollwayError:
    """The error that explains a plan without candidates: no money, no endpoint ever, or none just now."""
    names = ", ".join(model.id for model in plan.models)
    poor = [each for each in plan.rejections if each.rule == NOT_AFFORDABLE]
    if poor:
        prices = [each.endpoint.price for each in poor if each.endpoint.price]
        tokens = max(max_tokens_for(price, prompt_bound, choices, available) for price in prices)
        return PaymentRequired(
            f"This request could cost more than the ${nanodollars_to_text(max(0, available))} that is available. "
            + (f"Add credits, or set max_tokens to {tokens} or less." if tokens > 0 else "Add credits."),
            metadata={"affordable_max_tokens": tokens},
        )
    reasons = "; ".join(f"{each.endpoint.provider}: {each.reason}" for each in plan.rejections[:8])
    more = f"; and {len(plan.rejections) - 8} more" if len(plan.rejections) > 8 else ""
    kind = NoEndpointsNow if any(each.fits_later for each in plan.rejections) else NoEndpoints
    if not plan.rejections:
        return kind(f"No endpoints found for {names}.")
    return kind(
        f"No endpoints found for {names} that fit this request; {len(plan.rejections)} left out: {reasons}{more}",
        metadata={"availability": {"code": "constraint_filtered", "requested_models": [m.id for m in plan.models]}},
    )


def _offers(request: ChatRequest, market: Market) -> list[Offer]:
    names = [request.model] if request.model else []
    names += [name for name in request.models or () if name not in names]
    if not names:
        raise InvalidRequest("model: name a model, such as one of GET /api/v1/models", param="model")
    offers = []
    for name in names:
        offer = market.offer(name)
        if offer is None:
            raise ModelNotFound(f"{name} is not a valid model ID", param="model")
        offers.append(offer)
    return offers


def _sift(
    endpoints: Sequence[Endpoint], ask: Ask, rules: Sequence[Rule], why_down: WhyDown, rejections: list[Rejection]
) -> tuple[list[Endpoint], list[Endpoint]]:
    """Endpoints that pass every rule, the well apart from the unwell; the others go to `rejections`."""
    well: list[Endpoint] = []
    unwell: list[Endpoint] = []
    for endpoint in endpoints:
        for rule in rules:
            if (reason := rule.check(ask, endpoint)) is not None:
                rejections.append(Rejection(endpoint, rule.name, reason))
                break
        else:
            (well if why_down(endpoint.id) is None else unwell).append(endpoint)
    return well, unwell


def _admit(
    endpoint: Endpoint,
    reason: str,
    request: ChatRequest,
    prompt_bound: int,
    available: Nanodollars,
    candidates: list[Candidate],
    rejections: list[Rejection],
) -> None:
    """Makes a candidate of an endpoint, if the worst that it can cost is there."""
    if endpoint.price is None:
        raise ValueError(f"{endpoint.id} is live without a price")
    most = most_it_costs(endpoint, request, prompt_bound, available)
    if most is None:
        rejections.append(Rejection(endpoint, NOT_AFFORDABLE, "could cost more than is available"))
        return
    asked = request.output_limit
    sent = most.max_tokens if most.ours else asked
    candidates.append(Candidate(endpoint, endpoint.price, most.amount, sent, most.ours, reason))


def most_it_costs(endpoint: Endpoint, request: ChatRequest, prompt_bound: int, available: Nanodollars) -> Bound | None:
    """The bound of this request at this endpoint, or None where `available` does not cover it."""
    if endpoint.price is None:
        return None
    room = max(1, endpoint.context_tokens - min(prompt_bound, endpoint.context_tokens - 1))
    output_max = min(endpoint.output_tokens_max or room, endpoint.context_tokens)
    return bound(
        endpoint.price,
        prompt_tokens=prompt_bound,
        choices=max(request.n or 1, request.best_of or 1),
        asked=request.output_limit,
        output_max=output_max if request.output_limit is not None else max(1, min(output_max, room)),
        available=available,
    )
