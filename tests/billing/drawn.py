"""Prices and usages drawn by hypothesis or by dice, within what the outside can send."""

import random

from hypothesis import strategies as st

from tollway.domain.catalog import Price, Rates, Tier
from tollway.domain.generation import Usage

RATE = 10**14
"""$100 per million tokens."""
TOKENS = 2_000_000

rates_values = st.integers(0, RATE) | st.sampled_from([0, 1, 10**9, 2_500_000_000_000])
maybe_rate = st.none() | rates_values
rates = st.builds(
    Rates,
    prompt=rates_values,
    completion=rates_values,
    request=st.integers(0, 10**16),
    image=maybe_rate,
    cache_read=maybe_rate,
    cache_write=maybe_rate,
    cache_write_1h=maybe_rate,
    reasoning=maybe_rate,
    audio=maybe_rate,
    audio_output=maybe_rate,
)


def _price(base: Rates, tiers: dict[int, Rates]) -> Price:
    return Price(1, base, tuple(Tier(over, tiers[over]) for over in sorted(tiers)))


prices = st.builds(_price, rates, st.dictionaries(st.integers(0, TOKENS), rates, max_size=3))
tokens = st.integers(0, TOKENS)
usages = st.builds(
    Usage,
    prompt=tokens,
    completion=tokens,
    cache_read=tokens,
    cache_write=tokens,
    cache_write_1h=tokens,
    reasoning=tokens,
    audio_prompt=tokens,
    audio_completion=tokens,
)


def rates_by_dice(dice: random.Random) -> Rates:
    """Rates of which about half are left out; some zero, some of a fraction of a nanodollar."""

    def rate() -> int:
        return dice.choice((0, dice.randrange(10**10), dice.randrange(RATE)))

    def maybe() -> int | None:
        return dice.choice((None, rate()))

    return Rates(
        prompt=rate(),
        completion=rate(),
        request=dice.choice((0, 0, rate())),
        image=maybe(),
        cache_read=maybe(),
        cache_write=maybe(),
        cache_write_1h=maybe(),
        reasoning=maybe(),
        audio=maybe(),
        audio_output=maybe(),
    )


def price_by_dice(dice: random.Random) -> Price:
    """A price with up to three tiers, in rising order."""
    overs = sorted(dice.sample(range(300_000), dice.choice((0, 0, 1, 3))))
    return Price(1, rates_by_dice(dice), tuple(Tier(over, rates_by_dice(dice)) for over in overs))


def usage_by_dice(dice: random.Random) -> Usage:
    """A usage; its parts may be larger than the whole, as nonsense from a provider is."""
    prompt, completion = dice.randrange(dice.choice((2, 400_000))), dice.randrange(dice.choice((2, 100_000)))

    def part(whole: int) -> int:
        return dice.choice((0, 0, dice.randrange(whole + 1), dice.randrange(2 * whole + 1)))

    return Usage(
        prompt=prompt,
        completion=completion,
        cache_read=part(prompt),
        cache_write=part(prompt),
        cache_write_1h=part(prompt),
        reasoning=part(completion),
        audio_prompt=part(prompt),
        audio_completion=part(completion),
    )
