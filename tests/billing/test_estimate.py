"""Estimates: a bound is a bound, a quarter is a quarter, and the number that a 402 names is the right one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.billing import drawn
from tollway.billing.estimate import Bound, bound, dearest, max_tokens_for
from tollway.billing.pricing import cost
from tollway.domain.catalog import Price, Rates, Tier
from tollway.domain.generation import Usage
from tollway.domain.money import NANO

EXAMPLES = settings(max_examples=300, deadline=None)
FLAT = Price(1, Rates(10**12, 2 * 10**12))
"""$1 and $2 per million tokens: 1000 and 2000 nanodollars a token."""


def most(
    price: Price,
    available: int,
    *,
    asked: int | None = None,
    prompt: int = 100,
    choices: int = 1,
    output_max: int = 10**6,
    room: int = 10**6,
) -> Bound | None:
    """`bound` at the price's dearest rates for this prompt."""
    return bound(
        dearest(price, prompt),
        prompt_tokens=prompt,
        choices=choices,
        asked=asked,
        output_max=output_max,
        room=room,
        available=available,
    )


@EXAMPLES
@given(
    price=drawn.prices,
    usage=drawn.usages,
    prompt_more=st.integers(0, 100_000),
    choices=st.integers(1, 8),
    asked=st.none() | st.integers(1, 10**6),
    output_max=st.integers(1, 10**6),
    available=st.integers(0, 10**4 * NANO),
)
def test_no_usage_within_the_bound_costs_more(
    price: Price, usage: Usage, prompt_more: int, choices: int, asked: int | None, output_max: int, available: int
) -> None:
    """Whatever a provider reports within the bound's tokens, its cost is at most the bound: also at a cheaper tier."""
    found = most(
        price, available, asked=asked, prompt=usage.prompt + prompt_more, choices=choices, output_max=output_max
    )
    if found is None:
        return
    assert found.amount <= available
    within = structs.replace(usage, completion=min(usage.completion, found.max_tokens * choices))
    assert cost(within, price).total <= found.amount


@EXAMPLES
@given(
    price=drawn.prices,
    prompt=st.integers(0, 200_000),
    choices=st.integers(1, 8),
    available=st.integers(0, 1000 * NANO),
)
def test_what_a_402_names_is_affordable_and_one_more_is_not(
    price: Price, prompt: int, choices: int, available: int
) -> None:
    """`max_tokens_for` is the largest number that would be admitted."""
    tokens = max_tokens_for(price, prompt, choices, available)
    free = not dearest(price, prompt).output
    if tokens:
        assert most(price, available, asked=tokens, prompt=prompt, choices=choices, output_max=10**30) is not None
    if not free:
        assert most(price, available, asked=tokens + 1, prompt=prompt, choices=choices, output_max=10**30) is None


@EXAMPLES
@given(drawn.prices, st.integers(1, 10**6), st.integers(0, 10**4 * NANO), st.integers(1, 10**6))
def test_an_asked_number_is_never_changed(price: Price, asked: int, available: int, output_max: int) -> None:
    """A caller's own max_tokens is admitted as it is, or not at all."""
    found = most(price, available, asked=asked, output_max=output_max)
    assert found is None or (found.max_tokens == min(asked, output_max) and not found.ours)


@EXAMPLES
@given(drawn.prices, st.integers(0, 10**4 * NANO), st.integers(1, 10**6), st.integers(1, 10**6))
def test_unasked_binds_a_quarter_or_says_so(price: Price, available: int, output_max: int, room: int) -> None:
    """Without max_tokens: up to a quarter of what is there as it is; above it, our own number, which is then sent."""
    found = most(price, available, output_max=output_max, room=room)
    if found is None:
        return
    free = not dearest(price, 100).output
    if not found.ours:
        assert found.max_tokens == output_max
        assert found.amount * 4 <= available or free
    else:
        assert found.max_tokens <= min(room, output_max)
        assert found.max_tokens >= min(512, room, output_max)
        # More than a quarter only for the sake of the 4,096 tokens.
        assert found.amount * 4 <= available or found.max_tokens <= 4_096


@pytest.mark.parametrize(
    ("name", "available", "expected"),
    [
        # 100 prompt tokens are 100,000 nanodollars, an output token 2,000; the endpoint gives 10,000 at most.
        ("all of it is a quarter", 80_400_000, Bound(20_100_000, 10_000, False)),
        ("one nanodollar less", 80_399_999, Bound(20_098_000, 9_999, True)),
        ("a quarter is over 4,096", 40_000_000, Bound(10_000_000, 4_950, True)),
        ("a quarter is under 4,096", 20_000_000, Bound(8_292_000, 4_096, True)),
        ("all that is available", 4_100_000, Bound(4_100_000, 2_000, True)),
        ("the least", 1_124_000, Bound(1_124_000, 512, True)),
        ("under the least", 1_123_999, None),
        ("nothing", 0, None),
        ("less than nothing", -1, None),
    ],
)
def test_the_quarter_rule_row_by_row(name: str, available: int, expected: Bound | None) -> None:
    """MONEY.md, "How much is held", with numbers worked out by hand."""
    assert most(FLAT, available, output_max=10_000) == expected


def test_room_limits_only_what_we_ask_for() -> None:
    """Our own max_tokens leaves room for the prompt in the context; the caller's own is theirs."""
    ours = most(FLAT, 40_000_000, output_max=10_000, room=300)
    assert ours == Bound(700_000, 300, ours=True)
    theirs = most(FLAT, 40_000_000, asked=5_000, output_max=10_000, room=300)
    assert theirs == Bound(10_100_000, 5_000, ours=False)


def test_an_endpoint_that_gives_less_than_the_least_is_not_left_out() -> None:
    """512 tokens are the least that we offer, but not of an endpoint that has fewer."""
    assert most(FLAT, 300_000, output_max=100) == Bound(300_000, 100, ours=True)
    assert most(FLAT, 299_999, output_max=100) is None


def test_choices_multiply_the_output() -> None:
    """`n` answers cost n times the output, and the prompt once."""
    assert most(FLAT, NANO, asked=10, choices=3) == Bound(100_000 + 3 * 20_000, 10, ours=False)


def test_free_endpoints_bind_nothing() -> None:
    """A declared zero binds nothing and limits nobody, but not below zero."""
    free = Price(1, Rates(0, 0), declared_free=True)
    assert most(free, 0, output_max=10_000) == Bound(0, 10_000, ours=False)
    assert most(free, -1, output_max=10_000) is None
    assert max_tokens_for(free, 100, 1, 0) == 0


CHEAPER = Price(1, Rates(3 * 10**12, 3 * 10**12, request=10**12), (Tier(1_000, Rates(10**12, 10**12)),))
DEARER = Price(1, Rates(10**12, 10**12), (Tier(1_000, Rates(3 * 10**12, 3 * 10**12, request=10**12)),))


@pytest.mark.parametrize(
    ("price", "prompt", "amount"),
    [
        (DEARER, 1_000, 1_000_000 + 10_000),
        (DEARER, 1_001, 3_003_000 + 30_000 + 1_000),
        # A prompt of at most 1,001 tokens may be one of 1,000, which costs three times as much.
        (CHEAPER, 1_001, 3_003_000 + 30_000 + 1_000),
    ],
)
def test_tiers_that_cost_more_or_less(price: Price, prompt: int, amount: int) -> None:
    """A tier counts only where the prompt can reach it, and never lowers the bound."""
    assert most(price, NANO, asked=10, prompt=prompt) == Bound(amount, 10, ours=False)


@pytest.mark.parametrize("dear", ["cache_read", "cache_write", "cache_write_1h", "audio", "reasoning", "audio_output"])
def test_the_dearest_class_of_tokens_counts(dear: str) -> None:
    """Any token of the prompt may be written to a cache or be audio, any output token may be reasoning or speech."""
    rates = structs.replace(FLAT.rates, **{dear: 9 * 10**12})
    found = most(Price(1, rates), NANO, asked=10)
    plain = most(FLAT, NANO, asked=10)
    assert found is not None
    assert plain is not None
    tokens = 10 if dear in {"reasoning", "audio_output"} else 100
    assert found.amount == plain.amount + tokens * (9_000 - (2_000 if tokens == 10 else 1_000))


def test_bounds_are_rounded_up() -> None:
    """A fraction of a nanodollar is held as one: what costs anything needs something."""
    tiny = Price(1, Rates(1, 1))
    assert most(tiny, 1, asked=1, prompt=1) == Bound(1, 1, ours=False)
    assert most(tiny, 0, asked=1, prompt=1) is None
