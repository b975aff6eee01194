"""How far rulings let requests reach: which live endpoints they leave, which they take, and why."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from tollway.domain.chat import Preferences
from tollway.domain.standing import Ruling
from tollway.routing.market import Market, Offer
from tollway.routing.rules import NO_CHAT, Ask
from tollway.routing.rulings import rules_of


class ProviderReach(Struct, frozen=True):
    """One provider with live endpoints."""

    slug: str
    left: int
    lost: int
    reason: str
    """Why the first of the lost ones is; "" if none is."""


class Reach(Struct, frozen=True):
    """What some rulings leave of a market."""

    left: int
    lost: int
    models_left: int
    models_lost: int
    """Models of which no live endpoint is left."""
    providers: tuple[ProviderReach, ...]
    """By slug."""


def left_of(market: Market, offers: Iterable[Offer], rulings: Sequence[Ruling]) -> list[Offer]:
    """What rulings leave of some offers of a market; an offer of which no live endpoint is left is not in it."""
    ask = Ask(NO_CHAT, 0, frozenset(), Preferences(), market.facts)
    rules = rules_of(rulings, ask, market)
    found = []
    for offer in offers:
        stalls = tuple(each for each in offer.stalls if not any(rule.check(ask, each.endpoint) for rule in rules))
        if len(stalls) == len(offer.stalls) and stalls:
            found.append(offer)
        elif stalls:
            found.append(structs.replace(offer, stalls=stalls, live=tuple(each.endpoint for each in stalls)))
    return found


def reach_of(market: Market, rulings: Sequence[Ruling]) -> Reach:
    """Each live endpoint, asked by the rules that requests meet: those of `rulings`, before any wish of a request."""
    ask = Ask(NO_CHAT, 0, frozenset(), Preferences(), market.facts)
    rules = rules_of(rulings, ask, market)
    left: dict[str, int] = {}
    lost: dict[str, list[str]] = {}
    models_left = models_lost = 0
    for offer in market.offers.values():
        some = False
        for endpoint in offer.live:
            for rule in rules:
                if (reason := rule.check(ask, endpoint)) is not None:
                    lost.setdefault(endpoint.provider, []).append(reason)
                    break
            else:
                some = True
                left[endpoint.provider] = left.get(endpoint.provider, 0) + 1
        models_left += some
        models_lost += bool(offer.live) and not some
    slugs = sorted({*left, *lost})
    providers = [ProviderReach(slug, left.get(slug, 0), *_first(lost.get(slug, []))) for slug in slugs]
    return Reach(
        sum(left.values()), sum(len(each) for each in lost.values()), models_left, models_lost, tuple(providers)
    )


def _first(reasons: Sequence[str]) -> tuple[int, str]:
    return len(reasons), reasons[0] if reasons else ""
