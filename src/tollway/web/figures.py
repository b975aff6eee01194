"""Numbers as people read them: dollars per million tokens, exactly; token counts, shortly."""

from tollway.domain.money import Attodollars, price_to_text

MILLION = 10**6
NONE = "\u2013"
"""A dash where there is no figure."""


def usd_per_million(price: Attodollars) -> str:
    """A price per token -> USD per 1M tokens, the shortest exact decimal string: "0.2", "1.25"."""
    return price_to_text(price * MILLION)


def dollars(decimal: str) -> str:
    """A decimal string -> as it is written on a price tag, no digit lost: "0.2" -> "$0.20", "0.075" -> "$0.075"."""
    whole, _, rest = decimal.partition(".")
    return f"${int(whole):,}.{rest:0<2}"


def tokens_short(tokens: int) -> str:
    """A count of tokens in three digits: 131072 -> "131K", 1048576 -> "1.05M"."""
    if tokens < 1000:
        return str(tokens)
    if tokens < 999_500:  # from here on three digits of thousands would round up to a million
        return f"{tokens / 1000:.3g}K"
    return f"{tokens / MILLION:.3g}M"


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 model", "2,012 models"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(value: float | None) -> str:
    """A time: "420 ms", "1.24 s"; NONE where nothing was measured."""
    if value is None:
        return NONE
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def percent(share: float | None) -> str:
    """A share, its digits cut, so that 100% is said of nothing less: "99.98%"."""
    if share is None:
        return NONE
    hundredths = int(share * 10_000 + 1e-9)
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") + "%"
