"""Prices of groups and prices by the request: against fractions, for any rates, usage and multiplier."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.billing import drawn
from tollway.billing.charge import Ending, charge
from tollway.billing.pricing import cost
from tollway.domain.catalog import Price, Rates
from tollway.domain.generation import Usage
from tollway.domain.storefronts import Group
from tollway.routing.tariffs import multiplied_price

MULTIPLIERS = st.integers(1, 10**8).map(lambda millionths: f"{millionths // 10**6}.{millionths % 10**6:06d}")
HOLD = 10**30


def rounded(exact: Fraction) -> int:
    """Half to even, by Python's own rule."""
    return round(exact)


@given(drawn.prices, drawn.usages, MULTIPLIERS)
def test_charge_is_the_oracles(price: Price, usage: Usage, multiplier: str) -> None:
    """Each rate is multiplied by fractions and rounded once; the bill is that price's; upstream is the list's."""
    group = Group("g", multiplier)
    by = Fraction(multiplier)
    found = multiplied_price(price, group)
    pairs = [(price.rates, found.rates)]
    pairs += [(old.rates, new.rates) for old, new in zip(price.tiers, found.tiers, strict=True)]
    for old, new in pairs:
        for name, rate in structs.asdict(old).items():
            expected = rate if not rate else max(1, rounded(rate * by))
            assert getattr(new, name) == expected, name
    ending = Ending(True, "stop", True, usage, Usage())
    charged = charge(ending, found, HOLD)
    if charged.alarm is None:
        assert charged.cost.total == cost(usage, structs.replace(found, tariff=None)).total
    assert charged.upstream == cost(usage, price).total
    failed = charge(structs.replace(ending, finish_reason="error"), found, HOLD)
    assert (failed.cost.total, failed.absorbed) == (0, charged.upstream)


@given(drawn.usages, st.integers(1, 10**15), st.integers(1, 10**15), MULTIPLIERS)
def test_whole_products_lose_nothing(usage: Usage, prompt: int, completion: int, multiplier: str) -> None:
    """Where the product of rate and multiplier is whole, the bill is the exact product, rounded once."""
    plain = Usage(prompt=usage.prompt, completion=usage.completion)
    price = Price(1, Rates(prompt * 10**6, completion * 10**6))
    exact = (plain.prompt * prompt + plain.completion * completion) * 10**6 * Fraction(multiplier) / 10**9
    assert cost(plain, multiplied_price(price, Group("g", multiplier))).total == rounded(exact)
