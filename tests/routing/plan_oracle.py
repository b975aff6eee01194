"""What is wrong with a plan, worked out from the request's JSON and the endpoints alone: no rule of the product's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from msgspec import Struct

from tests.routing.bazaar import DISPLAYED, LEVEL, MODELS, OTHER_NAME, PARTS, Case
from tests.routing.stage import FACTS
from tollway.domain.catalog import Endpoint, Rates, WireFormat
from tollway.domain.errors import ModelNotFound, NoEndpoints, TollwayError, Unavailable
from tollway.domain.measured import NOTHING, Spread
from tollway.domain.routing import Candidate, Plan

PER_MILLION = Fraction(10**6, 10**18)
"""Attodollars a token -> USD per million tokens."""
PER_ONE = Fraction(1, 10**18)
PARAMETERS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "seed": "seed",
    "tools": "tools",
    "response_format": "response_format",
    "reasoning": "reasoning",
    "reasoning_effort": "reasoning",
}
"""Fields of the bodies that are drawn -> what an endpoint that takes them lists."""
SOFT = "no_structured_output"
MONEY = frozenset({"not_affordable", "fallbacks_off"})


class Meant(Struct, frozen=True):
    """Endpoints that one name of a request means, and what the name asks of them."""

    name: str
    endpoints: tuple[Endpoint, ...]
    free: bool = False
    paid: bool = False
    thinks: bool = False
    sort: str | None = None


def faults(case: Case) -> list[str]:
    """What is wrong with the plan for this case; nothing, if it keeps every promise."""
    try:
        plan = case.plan()
    except TollwayError as error:
        return [] if isinstance(error, expected_errors(case)) else [f"raised {error!r}"]
    if expected_errors(case):
        return ["should have been refused"]
    return list(_faults(case, plan))


def expected_errors(case: Case) -> tuple[type[TollwayError], ...]:
    """What a name that means nobody at the moment is refused with."""
    found = meant(case)
    return () if isinstance(found, list) else (found,)


def _faults(case: Case, plan: Plan) -> Iterator[str]:
    groups = meant(case)
    assert isinstance(groups, list)
    wish = case.body.get("provider") or {}
    groups_of: dict[str, list[Meant]] = {}
    for group in groups:
        for each in group.endpoints:
            if _is_of(each, group):
                groups_of.setdefault(each.id, []).append(group)
    listed = [each.endpoint.id for each in plan.candidates] + [each.endpoint.id for each in plan.rejections]
    if len(set(listed)) != len(listed):
        yield f"an endpoint stands in it twice: {sorted(listed)}"
    if set(listed) != {each.id for group in groups for each in group.endpoints}:
        yield f"endpoints are missing or too many: {sorted(listed)}"
        return
    strict = {group.name: _someone_answers_in_json(case, group) for group in groups}

    def broken_by(endpoint: Endpoint) -> list[set[str]]:
        return [breaches(case, group, endpoint, soft=strict[group.name]) for group in groups_of[endpoint.id]]

    for candidate in plan.candidates:
        ways = broken_by(candidate.endpoint)
        if ({"price_cap"} if candidate.escalated else set()) not in ways:
            yield f"{candidate.endpoint.id} is a candidate and breaks {ways}"
        if not candidate.reason:
            yield f"{candidate.endpoint.id} has no reason"
    for rejection in plan.rejections:
        ways = broken_by(rejection.endpoint)
        # The one that might have stood in above its cap may be left out because fallbacks are off.
        money = rejection.rule in MONEY and any(
            way <= ({"price_cap"} if _may_escalate(case) else set()) for way in ways
        )
        named = rejection.rule in set().union(*ways) and (all(ways) or len(ways) > 1)
        if not rejection.reason.strip() or not (money or named):
            yield f"{rejection.endpoint.id} is left out by {rejection.rule}: {rejection.reason!r}, but breaks {ways}"
        if rejection.rule == "fallbacks_off" and (wish.get("allow_fallbacks") is not False or wish.get("order")):
            yield f"{rejection.endpoint.id} is left out, as if fallbacks were off"
    yield from _money(case, plan)
    yield from _places(case, plan, groups_of)


def _money(case: Case, plan: Plan) -> Iterator[str]:
    """Nobody who could cost more than there is; where max_tokens is said, nobody else is left out for that."""
    most = case.body.get("max_tokens")
    for candidate in plan.candidates:
        if not 0 <= candidate.bound <= case.available:
            yield f"{candidate.endpoint.id} may cost {candidate.bound} of {case.available}"
        if most is not None and candidate.bound < _worst(case, candidate.endpoint, most):
            yield f"{candidate.endpoint.id} may cost more than its bound"
    for rejection in plan.rejections:
        poor = rejection.rule == "not_affordable" and most is not None
        if poor and _worst(case, rejection.endpoint, most) <= case.available:
            yield f"{rejection.endpoint.id} is not too dear"
    if plan.hold != max((each.bound for each in plan.candidates), default=0):
        yield "the hold is not the worst bound"


def _worst(case: Case, endpoint: Endpoint, most: Any) -> Fraction:
    """Nanodollars: the whole prompt's bound, and every answer at its longest, at the dearest rates within reach."""
    assert endpoint.price is not None
    rates = [endpoint.price.rates]
    rates += [tier.rates for tier in endpoint.price.tiers if case.prompt_bound > tier.prompt_tokens_over]
    longest = min(most, endpoint.context_tokens, endpoint.output_tokens_max or most)
    prompt = max(max(each.prompt, each.audio or 0) for each in rates)
    answer = max(each.completion for each in rates) * longest * case.body.get("n", 1)
    return Fraction(prompt * case.prompt_bound + answer + max(each.request for each in rates), 10**9)


def _places(case: Case, plan: Plan, groups_of: Mapping[str, Sequence[Meant]]) -> Iterator[str]:
    """The order: the caller's own, a sorted one, the failing last, who misses a preference behind who does not."""
    wish = case.body.get("provider") or {}
    order = wish.get("order") or []
    if wish.get("allow_fallbacks") is False and not order and len(plan.candidates) > 1:
        yield "there are fallbacks"
    if sum(each.escalated for each in plan.candidates) > (1 if _may_escalate(case) else 0):
        yield "one too many is above the cap"
    if any(one.escalated and not other.unwell for one, other in pairwise(plan.candidates)):
        yield "who is above the cap stands before who is well within it"
    within = [each for each in plan.candidates if not each.escalated]
    together = _sorted_together(wish) and len({name for found in groups_of.values() for name in map(_model, found)}) > 1
    for one, other in pairwise(within):
        groups = [*groups_of[one.endpoint.id], *groups_of[other.endpoint.id]]
        if not together and len(set(map(_name, groups))) > 1:
            continue
        if order and one.unwell != other.unwell and len(within) < len(plan.candidates):
            continue  # who stands in above the cap parts the well from the unwell
        keys = [_place(case, each, order, _sort(wish, groups[0])) for each in (one, other)]
        if keys[0] > keys[1] and not _may_lead(case, one):
            yield f"{one.endpoint.id} stands before {other.endpoint.id}: {keys}"


def _name(group: Meant) -> str:
    return group.name


def _model(group: Meant) -> str:
    return group.name.partition(" ")[0]


def _place(case: Case, candidate: Candidate, order: list[str], sort: str | None) -> tuple[float, ...]:
    """What a candidate is placed by; the smaller goes first."""
    endpoint = candidate.endpoint
    if order:
        ranks = [rank for rank, name in enumerate(order) if _is_named(endpoint, [name])]
        return (min(ranks, default=len(order)),)
    if endpoint.id in case.down:
        return (1,)  # of those that fail, anyone
    figures = case.measured.get(endpoint.provider, NOTHING)
    wish = case.body.get("provider") or {}
    misses = _misses(wish.get("preferred_min_throughput"), figures.speed, 1) or _misses(
        wish.get("preferred_max_latency"), figures.first_s, -1
    )
    assert endpoint.price is not None
    rates = endpoint.price.rates
    match sort:
        case "price":
            return (0, misses, 3 * rates.prompt + rates.completion + rates.request // 1000)
        case "throughput":
            return (0, misses, -figures.speed.p50 if figures.speed else 1)
        case "latency":
            return (0, misses, figures.first_s.p50 if figures.first_s else float("inf"))
        case _:
            return (0, misses)


def _misses(wanted: Any, found: Spread | None, sign: int) -> bool:
    if wanted is None or found is None:
        return False
    cutoffs = wanted if isinstance(wanted, dict) else {"p50": wanted}
    return any(sign * getattr(found, name) < sign * cutoff for name, cutoff in cutoffs.items())


def _may_lead(case: Case, one: Candidate) -> bool:
    """The endpoint that holds a conversation's prompt cache may go first, among those of its model that are well."""
    return one.endpoint.id in case.kept.values() and one.endpoint.id not in case.down


def _sort(wish: Mapping[str, Any], group: Meant) -> str | None:
    sort = wish.get("sort")
    return (sort.get("by") if isinstance(sort, dict) else sort) or group.sort


def _sorted_together(wish: Mapping[str, Any]) -> bool:
    sort = wish.get("sort")
    if not isinstance(sort, dict) or wish.get("order"):
        return False
    return sort.get("partition") == "none" and sort.get("by") not in (None, "exacto")


def meant(case: Case) -> list[Meant] | type[TollwayError]:
    """The groups of endpoints that the request's names mean, or the error where one means nobody."""
    names = [name for name in (case.body.get("model"), *case.body.get("models", ())) if name]
    found: dict[str, Meant] = {}
    for name in names:
        base, *suffixes = name.split(":")
        asks: dict[str, Any] = {
            "free": "free" in suffixes,
            "thinks": "thinking" in suffixes,
            "sort": next((SORTS[each] for each in reversed(suffixes) if each in SORTS), None),
        }
        if base in ("openrouter/free", "tollway/free"):
            if suffixes:
                return TollwayError
            free = [model for model in MODELS if any(_is_free(each) for each in _live(case, model))]
            if not free:
                return NoEndpoints
            for model in free:
                found.setdefault(model, Meant(model, _of(case, model), free=True))
            continue
        if base == "~test/fam-latest":
            newest = [model for model in ("test/fam-2", "test/fam-1") if _live(case, model)]
            if not newest:
                return ModelNotFound
            base = newest[0]
        base = "test/other" if base == OTHER_NAME else base
        endpoints = _of(case, base)
        if base == LEVEL.name:
            endpoints = tuple(
                each for model in LEVEL.models for each in _of(case, model) if not _is_live(case, each) or _fits(each)
            )
            if not any(_is_live(case, each) for each in endpoints):
                return Unavailable
        first = found.setdefault(base, Meant(base, endpoints, **asks))
        if first.free and not asks["free"]:
            found.setdefault(f"{base} paid", Meant(f"{base} paid", endpoints, **{**asks, "paid": True}))
    return list(found.values())


SORTS = {"nitro": "throughput", "floor": "price", "exacto": "exacto"}


def _of(case: Case, model: str) -> tuple[Endpoint, ...]:
    return tuple(each for each in case.endpoints if each.model_id == model)


def _live(case: Case, model: str) -> list[Endpoint]:
    return [each for each in _of(case, model) if _is_live(case, each)]


def _is_live(case: Case, endpoint: Endpoint) -> bool:
    return not any(OFF[name](case, endpoint) for name in OFF)


def _is_free(endpoint: Endpoint) -> bool:
    return endpoint.price is not None and endpoint.price.declared_free


def _is_of(endpoint: Endpoint, group: Meant) -> bool:
    """Of a model that is named `:free` and plain, who is free belongs to the first."""
    return not (group.paid and _is_free(endpoint))


def _fits(endpoint: Endpoint) -> bool:
    """Within the level's band, three parts of input to seven of output."""
    assert endpoint.price is not None
    rates = endpoint.price.rates
    return Fraction(3 * rates.prompt + 7 * rates.completion, 10) * PER_MILLION <= Fraction(LEVEL.max_usd_per_1m or 0)


Broken = Callable[[Case, Endpoint], bool]
OFF: dict[str, Broken] = {
    "disabled": lambda case, endpoint: not endpoint.enabled,
    "unpriced": lambda case, endpoint: endpoint.price is None,
    "not_live": lambda case, endpoint: endpoint.provider not in case.live,
    "wire_format": lambda case, endpoint: endpoint.wire_format is not WireFormat.OPENAI_CHAT,
}


def _wish(case: Case, name: str) -> Any:
    return (case.body.get("provider") or {}).get(name)


def _is_named(endpoint: Endpoint, names: Sequence[str] | None) -> bool:
    base = endpoint.provider.partition("/")[0]
    mine = {endpoint.provider, base, DISPLAYED[endpoint.provider].lower(), DISPLAYED[base].lower()}
    return any(name.lower() in mine for name in names or ())


def _sent(case: Case) -> set[str]:
    sent = {listed for name, listed in PARAMETERS.items() if case.body.get(name) is not None}
    if (case.body.get("response_format") or {}).get("type") == "json_schema":
        sent.add("structured_outputs")
    return sent


def _media(case: Case) -> set[str]:
    content = case.body["messages"][0]["content"]
    return set() if isinstance(content, str) else {kind for kind, part in PARTS.items() if part in content}


def _wants_json(case: Case) -> bool:
    return (case.body.get("response_format") or {}).get("type") in ("json_schema", "json_object")


def _rates(endpoint: Endpoint, tokens: int) -> Rates:
    assert endpoint.price is not None
    return next((tier.rates for tier in endpoint.price.tiers if tokens > tier.prompt_tokens_over), endpoint.price.rates)


def _above_max_price(case: Case, endpoint: Endpoint) -> bool:
    units = {"request": PER_ONE, "image": PER_ONE}
    return any(
        (getattr(rates, name) or 0) * units.get(name, PER_MILLION) > Fraction(str(cap))
        for name, cap in (_wish(case, "max_price") or {}).items()
        for rates in _within_reach(case, endpoint)
    )


def _within_reach(case: Case, endpoint: Endpoint) -> list[Rates]:
    """The rates that a prompt may meet: those of every tier that its bound reaches."""
    price = endpoint.price
    assert price is not None
    return [price.rates, *(tier.rates for tier in price.tiers if case.prompt_bound > tier.prompt_tokens_over)]


def _above_cap(case: Case, endpoint: Endpoint) -> bool:
    routing, price = case.body.get("routing") or {}, endpoint.price
    assert price is not None
    tiers = [tier.rates for tier in price.tiers if case.prompt_bound > tier.prompt_tokens_over]
    heard = bool(_media(case) - {"image"})
    for rates in (price.rates, *tiers):
        read = max(rates.prompt, rates.cache_read or 0, rates.cache_write or 0, (heard and rates.audio) or 0)
        written = max(rates.completion, rates.reasoning or 0)
        capped = {"max_input_per_1m": read, "max_output_per_1m": written, "max_total_per_1m": read + written}
        if any(
            name in routing and (rates.request or found * PER_MILLION > Fraction(str(routing[name])))
            for name, found in capped.items()
        ):
            return True
    return False


def _below_floor(case: Case, endpoint: Endpoint) -> bool:
    floor = (case.body.get("routing") or {}).get("min_total_per_1m")
    rates = _rates(endpoint, case.tokens)
    return floor is not None and (rates.prompt + rates.completion) * PER_MILLION < Fraction(str(floor))


def _may_escalate(case: Case) -> bool:
    routing = case.body.get("routing") or {}
    mode = routing.get("continuity_mode")
    return mode == "temporary_escalation" or (mode is None and routing.get("allow_temporary_high_price") is True)


def _breaks_privacy(case: Case, endpoint: Endpoint) -> bool:
    known = FACTS.get(endpoint.provider)
    denies = _wish(case, "data_collection") == "deny"
    keeps = known is None or known.retains is not False
    trains = known is None or known.trains is not False
    return bool((denies or _wish(case, "zdr")) and keeps) or (denies and trains)


def _is_quantized_otherwise(case: Case, endpoint: Endpoint) -> bool:
    wanted = set(_wish(case, "quantizations") or ())
    covered = {"fp4": {"mxfp4", "nvfp4"}, "fp8": {"mxfp8"}}
    taken = wanted.union(*(covered.get(name, set()) for name in wanted))
    return bool(wanted) and (endpoint.quantization or "unknown") not in taken


def _is_told_none(case: Case) -> bool:
    return "none" in (case.body.get("reasoning_effort"), (case.body.get("reasoning") or {}).get("effort"))


BREACHES: dict[str, Broken] = {
    "context_too_short": lambda case, endpoint: case.tokens > endpoint.context_tokens,
    "output_too_short": lambda case, endpoint: (
        (case.body.get("max_tokens") or 0) > (endpoint.output_tokens_max or float("inf"))
    ),
    "no_tools": lambda case, endpoint: bool(case.body.get("tools")) and "tools" not in endpoint.parameters,
    "no_modality": lambda case, endpoint: bool(_media(case) - endpoint.input_modalities),
    "no_output_modality": lambda case, endpoint: any(
        kind not in (endpoint.output_modalities or (kind,)) for kind in case.body.get("modalities", ())
    ),
    SOFT: lambda case, endpoint: (
        _wants_json(case) and not endpoint.parameters & {"response_format", "structured_outputs"}
    ),
    "no_schema": lambda case, endpoint: (
        case.body.get("structured_outputs") is True and "structured_outputs" not in endpoint.parameters
    ),
    "must_reason": lambda case, endpoint: _is_told_none(case) and endpoint.model_id == "test/o3",
    "missing_parameter": lambda case, endpoint: (
        _wish(case, "require_parameters") is True and bool(_sent(case) - endpoint.parameters)
    ),
    "not_in_only": lambda case, endpoint: (
        _wish(case, "only") is not None and not _is_named(endpoint, _wish(case, "only"))
    ),
    "ignored": lambda case, endpoint: _is_named(endpoint, _wish(case, "ignore")),
    "not_in_order": lambda case, endpoint: (
        bool(_wish(case, "order"))
        and _wish(case, "allow_fallbacks") is False
        and not _is_named(endpoint, _wish(case, "order"))
    ),
    "quantization": _is_quantized_otherwise,
    "max_price": _above_max_price,
    "data_policy": _breaks_privacy,
    "distillation": lambda case, endpoint: _wish(case, "enforce_distillable_text") is True,
    "price_floor": _below_floor,
    "price_cap": _above_cap,
}
"""What a request may forbid, by the name of the rule that says so."""


def breaches(case: Case, group: Meant, endpoint: Endpoint, *, soft: bool) -> set[str]:
    """Everything that speaks against an endpoint. `soft`: a wish for JSON leaves out who has no way to it."""
    if off := {name for name, broken in OFF.items() if broken(case, endpoint)}:
        return off
    found = {name for name, broken in BREACHES.items() if (soft or name != SOFT) and broken(case, endpoint)}
    if group.free and not _is_free(endpoint):
        found.add("not_free")
    if group.thinks and "reasoning" not in endpoint.parameters:
        found.add("no_reasoning")
    return found


def _someone_answers_in_json(case: Case, group: Meant) -> bool:
    return any(not breaches(case, group, each, soft=True) for each in group.endpoints if _is_of(each, group))
