"""The second opinion on prices: genai-prices, looked up for one provider's name of a model, at one day."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from genai_prices import types as genai
from genai_prices.data import providers as genai_providers

from catalog_facts import per_token
from tollway.domain.rates import RatesText, TierText

_PRICES = {
    "input_mtok": "prompt",
    "output_mtok": "completion",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio",
    "output_audio_mtok": "audio_output",
}
_DEARER = {"input_image_mtok": "prompt", "output_image_mtok": "completion"}
_COMPARED = ("prompt", "completion", "cache_read", "cache_write")

Found = tuple[RatesText, tuple[TierText, ...]]


class SecondOpinion:
    """genai-prices at a day. Where a price depends on the hour, the dearest counts: we must never sell below cost."""

    def __init__(self, day: str) -> None:
        self._day = date.fromisoformat(day)
        self._providers = {provider.id: provider for provider in genai_providers}

    def models(self, provider: str) -> list[genai.ModelInfo]:
        """All models of one of its providers."""
        found: list[genai.ModelInfo] = self._providers[provider].models
        return found

    def find(
        self, provider: str, upstream: str, *, embeds: bool = False, reads: tuple[str, ...] = ("text", "image")
    ) -> Found | None:
        """Its rates for what `provider` calls `upstream`; None: not known, or not priced by the token."""
        models = self._providers[provider].models
        name = upstream.lower()
        exact = [model for model in models if model.id.lower() == name]
        for model in exact or [model for model in models if model.is_match(name)]:
            return self.rates(model, embeds=embeds, reads=reads)
        return None

    def rates(
        self, model: genai.ModelInfo, *, embeds: bool = False, reads: tuple[str, ...] = ("text", "image")
    ) -> Found | None:
        """A model's rates and tiers at the day. `embeds`: no price of output is needed. `reads`: what goes in."""
        hours = [datetime.combine(self._day, time(hour), UTC) for hour in range(24)]
        prices = max((model.get_prices(hour) for hour in hours), key=_dearness)
        values = {ours: value for theirs, ours in _PRICES.items() if (value := getattr(prices, theirs, None))}
        for theirs, ours in _DEARER.items():
            # A picture's tokens have a price of their own; we have one for each direction, so that the dearer counts.
            if theirs == "input_image_mtok" and "image" not in reads:
                continue
            if (value := getattr(prices, theirs, None)) and _base(value) > _base(values.get(ours, 0)):
                values[ours] = value
        base = _rates({name: _base(value) for name, value in values.items()}, embeds)
        if base is None:
            return None
        starts = sorted({tier.start for value in values.values() for tier in getattr(value, "tiers", ())})
        tiers = []
        for start in starts:
            rates = _rates({name: _at(value, start) for name, value in values.items()}, embeds)
            if rates is not None and rates != base:
                tiers.append(TierText(start, rates))
        return base, tuple(tiers)


def same(ours: RatesText, theirs: RatesText) -> bool:
    """Both name the same price, in everything that both name."""
    return all(
        getattr(ours, name) == getattr(theirs, name)
        for name in _COMPARED
        if getattr(ours, name) is not None and getattr(theirs, name) is not None
    )


def _dearness(prices: genai.ModelPrice) -> Decimal:
    return _base(prices.input_mtok or Decimal(0)) + _base(prices.output_mtok or Decimal(0))


def _base(value: Any) -> Decimal:
    return value.base if isinstance(value, genai.TieredPrices) else Decimal(value)


def _at(value: Any, start: int) -> Decimal:
    found = _base(value)
    for tier in getattr(value, "tiers", ()):
        if tier.start <= start:
            found = tier.price
    return found


def _rates(prices: dict[str, Decimal], embeds: bool) -> RatesText | None:
    priced = {name: per_token(price) for name, price in prices.items() if price}
    if "prompt" not in priced or ("completion" not in priced and not embeds):
        return None
    return RatesText(**{"completion": "0", **priced})
