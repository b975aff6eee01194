"""Money: text to whole numbers and back without a digit lost, and the one rounding of a bill."""

import json
from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tollway.domain.money import (
    AMOUNT_MAX,
    PRICE_MAX,
    nanodollars_from_text,
    nanodollars_to_text,
    price_from_text,
    price_to_text,
    round_cost,
    usd,
)

EXACT = Context(prec=200)
EXAMPLES = settings(max_examples=300, deadline=None)


@EXAMPLES
@given(st.integers(0, PRICE_MAX))
def test_prices_round_trip(price: int) -> None:
    """Every price survives its text, and its text is a plain decimal of exactly its value."""
    text = price_to_text(price)
    assert price_from_text(text) == price
    assert Decimal(text) == Decimal(price).scaleb(-18, context=EXACT)
    assert "e" not in text.lower()
    assert text == "0" or not (text.endswith("0") and "." in text)


@EXAMPLES
@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX))
@example(-1)
@example(0)
def test_amounts_round_trip(amount: int) -> None:
    """Every amount survives its text, negative ones too."""
    text = nanodollars_to_text(amount)
    assert nanodollars_from_text(text) == amount
    assert Decimal(text) == Decimal(amount).scaleb(-9, context=EXACT)


@EXAMPLES
@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX))
def test_usd_is_an_exact_json_number(amount: int) -> None:
    """JSON carries the amount as a number whose digits are the amount: no float was in between."""
    text = msgspec.json.encode({"cost": usd(amount)})
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal)["cost"] == Decimal(amount).scaleb(-9, context=EXACT)


@EXAMPLES
@given(st.integers(0, PRICE_MAX), st.integers(-18, 18))
def test_exponents_mean_what_they_say(price: int, exponent: int) -> None:
    """A price written with an exponent is the same price: JSON numbers become text such as `1e-07`."""
    text = f"{Decimal(price).scaleb(-18 - exponent, context=EXACT):f}e{exponent}"
    if len(text) <= 64:
        assert price_from_text(text) == price


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("0.0000025", 2_500_000_000_000),
        ("1e-07", 10**11),
        ("2.50E-6", 2_500_000_000_000),
        (".5", 5 * 10**17),
        ("5.", 5 * 10**18),
        ("+1", 10**18),
        ("-0", 0),
        ("0e40", 0),
        ("0.000000000000000001", 1),
        ("10000", PRICE_MAX),
        ("1.0000000000000000000000000000000000000", 10**18),
    ],
)
def test_prices_that_are_taken(text: str, price: int) -> None:
    """Ways to write a number that JSON and people use."""
    assert price_from_text(text) == price


HOSTILE = (
    "", " ", ".", "-", "e5", "1e", "0x10", "1_000", " 1", "1 ", "1\n", "1,5", "१", "\uff11", "NaN", "sNaN", "-nan",
    "Infinity", "-inf", "1e999999999", "1e41", "0e-999", "--1", "1.2.3", "1" * 65, "9" * 64, "1e40",
)  # fmt: skip
WHY_NOT = "is not a decimal number|is not a sensible number|over 64 characters|is not between|too large"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_refused(text: str) -> None:
    """What is no plain ASCII number, or one beyond all sense, is a ValueError: quickly, for prices and amounts."""
    with pytest.raises(ValueError, match=WHY_NOT):
        price_from_text(text)
    with pytest.raises(ValueError, match=WHY_NOT):
        nanodollars_from_text(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-0.000001", "between 0"),
        ("10000.000000000000000001", "between 0"),
        ("0.0000000000000000001", "more than 18 decimals"),
        # Decimal's own arithmetic would round these to 28 digits, and so to a price that nobody wrote.
        ("1.0000000000000000000000000000000001", "more than 18 decimals"),
        ("9999.9999999999999999999999999999999", "more than 18 decimals"),
    ],
)
def test_prices_that_are_refused(text: str, why: str) -> None:
    """Negative, too large, or finer than can be kept: the error says which."""
    with pytest.raises(ValueError, match=why):
        price_from_text(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.0000000001", "finer than a nanodollar"),
        ("1.00000000000000000000000000000000001", "finer than a nanodollar"),
        ("1000000000.000000001", "too large"),
        ("-1000000001", "too large"),
    ],
)
def test_amounts_that_are_refused(text: str, why: str) -> None:
    """An amount is whole nanodollars within a billion dollars, or it is refused."""
    with pytest.raises(ValueError, match=why):
        nanodollars_from_text(text)


@EXAMPLES
@given(st.text(max_size=70))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    """No text at all makes the parsers fail in another way, or give what is out of bounds."""
    try:
        price = price_from_text(text)
    except ValueError:
        return
    assert 0 <= price <= PRICE_MAX
    assert EXACT.create_decimal(text) == Decimal(price).scaleb(-18, context=EXACT)


@EXAMPLES
@given(st.integers(-(10**40), 10**40) | st.integers(-4, 4).map(lambda halves: halves * 5 * 10**8))
@example(5 * 10**8)
@example(15 * 10**8)
@example(5 * 10**8 + 1)
@example(-5 * 10**8)
def test_rounding_is_half_even(cost: int) -> None:
    """The one rounding of a bill is the one that Decimal calls ROUND_HALF_EVEN."""
    exact = Decimal(cost).scaleb(-9, context=EXACT)
    assert round_cost(cost) == int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN, context=EXACT))
