"""What a plan would be, said for people: every endpoint with its place, price, figures and health, or why it is out.

Nothing is drawn: the order is the most likely one, and each endpoint's share says how likely it goes first.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, structs

from tollway.billing.pricing import cost
from tollway.domain.catalog import Endpoint, Price
from tollway.domain.chat import ChatRequest, MaxPrice, Preferences
from tollway.domain.errors import TollwayError
from tollway.domain.generation import Usage
from tollway.domain.measured import Measured
from tollway.domain.money import Nanodollars
from tollway.domain.routing import Candidate, Plan, Routed, listed_id
from tollway.domain.standing import Ruling
from tollway.routing.market import Market
from tollway.routing.order import Policy, Sight
from tollway.routing.own import Given, Own, plan_with
from tollway.routing.plan import make_plan, refuse

ANSWER_TOKENS = 500
"""How long an answer is taken to be, in what a request is estimated to cost; fewer where `max_tokens` says so."""


class Prompt(Struct, frozen=True):
    """A prompt's tokens: `counted` by our tokenizer, and what plans make of it without counting."""

    counted: int
    estimate: int
    bound: int


class Listed(Struct, frozen=True):
    """An endpoint, as an explanation shows it."""

    id: str
    model: str
    provider: str
    provider_name: str
    price: Price | None
    estimated: Nanodollars | None
    """What this request would cost there; None: it has no price."""
    policy_cost: float | None
    """What the balancing policy compares, in USD per million tokens; None: it is on offer to nobody."""
    measured: Measured
    why_down: str | None
    keys: tuple[tuple[str, str | None], ...] = ()
    """Where it has several keys, and the operator asks: each one's label, and why it is avoided just now."""
    is_byok: bool = False
    """Called with the caller's own key."""


class Ranked(Struct, frozen=True):
    """An endpoint that would be tried."""

    listed: Listed
    share: float
    """How likely it goes first, from 0 to 1, among the endpoints of its model."""
    reason: str
    most: Nanodollars
    max_tokens: int | None
    """What would be sent to it."""


class LeftOut(Struct, frozen=True):
    """An endpoint that would not be tried: the rule's name, and its sentence."""

    listed: Listed
    rule: str
    reason: str


class Refusal(Struct, frozen=True):
    """The error that the request would get."""

    status: int
    message: str


class UnderCap(Struct, frozen=True):
    """What a price cap would make of the plan."""

    max_price: MaxPrice
    endpoints: int
    first: str | None
    share: float
    expected: Nanodollars | None
    refusal: Refusal | None


class Explanation(Struct, frozen=True):
    """A plan that was only looked at."""

    models: tuple[str, ...]
    prompt: Prompt
    answer_tokens: int
    policy: Policy
    ranked: tuple[Ranked, ...]
    left_out: tuple[LeftOut, ...]
    expected: Nanodollars | None
    """What each endpoint would cost, by the shares; None: nobody would be tried."""
    refusal: Refusal | None
    caps: tuple[UnderCap, ...]
    routed: Routed | None = None
    """The models were chosen for the request, for this reason."""


class Bench(Struct, frozen=True):
    """What a request is explained against."""

    market: Market
    sight: Sight
    """One that only looks: it lets no probe through."""
    policy: Policy
    available: Nanodollars
    of_key: bool = False
    """What is available is bounded by the key's limit."""
    kept: Mapping[str, str] = {}
    rulings: Sequence[Ruling] = ()
    keys: Callable[[Endpoint], Sequence[tuple[str, str | None]]] | None = None
    """What is told of an endpoint's keys; None: nothing."""
    own: Own | None = None


def explain(
    request: ChatRequest,
    bench: Bench,
    prompt: Prompt,
    caps: Sequence[MaxPrice] = (),
    refused: TollwayError | None = None,
) -> Explanation:
    """`refused`: why the request would not even be planned. Errors are those of `make_plan`."""
    plan = _plan(request, bench, prompt)
    choices = max(request.n or 1, request.best_of or 1)
    answer_tokens = choices * min(ANSWER_TOKENS, request.output_limit or ANSWER_TOKENS)
    usage = Usage(prompt=prompt.counted, completion=answer_tokens)
    shares = _shares(plan.candidates)
    return Explanation(
        models=tuple(model.id for model in plan.models),
        prompt=prompt,
        answer_tokens=answer_tokens,
        policy=bench.policy,
        ranked=tuple(
            Ranked(_listed(each.endpoint, bench, usage), share, each.reason, each.bound, each.max_tokens)
            for each, share in zip(plan.candidates, shares, strict=True)
        ),
        left_out=tuple(
            LeftOut(_listed(each.endpoint, bench, usage), each.rule, each.reason) for each in plan.rejections
        ),
        expected=_expected(plan.candidates, usage),
        refusal=Refusal(refused.status, refused.message) if refused else _refusal(plan, bench, prompt, choices),
        caps=tuple(_under(cap, request, bench, prompt, usage, choices) for cap in caps),
    )


def _plan(request: ChatRequest, bench: Bench, prompt: Prompt) -> Plan:
    given: Given = (
        prompt.estimate,
        prompt.bound,
        bench.available,
        bench.sight,
        bench.policy,
        lambda: 0.0,  # endpoints stand with the largest share first, and 0 draws that one
        bench.kept,
        1,
        bench.rulings,
    )
    own, market = bench.own, bench.market
    return make_plan(request, market, *given) if own is None else plan_with(own, request, market, given)


def _under(cap: MaxPrice, request: ChatRequest, bench: Bench, prompt: Prompt, usage: Usage, choices: int) -> UnderCap:
    preferences = structs.replace(request.provider or Preferences(), max_price=cap)
    plan = _plan(structs.replace(request, provider=preferences), bench, prompt)
    return UnderCap(
        max_price=cap,
        endpoints=len(plan.candidates),
        first=plan.candidates[0].endpoint.id if plan.candidates else None,
        share=_shares(plan.candidates)[0] if plan.candidates else 0.0,
        expected=_expected(plan.candidates, usage),
        refusal=_refusal(plan, bench, prompt, choices),
    )


def _refusal(plan: Plan, bench: Bench, prompt: Prompt, choices: int) -> Refusal | None:
    if plan.candidates:
        return None
    error = refuse(
        plan,
        prompt_tokens=prompt.estimate,
        prompt_bound=prompt.bound,
        choices=choices,
        available=bench.available,
        of_key=bench.of_key,
    )
    return Refusal(error.status, error.message)


def _shares(candidates: Sequence[Candidate]) -> list[float]:
    """As the plan has them; where nothing is shared out, as with `order`, the first takes everything."""
    if any(each.share for each in candidates):
        return [each.share for each in candidates]
    return [float(not rank) for rank in range(len(candidates))]


def _expected(candidates: Sequence[Candidate], usage: Usage) -> Nanodollars | None:
    """The mean of what the first model's endpoints would cost, by their shares."""
    if not candidates:
        return None
    model = candidates[0].endpoint.model_id
    found = [each for each in zip(candidates, _shares(candidates), strict=True) if each[0].endpoint.model_id == model]
    whole = sum(share for _, share in found)
    return round(sum(share * cost(usage, each.price).total for each, share in found) / whole)


def _listed(endpoint: Endpoint, bench: Bench, usage: Usage) -> Listed:
    market = bench.market
    known = market.providers.get(endpoint.provider) or market.catalog.providers.get(endpoint.provider)
    id_ = listed_id(endpoint.id)
    stall = next((each for each in market.offers[endpoint.model_id].stalls if each.endpoint.id == id_), None)
    policy_cost = None
    if stall is not None:
        by_id = bench.sight.weighed(market.offers[endpoint.model_id]).costs if bench.policy == "traffic" else {}
        policy_cost = by_id.get(id_, stall.usd_per_million)
    return Listed(
        id=id_,
        is_byok=id_ != endpoint.id,
        model=endpoint.model_id,
        provider=endpoint.provider,
        provider_name=known.name if known else endpoint.provider,
        price=endpoint.price,
        estimated=cost(usage, endpoint.price).total if endpoint.price else None,
        policy_cost=policy_cost,
        measured=bench.sight.measured(endpoint.id),
        why_down=bench.sight.why_down(endpoint.id),
        keys=tuple(bench.keys(endpoint)) if bench.keys else (),
    )
