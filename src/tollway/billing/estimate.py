"""The most that a request could cost at an endpoint, and the max_tokens that an amount of money buys."""

from msgspec import Struct

from tollway.domain.catalog import Price, Rates
from tollway.domain.money import ATTO_PER_NANO, Attodollars, Nanodollars

UNASKED_SHARE = 4
"""A caller who gives no max_tokens may bind a quarter of what is available (MONEY.md, How much is held)."""
UNASKED_TOKENS_MIN = 4_096
AFFORDABLE_TOKENS_MIN = 512


class Bound(Struct, frozen=True):
    """The most that a request costs, and the max_tokens that makes it so. `ours`: the caller gave none."""

    amount: Nanodollars
    max_tokens: int
    ours: bool


def bound(
    price: Price, *, prompt_tokens: int, choices: int, asked: int | None, output_max: int, available: Nanodollars
) -> Bound | None:
    """The bound at one endpoint, or None where it is not affordable.

    `prompt_tokens` is an upper bound of the prompt, `asked` the caller's max_tokens, `output_max` what the endpoint
    can give at most. Rules: MONEY.md, "How much is held".
    """
    dear = dearest(price, prompt_tokens)
    base = fixed_cost(dear, prompt_tokens)
    rate = output_rate(dear) * choices
    tokens = output_max if asked is None else min(asked, output_max)
    amount = ceiling(base + rate * tokens)
    if asked is not None:
        return Bound(amount, tokens, ours=False) if amount <= available else None
    if amount * UNASKED_SHARE <= available or not rate:
        return Bound(amount, tokens, ours=False) if amount <= available else None
    quarter = affordable_tokens(base, rate, available // UNASKED_SHARE)
    everything = affordable_tokens(base, rate, available)
    tokens = min(max(quarter, UNASKED_TOKENS_MIN), everything, tokens)
    if tokens < min(AFFORDABLE_TOKENS_MIN, output_max):
        return None
    return Bound(ceiling(base + rate * tokens), tokens, ours=True)


def max_tokens_for(price: Price, prompt_tokens: int, choices: int, available: Nanodollars) -> int:
    """How many output tokens `available` would buy: what a 402 names. 0: not even the prompt."""
    dear = dearest(price, prompt_tokens)
    rate = output_rate(dear) * choices
    base = fixed_cost(dear, prompt_tokens)
    if not rate:
        return 0
    return affordable_tokens(base, rate, available)


def dearest(price: Price, prompt_tokens: int) -> Rates:
    """The dearest rates that a prompt of at most so many tokens can meet: tiers may cost more, or less."""
    reachable = [tier.rates for tier in price.tiers if prompt_tokens > tier.prompt_tokens_over]
    if not reachable:
        return price.rates
    every = [price.rates, *reachable]
    return Rates(
        prompt=max(max(_prompt_rate(rates) for rates in every), 0),
        completion=max(output_rate(rates) for rates in every),
        request=max(rates.request for rates in every),
    )


def fixed_cost(rates: Rates, prompt_tokens: int) -> Attodollars:
    """The prompt at its dearest rate, and the request's own price."""
    return _prompt_rate(rates) * prompt_tokens + rates.request


def output_rate(rates: Rates) -> Attodollars:
    """The dearest rate of an output token."""
    return max(rates.completion, rates.reasoning or 0, rates.audio_output or 0)


def affordable_tokens(base: Attodollars, rate: Attodollars, amount: Nanodollars) -> int:
    """Whole output tokens that `amount` buys after `base`."""
    return max(0, (amount * ATTO_PER_NANO - base) // rate)


def ceiling(cost: Attodollars) -> Nanodollars:
    """Attodollars -> nanodollars, upwards: a bound may not be below what it bounds."""
    return -(-cost // ATTO_PER_NANO)


def _prompt_rate(rates: Rates) -> Attodollars:
    return max(
        rates.prompt, rates.cache_read or 0, rates.cache_write or 0, rates.cache_write_1h or 0, rates.audio or 0
    )
