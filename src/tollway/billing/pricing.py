"""Usage x price -> cost, exactly, rounded once to a nanodollar; and the discount that cached tokens gave."""

from msgspec import Struct

from tollway.domain.catalog import Price, Rates
from tollway.domain.generation import Usage
from tollway.domain.money import ATTO_PER_NANO, Attodollars, Nanodollars, round_cost


class Cost(Struct, frozen=True):
    """What a usage costs. `prompt` and `completion` are its parts, each rounded apart; `total` is rounded once."""

    total: Nanodollars
    prompt: Nanodollars
    completion: Nanodollars
    cache_discount: Nanodollars
    """What cached reads saved against the prompt price; negative where cache writes cost more."""
    own: "Cost | None" = None
    """The caller's own key was used: what its provider bills for it, at list price. The rest is the fee."""


FREE = Cost(0, 0, 0, 0)


def cost(usage: Usage, price: Price) -> Cost:
    """The cost of `usage` at `price`; tiers go by the whole prompt's tokens (strictly more than the tier's bound).

    Where the provider says what it bills (Cohere), that is what counts, and no class of tokens has its own price.
    """
    if usage.billed is not None:
        usage = Usage(prompt=usage.billed[0], completion=usage.billed[1])
    rates = rates_for(price, usage.prompt) if price.tiers else price.rates
    if not (usage.cache_read or usage.cache_write or usage.reasoning or usage.audio_prompt or usage.audio_completion):
        read, written = usage.prompt * rates.prompt, usage.completion * rates.completion
        of_read, of_written = round_cost(read), round_cost(written)
        exact = read + written
        if rates.request:
            exact += rates.request * usage.requests
        total = of_read + of_written
        if total * ATTO_PER_NANO != exact:
            total = round_cost(exact)
        return Cost(total, of_read, of_written, 0)
    cached = min(usage.cache_read, usage.prompt)
    written = min(usage.cache_write, usage.prompt - cached)
    written_1h = min(usage.cache_write_1h, written)
    audio = min(usage.audio_prompt, usage.prompt - cached - written)
    plain = usage.prompt - cached - written - audio
    prompt: Attodollars = (
        plain * rates.prompt
        + cached * _or(rates.cache_read, rates.prompt)
        + (written - written_1h) * _or(rates.cache_write, rates.prompt)
        + written_1h * _or(rates.cache_write_1h, _or(rates.cache_write, rates.prompt))
        + audio * _or(rates.audio, rates.prompt)
    )
    reasoning = min(usage.reasoning, usage.completion)
    spoken = min(usage.audio_completion, usage.completion - reasoning)
    completion: Attodollars = (
        (usage.completion - reasoning - spoken) * rates.completion
        + reasoning * _or(rates.reasoning, rates.completion)
        + spoken * _or(rates.audio_output, rates.completion)
    )
    uncached = (usage.prompt - audio) * rates.prompt + audio * _or(rates.audio, rates.prompt)
    return Cost(
        total=round_cost(prompt + completion + rates.request * usage.requests),
        prompt=round_cost(prompt),
        completion=round_cost(completion),
        cache_discount=_signed(uncached - prompt) if cached or written else 0,
    )


def rates_for(price: Price, prompt_tokens: int) -> Rates:
    """The rates that a prompt of so many tokens is billed with: the last tier that it exceeds."""
    rates = price.rates
    for tier in price.tiers:
        if prompt_tokens > tier.prompt_tokens_over:
            rates = tier.rates
    return rates


def _or(rate: Attodollars | None, fallback: Attodollars) -> Attodollars:
    return fallback if rate is None else rate


def _signed(amount: Attodollars) -> Nanodollars:
    return -round_cost(-amount) if amount < 0 else round_cost(amount)
