"""A bill's lines: whatever was used at whatever price, their sum is the cost before its one rounding."""

from hypothesis import given
from hypothesis import strategies as st

from tollway.billing.lines import bill_lines
from tollway.billing.pricing import cost
from tollway.domain.catalog import Price, Rates, Tier
from tollway.domain.generation import Usage
from tollway.domain.money import round_cost

COUNTS = st.integers(0, 10**6)
RATE = st.integers(0, 10**14)
MAYBE = st.none() | RATE
RATES = st.builds(
    Rates, prompt=RATE, completion=RATE, request=RATE, cache_read=MAYBE, cache_write=MAYBE, cache_write_1h=MAYBE,
    reasoning=MAYBE, audio=MAYBE, audio_output=MAYBE,
)  # fmt: skip
PRICES = st.builds(
    Price, id=st.just(1), rates=RATES, tiers=st.lists(st.builds(Tier, COUNTS, RATES), max_size=2).map(tuple)
)
USAGES = st.builds(
    Usage, prompt=COUNTS, completion=COUNTS, cache_read=COUNTS, cache_write=COUNTS, cache_write_1h=COUNTS,
    reasoning=COUNTS, audio_prompt=COUNTS, audio_completion=COUNTS, requests=st.integers(1, 5),
    billed=st.none() | st.tuples(COUNTS, COUNTS),
)  # fmt: skip


@given(USAGES, PRICES)
def test_the_sum_is_the_cost(usage: Usage, price: Price) -> None:
    """Never an attodollar more or less."""
    lines = bill_lines(usage, price)
    if usage.billed is None:
        assert round_cost(sum(line.amount for line in lines)) == cost(usage, price).total
    assert all(line.units > 0 for line in lines)


def test_what_is_billed_counts() -> None:
    """Where the provider says what it bills, nothing else does."""
    price = Price(1, Rates(10**9, 2 * 10**9))
    usage = Usage(prompt=100, completion=50, cache_read=40, billed=(7, 3))
    assert [(line.what, line.units) for line in bill_lines(usage, price)] == [
        ("prompt tokens", 7),
        ("output tokens", 3),
    ]
    assert round_cost(sum(line.amount for line in bill_lines(usage, price))) == cost(usage, price).total
