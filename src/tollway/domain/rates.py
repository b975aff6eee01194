"""Prices as they are kept: decimal strings in USD per unit, to and from the attodollars of `domain/money.py`."""

from msgspec import Struct, structs

from tollway.domain.catalog import Rates, Tier
from tollway.domain.money import price_from_text, price_to_text


class RatesText(Struct, frozen=True, omit_defaults=True):
    """`Rates` with decimal strings, USD per unit (token, image, request)."""

    prompt: str
    completion: str
    request: str = "0"
    image: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    cache_write_1h: str | None = None
    reasoning: str | None = None
    audio: str | None = None
    audio_output: str | None = None

    @property
    def is_zero(self) -> bool:
        """Nothing costs anything: such a price counts as none (MONEY.md, Units)."""
        return all(price_from_text(text) == 0 for text in structs.astuple(self) if text is not None)


class TierText(Struct, frozen=True, omit_defaults=True):
    """`Tier` with decimal strings."""

    prompt_tokens_over: int
    rates: RatesText


def rates_from_text(text: RatesText) -> Rates:
    """Decimal strings -> attodollars, exactly. ValueError: not a price."""
    return Rates(
        prompt=price_from_text(text.prompt),
        completion=price_from_text(text.completion),
        request=price_from_text(text.request),
        image=_optional(text.image),
        cache_read=_optional(text.cache_read),
        cache_write=_optional(text.cache_write),
        cache_write_1h=_optional(text.cache_write_1h),
        reasoning=_optional(text.reasoning),
        audio=_optional(text.audio),
        audio_output=_optional(text.audio_output),
    )


def rates_to_text(rates: Rates) -> RatesText:
    """Attodollars -> the shortest decimal strings."""
    texts = {name: price_to_text(value) for name, value in structs.asdict(rates).items() if value is not None}
    return RatesText(**texts)


def tiers_from_text(tiers: tuple[TierText, ...]) -> tuple[Tier, ...]:
    """Tiers in rising order of their thresholds."""
    found = (Tier(tier.prompt_tokens_over, rates_from_text(tier.rates)) for tier in tiers)
    return tuple(sorted(found, key=lambda tier: tier.prompt_tokens_over))


def _optional(text: str | None) -> int | None:
    return None if text is None else price_from_text(text)
