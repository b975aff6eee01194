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


class Dearest(Struct, frozen=True):
    """The dearest that a token of the prompt, an output token and the request itself can be."""

    prompt: Attodollars
    output: Attodollars
    request: Attodollars


def bound(
    dear: Dearest,
    prompt_tokens: int,
    choices: int,
    asked: int | None,
    output_max: int,
    room: int,
    available: Nanodollars,
) -> Bound | None:
    """The bound at one endpoint, or None where it is not affordable.

    `prompt_tokens` is an upper bound of the prompt, `asked` the caller's max_tokens, `output_max` what the endpoint
    gives at most when nobody limits it, `room` the most that we ask for ourselves. Rules: MONEY.md, "How much is held".
    """
    base = dear.prompt * prompt_tokens + dear.request
    rate = dear.output if choices == 1 else dear.output * choices
    tokens = output_max if asked is None or asked > output_max else asked
    amount = -(-(base + rate * tokens) // ATTO_PER_NANO)
    if asked is not None or not rate or amount * UNASKED_SHARE <= available:
        return Bound(amount, tokens, False) if amount <= available else None
    quarter = affordable_tokens(base, rate, available // UNASKED_SHARE)
    everything = affordable_tokens(base, rate, available)
    tokens = min(max(quarter, UNASKED_TOKENS_MIN), everything, room, output_max)
    if tokens < min(AFFORDABLE_TOKENS_MIN, room, output_max):
        return None
    return Bound(ceiling(base + rate * tokens), tokens, ours=True)


def input_bound(price: Price, *, prompt_tokens: int, requests: int) -> Nanodollars:
    """The most that a request without output costs: `prompt_tokens` and `requests` are upper bounds."""
    dear = dearest(price, prompt_tokens)
    return ceiling(dear.prompt * prompt_tokens + dear.request * requests)


def max_tokens_for(price: Price, prompt_tokens: int, choices: int, available: Nanodollars) -> int:
    """How many output tokens `available` would buy: what a 402 names. 0: not even the prompt."""
    dear = dearest(price, prompt_tokens)
    rate = dear.output * choices
    return affordable_tokens(dear.prompt * prompt_tokens + dear.request, rate, available) if rate else 0


def dearest(price: Price, prompt_tokens: int | None = None) -> Dearest:
    """The dearest rates that a prompt of at most so many tokens can meet: tiers may cost more, or less.

    None: a prompt that reaches no tier.
    """
    reached = [price.rates]
    if prompt_tokens is not None:
        reached += [tier.rates for tier in price.tiers if prompt_tokens > tier.prompt_tokens_over]
    return Dearest(
        prompt=max(_prompt_rate(rates) for rates in reached),
        output=max(_output_rate(rates) for rates in reached),
        request=max(rates.request for rates in reached),
    )


def affordable_tokens(base: Attodollars, rate: Attodollars, amount: Nanodollars) -> int:
    """Whole output tokens that `amount` buys after `base`."""
    return max(0, (amount * ATTO_PER_NANO - base) // rate)


def ceiling(cost: Attodollars) -> Nanodollars:
    """Attodollars -> nanodollars, upwards: a bound may not be below what it bounds."""
    return -(-cost // ATTO_PER_NANO)


def _prompt_rate(rates: Rates) -> Attodollars:
    return max(rates.prompt, rates.cache_read or 0, rates.cache_write or 0, rates.cache_write_1h or 0, rates.audio or 0)


def _output_rate(rates: Rates) -> Attodollars:
    return max(rates.completion, rates.reasoning or 0, rates.audio_output or 0)
