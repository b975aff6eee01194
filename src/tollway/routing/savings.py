"""What choosing among endpoints came to: the bill beside that of the same tokens at each model's mean price."""

from collections.abc import Iterable

from msgspec import Struct

from tollway.domain.money import Nanodollars
from tollway.routing.market import Market, Stall

ATTO_PER_NANO = 10**9


class Bought(Struct, frozen=True):
    """What was used of one model, and what it did cost."""

    model: str
    requests: int
    prompt_tokens: int
    cached_tokens: int
    """Of the prompts' tokens."""
    completion_tokens: int
    cost: Nanodollars


def saved(market: Market, bought: Iterable[Bought]) -> Nanodollars | None:
    """What was paid less than by spreading the same tokens evenly over the endpoints, at today's prices.

    Below 0: more was paid, for speed or because others failed. Models with one endpoint are passed over, and those that
    cost nothing. None: no other is left.
    """
    found, some = 0, False
    for each in bought:
        offer = market.offers.get(each.model)
        if offer is None or len(offer.stalls) < 2 or each.cost <= 0:
            continue
        some = True
        found += sum(_price(stall, each) for stall in offer.stalls) // len(offer.stalls) - each.cost
    return found if some else None


def _price(stall: Stall, bought: Bought) -> Nanodollars:
    rates = stall.price.rates
    cached = rates.prompt if rates.cache_read is None else rates.cache_read
    whole = (bought.prompt_tokens - bought.cached_tokens) * rates.prompt + bought.cached_tokens * cached
    whole += bought.completion_tokens * rates.completion + bought.requests * rates.request
    return whole // ATTO_PER_NANO
