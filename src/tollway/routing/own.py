"""Callers' own keys in a plan: those that come first, then the server's endpoints, then those that come last."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from tollway.billing.estimate import bound, dearest
from tollway.billing.fee import fee_price
from tollway.domain.byok import Credential
from tollway.domain.catalog import Price
from tollway.domain.chat import ChatRequest, SortBy
from tollway.domain.money import Nanodollars
from tollway.domain.plain import PlainRequest
from tollway.domain.routing import Candidate, Plan, Rejection, own_id
from tollway.domain.standing import Ruling
from tollway.routing.market import Market, Offer, Stall, levels_of, stall_of, with_taken
from tollway.routing.order import Dice, Policy, Sight
from tollway.routing.plan import FALLBACKS_OFF, NOT_AFFORDABLE, make_plan

Given = tuple[int, int, Nanodollars, Sight, Policy, Dice, Mapping[str, str], int, Sequence[Ruling]]
"""What `make_plan` is given besides a request and a market, in its order: tokens, bound, money and so on."""

ONLY_OWN = "own_keys_only"
_NO_LIMIT = 2**62


class OwnMarket(Struct, frozen=True):
    """What some credentials open: the same catalog, at the price of the fee."""

    market: Market
    credentials: Mapping[str, Credential]
    """By the endpoint's id in this market."""
    listed: Mapping[str, Price]
    """The list price, by the same."""


class Own(Struct, frozen=True):
    """A request's own keys."""

    market: OwnMarket
    listed_available: Nanodollars | None = None
    """What fee and list price may come to, where a limit counts both; None: none does."""


def open_market(market: Market, credentials: Sequence[Credential], fee_ppm: int) -> OwnMarket:
    """The market of some credentials: made once for them, and not for each request."""
    owners: dict[str, Credential] = {}
    listed: dict[str, Price] = {}
    offers: dict[str, Offer] = {}
    for id_, offer in market.offers.items():
        stalls = []
        live = [*offer.stalls, *_off_for_want_of_a_key(offer, market)]
        for credential in credentials:
            if credential.serves(id_):
                for stall in live:
                    if stall.endpoint.provider == credential.provider:
                        copy = _copy(stall, credential, fee_ppm)
                        owners[copy.endpoint.id], listed[copy.endpoint.id] = credential, stall.price
                        stalls.append(copy)
        stalls.sort(key=lambda stall: stall.blended)
        offers[id_] = structs.replace(
            offer, stalls=tuple(stalls), off=(), live=tuple(stall.endpoint for stall in stalls)
        )
    facts = {slug: structs.replace(market.facts[slug], trains=False, retains=False, retention_days=None)
             for slug in _declared(credentials) if slug in market.facts}  # fmt: skip
    opened = structs.replace(
        market,
        offers=offers,
        facts={**market.facts, **facts},
        levels=levels_of((level.alias for level in market.levels.values()), offers),
    )
    return OwnMarket(opened, owners, listed)


def plan_with(own: Own, request: ChatRequest | PlainRequest, market: Market, given: Given) -> Plan:
    """As `make_plan`, which gets all that is `given`, with the caller's own keys.

    Order (OPENROUTER.md 8.6): keys that come first by their `sort_order`, the server's endpoints, keys that come last.
    All rules hold for them as well. A key that has been failing comes last, too.
    """
    shared = make_plan(request, market, *given)
    found = make_plan(request, own.market.market, *given)
    mine, poor = _affordable([_owned(each, own.market, request, given[1]) for each in found.candidates], own)
    theirs, ruled_out = _left_to_server(shared.candidates, own.market)
    candidates = _joined(mine, theirs, shared, request)
    rejections = [*poor, *found.rejections, *ruled_out, *shared.rejections]
    wishes = request.provider
    if wishes is not None and wishes.allow_fallbacks is False and not wishes.order:
        rejections += [Rejection(each.endpoint, FALLBACKS_OFF, "fallbacks are off") for each in candidates[1:]]
        del candidates[1:]
    return structs.replace(shared, candidates=tuple(candidates), rejections=tuple(rejections))


def _off_for_want_of_a_key(offer: Offer, market: Market) -> list[Stall]:
    return [
        stall_of(with_taken(off.endpoint, market.known), off.endpoint.price)
        for off in offer.off
        if off.rule == "not_live" and off.endpoint.price is not None
    ]


def _copy(stall: Stall, credential: Credential, fee_ppm: int) -> Stall:
    """The endpoint as this credential opens it: an id of its own, at the price of the fee."""
    endpoint = structs.replace(stall.endpoint, id=own_id(stall.endpoint.id, credential.id))
    fee = fee_price(stall.price, fee_ppm)
    return structs.replace(stall, endpoint=endpoint, price=fee, dear=dearest(fee))


def _declared(credentials: Sequence[Credential]) -> set[str]:
    """Providers of whom each credential's owner says that they keep nothing."""
    said = {each.provider for each in credentials if each.wishes.declared_zdr}
    return said - {each.provider for each in credentials if not each.wishes.declared_zdr}


def _owned(
    candidate: Candidate, market: OwnMarket, request: ChatRequest | PlainRequest, prompt_bound: int
) -> Candidate:
    """With its credential, and what it can cost at list price."""
    id_, endpoint = candidate.endpoint.id, candidate.endpoint
    credential = market.credentials[id_]
    chat = isinstance(request, ChatRequest)
    most = bound(
        dearest(market.listed[id_], prompt_bound),
        prompt_tokens=prompt_bound,
        choices=max(request.n or 1, request.best_of or 1) if isinstance(request, ChatRequest) else 1,
        asked=(candidate.max_tokens or endpoint.output_tokens_max or endpoint.context_tokens) if chat else 0,
        output_max=endpoint.output_tokens_max or endpoint.context_tokens,
        room=endpoint.context_tokens,
        available=_NO_LIMIT,
    )
    return structs.replace(
        candidate,
        credential=credential,
        listed_price=market.listed[id_],
        reason=f"your own key {credential.label}" + (", a fallback" if credential.wishes.is_fallback else ""),
        listed_bound=most.amount if most else _NO_LIMIT,
    )


def _affordable(mine: Sequence[Candidate], own: Own) -> tuple[list[Candidate], list[Rejection]]:
    """Where a limit counts what callers' own providers bill, that must fit, too."""
    limit = own.listed_available
    if limit is None:
        return list(mine), []
    why = "could cost more than is left of a limit that counts own keys"
    poor = [each for each in mine if each.bound + each.listed_bound > limit]
    return (
        [each for each in mine if each.bound + each.listed_bound <= limit],
        [Rejection(each.endpoint, NOT_AFFORDABLE, why) for each in poor],
    )


def _left_to_server(candidates: Sequence[Candidate], own: OwnMarket) -> tuple[list[Candidate], list[Rejection]]:
    """The server's own candidates that the credentials' owner leaves in."""
    wishes = [(id_, each.wishes) for id_, each in own.credentials.items()]
    if not any(each.is_required or each.is_byok_only for _, each in wishes):
        return list(candidates), []
    everything = any(each.is_byok_only for _, each in wishes)
    ids = {id_ for id_, each in wishes if each.is_required}
    models = {model for model, offer in own.market.offers.items() if any(each.id in ids for each in offer.live)}
    left = [each for each in candidates if not everything and each.endpoint.model_id not in models]
    why = "only your own keys may be used"
    return left, [Rejection(each.endpoint, ONLY_OWN, why) for each in candidates if each not in left]


def _joined(
    mine: Sequence[Candidate], theirs: Sequence[Candidate], shared: Plan, request: ChatRequest | PlainRequest
) -> list[Candidate]:
    """One order, model by model; or over all models, where the request wants to have them sorted together."""
    sort = request.provider.sort if request.provider else None
    if isinstance(sort, SortBy) and sort.by is not None and sort.partition == "none":
        return _in_turn(mine, theirs)
    names = [model.id for model in shared.models]
    found: list[Candidate] = []
    for name in dict.fromkeys([*names, *(_asked_as(each) for each in (*mine, *theirs))]):
        found += _in_turn([each for each in mine if _asked_as(each) == name],
                          [each for each in theirs if _asked_as(each) == name])  # fmt: skip
    return found


def _in_turn(mine: Sequence[Candidate], theirs: Sequence[Candidate]) -> list[Candidate]:
    ordered = sorted(mine, key=lambda each: each.credential.wishes.sort_order if each.credential else 0)
    first = [each for each in ordered if each.credential and not each.credential.wishes.is_fallback and not each.unwell]
    last = [each for each in ordered if each not in first]
    return [*first, *theirs, *sorted(last, key=lambda each: each.unwell)]


def _asked_as(candidate: Candidate) -> str:
    return candidate.alias or candidate.endpoint.model_id
