"""A bill line by line: what each class of units came to at a price, exactly; the lines' sum is the cost, unrounded."""

from msgspec import Struct

from tollway.billing.pricing import rates_for
from tollway.domain.catalog import Price, Rates
from tollway.domain.generation import Usage
from tollway.domain.money import Attodollars


class BillLine(Struct, frozen=True):
    """So many units at so much each."""

    what: str
    units: int
    rate: Attodollars
    """Of one unit."""

    @property
    def amount(self) -> Attodollars:
        return self.units * self.rate


def bill_lines(usage: Usage, price: Price) -> tuple[BillLine, ...]:
    """As `pricing.cost` counts, without the rounding: those lines that have units, or a price for the request."""
    if usage.billed is not None:
        usage = Usage(prompt=usage.billed[0], completion=usage.billed[1])
    rates = rates_for(price, usage.prompt)
    found = (*_prompt(usage, rates), *_completion(usage, rates))
    lines = [line for line in found if line.units]
    if rates.request:
        lines.append(BillLine("request", usage.requests, rates.request))
    return tuple(lines)


def _prompt(usage: Usage, rates: Rates) -> tuple[BillLine, ...]:
    cached = min(usage.cache_read, usage.prompt)
    written = min(usage.cache_write, usage.prompt - cached)
    hour = min(usage.cache_write_1h, written)
    audio = min(usage.audio_prompt, usage.prompt - cached - written)
    write = _or(rates.cache_write, rates.prompt)
    return (
        BillLine("prompt tokens", usage.prompt - cached - written - audio, rates.prompt),
        BillLine("prompt tokens read from a cache", cached, _or(rates.cache_read, rates.prompt)),
        BillLine("prompt tokens written to a cache", written - hour, write),
        BillLine("prompt tokens written to a cache for an hour", hour, _or(rates.cache_write_1h, write)),
        BillLine("prompt tokens of audio", audio, _or(rates.audio, rates.prompt)),
    )


def _completion(usage: Usage, rates: Rates) -> tuple[BillLine, ...]:
    reasoning = min(usage.reasoning, usage.completion)
    spoken = min(usage.audio_completion, usage.completion - reasoning)
    return (
        BillLine("output tokens", usage.completion - reasoning - spoken, rates.completion),
        BillLine("output tokens of reasoning", reasoning, _or(rates.reasoning, rates.completion)),
        BillLine("output tokens of audio", spoken, _or(rates.audio_output, rates.completion)),
    )


def _or(rate: Attodollars | None, fallback: Attodollars) -> Attodollars:
    return fallback if rate is None else rate
