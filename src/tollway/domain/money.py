"""Money as whole numbers: nanodollars for amounts, attodollars for prices; decimals only at the edges."""

import re

import msgspec

Nanodollars = int
"""An amount: 1e-9 USD, whole. Balances, holds, costs."""

Attodollars = int
"""A price per unit (token, image, request): 1e-18 USD, whole. Prices reach 1e-9 USD and below."""

NANO = 10**9
ATTO_PER_NANO = 10**9
PRICE_DIGITS = 18
PRICE_MAX: Attodollars = 10_000 * 10**18  # $10,000 a unit: nothing honest costs more.
_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_POINTS = tuple(["0." + "0" * (9 - digits) for digits in range(10)])
"""What is written before an amount below a dollar, by the number of its digits."""
AMOUNT_MAX: Nanodollars = 10**9 * NANO  # a billion dollars; keeps every sum inside a BIGINT.


def price_from_text(text: str) -> Attodollars:
    """A decimal string, USD per unit -> attodollars, exactly. ValueError: no number, negative, too fine, too large."""
    whole = _whole(text, PRICE_DIGITS)
    if whole is None:
        raise ValueError(f"{text!r} has more than {PRICE_DIGITS} decimals")
    if not 0 <= whole <= PRICE_MAX:
        raise ValueError(f"{text!r} is not between 0 and {PRICE_MAX // 10**18} USD")
    return whole


def price_to_text(price: Attodollars) -> str:
    """Attodollars -> the shortest plain decimal string, USD per unit: "0.0000025", "0"."""
    units, rest = divmod(price, 10**PRICE_DIGITS)
    return f"{units}.{rest:018d}".rstrip("0") if rest else str(units)


def nanodollars_from_text(text: str) -> Nanodollars:
    """A decimal string in USD -> nanodollars, exactly. ValueError: not a number, finer than 1e-9, or too large."""
    whole = _whole(text, 9)
    if whole is None:
        raise ValueError(f"{text!r} is finer than a nanodollar (1e-9 USD)")
    if abs(whole) > AMOUNT_MAX:
        raise ValueError(f"{text!r} is too large an amount")
    return whole


def nanodollars_to_text(amount: Nanodollars) -> str:
    """Nanodollars -> the shortest plain decimal string in USD: "12.5", "-0.000001"."""
    if amount < 0:
        return "-" + nanodollars_to_text(-amount)
    if amount >= NANO:
        units, rest = divmod(amount, NANO)
        return f"{units}.{rest:09d}".rstrip("0") if rest else str(units)
    digits = str(amount)
    return (_POINTS[len(digits)] + digits).rstrip("0") if amount else "0"


def usd(amount: Nanodollars) -> msgspec.Raw:
    """Nanodollars -> a JSON number in USD, exact to the digit: no float is in between."""
    return msgspec.Raw(nanodollars_to_text(amount).encode())


def round_cost(cost: Attodollars) -> Nanodollars:
    """An exact cost in attodollars -> nanodollars, half to even: the one rounding of a bill (MONEY.md, Units)."""
    whole, rest = divmod(cost, ATTO_PER_NANO)
    if not rest:
        return whole  # as most prices of whole dollars per million tokens come to
    half = ATTO_PER_NANO // 2
    if rest > half or (rest == half and whole & 1):
        whole += 1
    return whole


def _whole(text: str, digits: int) -> int | None:
    """A decimal number times 10^digits, or None where that is not whole. ValueError: no number of a sensible size.

    By its digits, not by `Decimal`, whose arithmetic rounds to 28 of them and whose parser takes "1_0" and " 1 ".
    """
    if len(text) > 64:
        raise ValueError("a number of over 64 characters")
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a decimal number")
    sign, units, rest, exponent = match.groups(default="")
    if not (units or rest) or abs(int(exponent or 0)) > 40:
        raise ValueError(f"{text!r} is not a sensible number")
    whole = int(units + rest)
    places = digits + int(exponent or 0) - len(rest)
    if places >= 0:
        whole *= int(10**places)  # mypy: a power of two ints may be a float
    else:
        whole, lost = divmod(whole, int(10**-places))
        if lost:
            return None
    return -whole if sign == "-" else whole
