"""Pricing: usage x price, to the nanodollar, against an oracle that shares no code with it."""

import random
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.billing import drawn
from tollway.billing.pricing import cost, rates_for
from tollway.domain.catalog import Price, Rates, Tier
from tollway.domain.generation import Usage

EXACT = Context(prec=100)
USD = Decimal(10) ** -18
EXAMPLES = settings(max_examples=200, deadline=None)


def oracle(usage: Usage, price: Price) -> tuple[Decimal, Decimal]:
    """(cost, cache discount) in USD, token class by token class, in Decimal and not yet rounded."""
    rates = price.rates
    for tier in sorted(price.tiers, key=lambda tier: tier.prompt_tokens_over):
        if usage.prompt > tier.prompt_tokens_over:
            rates = tier.rates

    def usd(count: int, rate: int | None, otherwise: int) -> Decimal:
        return EXACT.multiply(Decimal(count), Decimal(otherwise if rate is None else rate) * USD)

    left = usage.prompt
    classes = []
    for count, rate in ((usage.cache_read, rates.cache_read), (usage.cache_write, rates.cache_write)):
        taken = min(count, left)
        left -= taken
        classes.append((taken, rate))
    hour = min(usage.cache_write_1h, classes[1][0])
    hourly = rates.cache_write if rates.cache_write_1h is None else rates.cache_write_1h
    classes[1:] = [(classes[1][0] - hour, rates.cache_write), (hour, hourly)]
    audio = min(usage.audio_prompt, left)
    cached = sum(count for count, _ in classes)
    prompt = sum((usd(count, rate, rates.prompt) for count, rate in classes), Decimal(0))
    spoken_prompt = usd(audio, rates.audio, rates.prompt)
    prompt += spoken_prompt + usd(left - audio, None, rates.prompt)
    reasoning = min(usage.reasoning, usage.completion)
    spoken = min(usage.audio_completion, usage.completion - reasoning)
    completion = (
        usd(reasoning, rates.reasoning, rates.completion)
        + usd(spoken, rates.audio_output, rates.completion)
        + usd(usage.completion - reasoning - spoken, None, rates.completion)
    )
    discount = Decimal(0)
    if cached:
        discount = usd(usage.prompt - audio, None, rates.prompt) + spoken_prompt - prompt
    return prompt + completion + Decimal(rates.request) * USD, discount


def nano(usd: Decimal) -> int:
    """USD to nanodollars, half to even."""
    return int(usd.scaleb(9, context=EXACT).quantize(Decimal(1), rounding=ROUND_HALF_EVEN, context=EXACT))


def test_a_hundred_thousand_bills_equal_the_oracle() -> None:
    """I18 of FAULTS.md: each cost and discount equals an independent Decimal oracle, to the nanodollar."""
    dice = random.Random(20_261_121)
    for _ in range(1_000):
        price = drawn.price_by_dice(dice)
        for _ in range(100):
            usage = drawn.usage_by_dice(dice)
            bill = cost(usage, price)
            due, discount = oracle(usage, price)
            assert (bill.total, bill.cache_discount) == (nano(due), nano(discount)), (usage, price)


@EXAMPLES
@given(drawn.usages, drawn.prices)
def test_never_negative_and_parts_add_up(usage: Usage, price: Price) -> None:
    """Nothing on a bill is negative but a discount, and its rounded parts miss its total by at most their rounding."""
    bill = cost(usage, price)
    assert bill.total >= 0
    assert bill.prompt >= 0
    assert bill.completion >= 0
    request = rates_for(price, usage.prompt).request / 10**9
    assert abs(bill.prompt + bill.completion + request - bill.total) <= 1.5 + request * 1e-9


@EXAMPLES
@given(drawn.usages, drawn.rates, st.integers(1, 10_000), st.sampled_from(["prompt", "completion"]))
def test_more_tokens_never_cost_less(usage: Usage, rates: Rates, more: int, part: str) -> None:
    """At a price without tiers, a longer prompt or answer costs at least as much."""
    longer = structs.replace(usage, **{part: getattr(usage, part) + more})
    # Parts that exceed the whole are cut to it; a longer whole may move tokens into a cheaper class, never to free.
    plain = Rates(rates.prompt, rates.completion, rates.request)
    assert cost(longer, Price(1, plain)).total >= cost(usage, Price(1, plain)).total


@EXAMPLES
@given(drawn.usages, drawn.prices, st.integers(1, 10**12))
def test_dearer_rates_never_cost_less(usage: Usage, price: Price, more: int) -> None:
    """Raising every rate raises no bill's opposite."""

    def dearer(rates: Rates) -> Rates:
        raised = {name: value + more for name, value in structs.asdict(rates).items() if value is not None}
        return structs.replace(rates, **raised)

    tiers = tuple(Tier(tier.prompt_tokens_over, dearer(tier.rates)) for tier in price.tiers)
    assert cost(usage, Price(1, dearer(price.rates), tiers)).total >= cost(usage, price).total


TIERED = Price(1, Rates(1, 1), (Tier(200_000, Rates(2, 2)), Tier(400_000, Rates(3, 3))))


@pytest.mark.parametrize(
    ("prompt", "rate"), [(0, 1), (200_000, 1), (200_001, 2), (400_000, 2), (400_001, 3), (9_999_999, 3)]
)
def test_a_tier_begins_above_its_bound(prompt: int, rate: int) -> None:
    """A tier counts for prompts of strictly more tokens than its bound, and then for the whole prompt."""
    assert rates_for(TIERED, prompt).prompt == rate


@pytest.mark.parametrize(
    ("usage", "discount"),
    [
        (Usage(prompt=1000, completion=5), 0),
        (Usage(prompt=1000, completion=5, cache_read=800), 800 * 900),
        (Usage(prompt=1000, completion=5, cache_write=800), -800 * 250),
        (Usage(prompt=1000, completion=5, cache_read=500, cache_write=500), 500 * 900 - 500 * 250),
        (Usage(prompt=1000, completion=5, audio_prompt=500), 0),
    ],
)
def test_cache_discount(usage: Usage, discount: int) -> None:
    """Reads save against the prompt's price, writes cost more, and audio is no discount."""
    rates = Rates(10**12, 10**12, cache_read=10**11, cache_write=125 * 10**10, audio=3 * 10**12)
    assert cost(usage, Price(1, rates)).cache_discount == discount


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        (Usage(prompt=10, completion=10), 10 * 1000 + 10 * 2000 + 7),
        (Usage(prompt=10, completion=10, reasoning=4), 10 * 1000 + 6 * 2000 + 4 * 3000 + 7),
        (Usage(prompt=10, completion=10, reasoning=99), 10 * 1000 + 10 * 3000 + 7),
        (Usage(prompt=10, completion=10, audio_prompt=3, audio_completion=5), 7_000 + 12_000 + 10_000 + 20_000 + 7),
        (Usage(prompt=10, cache_write=8, cache_write_1h=3), 2 * 1000 + 5 * 1250 + 3 * 2000 + 7),
        (Usage(prompt=10, cache_write=2, cache_write_1h=9), 8 * 1000 + 2 * 2000 + 7),
        (Usage(), 7),
    ],
)
def test_each_class_of_tokens_has_its_price(usage: Usage, total: int) -> None:
    """Reasoning, audio, caches of both ages, the request's own price, by hand; what exceeds the whole counts once."""
    rates = Rates(
        10**12,
        2 * 10**12,
        request=7 * 10**9,
        cache_write=125 * 10**10,
        cache_write_1h=2 * 10**12,
        reasoning=3 * 10**12,
        audio=4 * 10**12,
        audio_output=4 * 10**12,
    )
    assert cost(usage, Price(1, rates)).total == total


def test_what_a_provider_bills_is_what_counts() -> None:
    """Cohere counts what it writes around a prompt, and bills less; no class of tokens has its own price then."""
    price = Price(1, Rates(prompt=2_000, completion=3_000, request=0, cache_read=1), (Tier(50, Rates(9_999, 9_999)),))
    usage = Usage(prompt=1_533, completion=36, cache_read=1_440, billed=(50, 13))
    bill = cost(structs.replace(usage, prompt=10**9), price)
    assert bill == cost(Usage(prompt=50, completion=13), price)
    assert bill.cache_discount == 0


def test_search_units_are_so_many_requests() -> None:
    """A rerank's price per request is due for each of its search units, once for everything else."""
    price = Price(1, Rates(prompt=0, completion=0, request=2 * 10**15))
    assert cost(Usage(), price).total == 2 * 10**6
    assert cost(Usage(requests=3), price).total == 6 * 10**6
    assert cost(Usage(prompt=7, requests=0), price).total == 0, "a provider that bills nothing"
    cached = Usage(prompt=10, cache_read=10, requests=2)
    assert cost(cached, price).total == 4 * 10**6, "on the longer way through the arithmetic, too"
