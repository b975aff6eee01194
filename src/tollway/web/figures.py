"""Numbers as people read them: dollars per million tokens, exactly; token counts, shortly."""

from datetime import UTC, datetime

from tollway.domain.money import NANO, Attodollars, Nanodollars, nanodollars_to_text, price_to_text

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


def amount(nanodollars: Nanodollars) -> str:
    """An amount of money as it is written: "$12.50"."""
    return dollars(nanodollars_to_text(nanodollars))


def about(nanodollars: Nanodollars) -> str:
    """An amount to be read at a glance, its digits cut: "$83.85"; below a dollar the first three: "$0.0964".

    Never more than there is; a receipt, a charge and what one types are said exactly, by `amount`.
    """
    if abs(nanodollars) >= NANO:
        return dollars(nanodollars_to_text(nanodollars - nanodollars % (NANO // 100)))
    size = 10 ** max(0, len(str(abs(nanodollars))) - 3)
    return dollars(nanodollars_to_text(nanodollars - nanodollars % size))


def day(at_ms: int) -> str:
    """Milliseconds since 1970 -> the day in UTC: "2026-11-21"."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def moment(at_ms: int) -> str:
    """Milliseconds since 1970 -> the minute in UTC: "2026-11-21 18:05 UTC"."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


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
