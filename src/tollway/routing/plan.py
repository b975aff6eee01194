"""One pure function decides: request x market x health x money x dice -> a Plan, with a reason for every endpoint."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import structs

from tollway.billing.estimate import bound, dearest, input_bound, max_tokens_for
from tollway.domain.catalog import Model, Price, WireFormat
from tollway.domain.chat import ChatRequest, Preferences, SortBy
from tollway.domain.errors import (
    InvalidRequest,
    ModelNotAllowed,
    NoEndpoints,
    OverBudget,
    PaymentRequired,
    PromptTooLong,
    TollwayError,
)
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.plain import PlainRequest
from tollway.domain.routing import Candidate, Plan, Rejection
from tollway.domain.standing import Ruling
from tollway.routing import escalate
from tollway.routing.availability import Code, availability
from tollway.routing.market import OFF_RULES, Level, Market, Stall
from tollway.routing.names import Named, offers_named
from tollway.routing.order import Dice, Place, Policy, Sight, order_stalls, preferred_first, sorted_places
from tollway.routing.rules import (
    CONTEXT,
    MAX_PRICE,
    MUST_REASON,
    NO_CHAT,
    PRICE_CAP,
    PRICE_FLOOR,
    Ask,
    Rule,
    ask_of,
    rules_for,
)
from tollway.routing.rulings import IGNORED_MODELS, OTHER_MODELS, rules_of
from tollway.routing.variants import PLAIN, meant, preferences_of

NOT_AFFORDABLE = "not_affordable"
FALLBACKS_OFF = "fallbacks_off"
REASONS_SHOWN = 8
PROVIDERS_SHOWN = 4
_NOBODY: AbstractSet[str] = frozenset()


def make_plan(
    request: ChatRequest | PlainRequest,
    market: Market,
    prompt_tokens: int,
    prompt_bound: int,
    available: Nanodollars,
    sight: Sight,
    policy: Policy,
    dice: Dice,
    kept: Mapping[str, str] = {},
    requests_bound: int = 1,
    rulings: Sequence[Ruling] = (),
) -> Plan:
    """Who is tried, in which order, and why nobody else is.

    `prompt_tokens` estimates the prompt (does it fit?), `prompt_bound` bounds it (what may it cost?), and
    `requests_bound` how often the price of a request is due. `kept`: model id -> the endpoint that holds this
    conversation's prompt cache. `rulings`: what the caller's workspace rules, above all wishes. ModelNotFound: a model
    that is not in the catalog, or none was named. InvalidRequest: a model that is to be asked for something else.
    """
    ask = ask_of(request, prompt_tokens, market.names, market.facts, prompt_bound)
    routing = ask.routing
    rules = rules_for(ask)
    if rulings:
        rules = [*rules_of(rulings, ask, market), *rules]
    models: list[Model] = []
    levels: list[Level] = []
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    offers = offers_named(request, market, dice)
    for offer, variant in offers:
        if not variant.paid:
            models.append(offer.model)
            rejections += offer.off
            if offer.model.id in market.levels:
                levels.append(market.levels[offer.model.id])
        stalls = offer.stalls if variant is PLAIN else meant(offer.stalls, variant, rejections)
        well, unwell = _sift(stalls, ask, rules, sight, rejections)
        if well or unwell:
            places = order_stalls(
                offer,
                well,
                unwell,
                ask.preferences if variant is PLAIN else preferences_of(variant, ask.preferences),
                bool(ask.request.tools),
                sight,
                policy if routing is None else "traffic",
                dice,
                kept.get(offer.model.id) if kept else None,
                None if routing is None else routing.strategy,
                ask.names,
            )
            ill = {stall.endpoint.id for stall in unwell} if unwell else _NOBODY
            if ask.request is NO_CHAT:
                _admit_plain(places, ill, prompt_bound, requests_bound, available, candidates, rejections)
            else:
                _admit(places, ill, ask, prompt_bound, available, candidates, rejections, variant.thinks)
    if levels and len(offers) > 1:
        candidates, rejections = _each_once(candidates, rejections)
    if len(models) > 1 and isinstance(sort := ask.preferences.sort, SortBy) and sort.partition == "none":
        candidates = _across_models(candidates, sort, ask.preferences, market, sight)
    if routing is not None and routing.may_escalate and candidates:
        candidates = _escalated(offers, ask, sight, (prompt_bound, requests_bound), available, candidates, rejections)
    if levels:
        candidates = [_with_alias(each, levels) for each in candidates]
    if ask.preferences.allow_fallbacks is False and not ask.preferences.order and len(candidates) > 1:
        rejections += [Rejection(each.endpoint, FALLBACKS_OFF, "fallbacks are off") for each in candidates[1:]]
        del candidates[1:]
    return Plan(tuple(models), tuple(candidates), tuple(rejections))


def _escalated(
    offers: Sequence[Named],
    ask: Ask,
    sight: Sight,
    bounds: tuple[int, int],
    available: Nanodollars,
    candidates: Sequence[Candidate],
    rejections: list[Rejection],
) -> list[Candidate]:
    """The candidates with one more, above the cap, for when they are failing: where there is one, and money for it."""
    found = escalate.stand_in(offers, rejections, sight)
    if found is None:
        return list(candidates)
    stall, variant = found
    (prompt_bound, requests_bound), places = bounds, [(stall, escalate.REASON, 0.0)]
    above: list[Candidate] = []
    if ask.request is NO_CHAT:
        _admit_plain(places, _NOBODY, prompt_bound, requests_bound, available, above, [])
    else:
        _admit(places, _NOBODY, ask, prompt_bound, available, above, [], variant.thinks)
    if not above:
        return list(candidates)
    rejections[:] = [each for each in rejections if each.endpoint.id != stall.endpoint.id]
    return escalate.placed(candidates, structs.replace(above[0], escalated=True))


def _with_alias(candidate: Candidate, levels: Sequence[Level]) -> Candidate:
    """What came by an alias says so."""
    id_ = candidate.endpoint.model_id
    name = next((level.alias.name for level in levels if id_ in level.alias.models), None)
    return candidate if name is None else structs.replace(candidate, alias=name)


def _each_once(
    candidates: Sequence[Candidate], rejections: Sequence[Rejection]
) -> tuple[list[Candidate], list[Rejection]]:
    """An alias and a model behind it may both be named: an endpoint of both stands where it came first."""
    taken: dict[str, Candidate] = {}
    for candidate in candidates:
        taken.setdefault(candidate.endpoint.id, candidate)
    left: dict[str, Rejection] = {}
    for rejection in rejections:
        if rejection.endpoint.id not in taken:
            left.setdefault(rejection.endpoint.id, rejection)
    return list(taken.values()), list(left.values())


def _across_models(
    candidates: Sequence[Candidate], sort: SortBy, preferences: Preferences, market: Market, sight: Sight
) -> list[Candidate]:
    """`partition: none`: the endpoints of all models in one order; the unwell stay behind. `order` goes before it."""
    if sort.by is None or sort.by == "exacto" or preferences.order:
        return list(candidates)
    found = {each.endpoint.id: each for each in candidates if not each.unwell}
    stalls = [
        stall
        for offer in {each.endpoint.model_id: market.offers[each.endpoint.model_id] for each in candidates}.values()
        for stall in offer.stalls
        if stall.endpoint.id in found
    ]
    places = preferred_first(sorted_places(stalls, sort.by, sight), preferences, sight)
    ordered = [structs.replace(found[stall.endpoint.id], reason=reason, share=share) for stall, reason, share in places]
    return ordered + [each for each in candidates if each.unwell]


def is_by_bound(rule: str, price: Price | None) -> bool:
    """Whether somebody was left out by a bound of the prompt, which a count of its tokens may lower."""
    return rule == NOT_AFFORDABLE or (rule in (MAX_PRICE, PRICE_CAP) and price is not None and bool(price.tiers))


def refuse(
    plan: Plan,
    *,
    prompt_tokens: int,
    prompt_bound: int,
    choices: int,
    available: Nanodollars,
    of_key: bool = False,
) -> TollwayError:
    """The error that explains a plan without candidates: no money, too long a prompt, or no endpoint that fits.

    `prompt_tokens`, `prompt_bound`: as in `make_plan`. `choices`: how many answers were asked for; 0 where the answer
    holds no tokens, which max_tokens could bound.
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
    asked = [model.id for model in plan.models]
    names = ", ".join(asked)
    if not plan.rejections:
        return NoEndpoints(
            f"No endpoints found for {names}.", metadata={"availability": availability("no_endpoints", asked)}
        )
    wishes = [each for each in plan.rejections if each.rule not in OFF_RULES]
    if wishes and all(each.rule == MUST_REASON for each in wishes):
        return InvalidRequest(
            f'reasoning.effort: {names} always reasons; "none" is not possible', param="reasoning.effort"
        )
    if any(each.rule in (PRICE_CAP, PRICE_FLOOR) for each in wishes):
        return OverBudget(
            "No route available under budget",
            metadata={
                "availability": {
                    **availability("constraint_filtered", asked, wishes),
                    "reasons": _reasons(plan, wishes),
                }
            },
        )
    if short := [each for each in wishes if each.rule == CONTEXT]:
        return _too_long(prompt_tokens, asked, short)
    fitting = "that fit this request" if wishes else "that can be called"
    code: Code = "constraint_filtered" if wishes else "no_endpoints"
    forbidden = bool(wishes) and all(each.rule in (OTHER_MODELS, IGNORED_MODELS) for each in wishes)
    kind = ModelNotAllowed if forbidden else NoEndpoints
    return kind(
        f"No endpoints found for {names} {fitting}; {len(plan.rejections)} left out: {_reasons(plan, wishes)}",
        metadata={"availability": availability(code, asked, wishes or plan.rejections)},
    )


def _too_long(prompt_tokens: int, asked: Sequence[str], left_out: Sequence[Rejection]) -> PromptTooLong:
    """In words by which clients of Anthropic and OpenAI know that the conversation must become shorter."""
    most = max(each.endpoint.context_tokens for each in left_out)
    return PromptTooLong(
        f"The prompt is too long: {prompt_tokens} tokens > {most} maximum context length of what can answer for "
        f"{', '.join(asked)}. Send less, or name a model with a longer context.",
        metadata={"availability": availability("constraint_filtered", asked, left_out)},
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


BOUNDED = frozenset({WireFormat.ANTHROPIC_MESSAGES})
"""Formats that need a max_tokens: where the caller names none, the endpoint's own is sent."""


def _sift(
    stalls: Sequence[Stall], ask: Ask, rules: Sequence[Rule], sight: Sight, rejections: list[Rejection]
) -> tuple[list[Stall], list[Stall]]:
    """Endpoints that pass every rule, the well apart from the unwell; the others go to `rejections`.

    Soft rules are passed by all where otherwise nobody would pass.
    """
    before, why_down = len(rejections), sight.why_down
    well: list[Stall] = []
    unwell: list[Stall] = []
    for stall in stalls:
        endpoint = stall.endpoint
        for rule in rules:
            if (reason := rule.check(ask, endpoint)) is not None:
                rejections.append(Rejection(endpoint, rule.name, reason))
                break
        else:
            if why_down(endpoint.id) is None:
                well.append(stall)
            else:
                unwell.append(stall)
    if not (well or unwell) and any(rule.is_soft for rule in rules):
        del rejections[before:]
        return _sift(stalls, ask, [rule for rule in rules if not rule.is_soft], sight, rejections)
    return well, unwell


def _admit(
    places: Sequence[Place],
    ill: AbstractSet[str],
    ask: Ask,
    prompt_bound: int,
    available: Nanodollars,
    candidates: list[Candidate],
    rejections: list[Rejection],
    thinks: bool,
) -> None:
    """Makes candidates of those whose worst cost is there; the others go to `rejections`."""
    request = ask.request
    asked = ask.output_limit
    choices = 1 if request.n is None and request.best_of is None else max(request.n or 1, request.best_of or 1)
    # The prompt may be much shorter than its bound, so that only half of the bound is taken off what we ask for.
    likely = 2 * ask.prompt_tokens
    if likely > prompt_bound:
        likely = prompt_bound
    for stall, reason, share in places:
        endpoint, price = stall.endpoint, stall.price
        room = endpoint.context_tokens - likely
        if room < 1:
            room = 1
        dear = dearest(price, prompt_bound) if price.tiers else stall.dear
        most = bound(dear, prompt_bound, choices, asked, stall.output_max, room, available)
        if most is None:
            rejections.append(Rejection(endpoint, NOT_AFFORDABLE, "could cost more than is available"))
            continue
        sent = most.max_tokens if most.ours else asked
        if sent is None and endpoint.wire_format in BOUNDED:
            sent = _all_of(stall, room)
        # By place, as in the call above: names cost a third of a plan's time.
        is_ill = endpoint.id in ill
        candidates.append(Candidate(endpoint, price, most.amount, sent, most.ours, reason, is_ill, share, thinks))


def _admit_plain(
    places: Sequence[Place],
    ill: AbstractSet[str],
    prompt_bound: int,
    requests_bound: int,
    available: Nanodollars,
    candidates: list[Candidate],
    rejections: list[Rejection],
) -> None:
    """As `_admit`, where nothing comes out that has a price: the bound is that of what goes in."""
    for stall, reason, share in places:
        amount = input_bound(stall.price, prompt_tokens=prompt_bound, requests=requests_bound)
        if amount > available:
            rejections.append(Rejection(stall.endpoint, NOT_AFFORDABLE, "could cost more than is available"))
        else:
            candidates.append(
                Candidate(
                    endpoint=stall.endpoint,
                    price=stall.price,
                    bound=amount,
                    max_tokens=None,
                    reason=reason,
                    unwell=stall.endpoint.id in ill,
                    share=share,
                )
            )


def _all_of(stall: Stall, room: int) -> int | None:
    """As much as the endpoint gives, where that is known: what the hold was made for."""
    return None if stall.endpoint.output_tokens_max is None else min(stall.output_max, room)
