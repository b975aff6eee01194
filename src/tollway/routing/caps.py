"""The caps of a `routing` object against an endpoint's price: whatever a token of this request could be billed at."""

import re
from decimal import Decimal

import msgspec
from msgspec import Struct

from tollway.billing.pricing import rates_for
from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Endpoint, Rates, WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest
from tollway.domain.money import PRICE_DIGITS, Attodollars
from tollway.domain.plain import PlainRequest

PER_MILLION = 10 ** (PRICE_DIGITS - 6)

MARKED = frozenset({WireFormat.ANTHROPIC_MESSAGES, WireFormat.BEDROCK_CONVERSE})
"""Formats whose providers write to a cache only what a request marks (docs.claude.com, "Prompt caching")."""
_MARK, _HOUR = b'"cache_control":', b'"ttl":"1h"'
"""As the request is written; a text that says the same has its quotes escaped."""


class Budget(Struct, frozen=True):
    """The caps of a `routing` object, in attodollars a token, and the kinds of token that its request can bring."""

    input_max: Attodollars | None
    output_max: Attodollars | None
    total_max: Attodollars | None
    """Input and output together."""
    total_min: Attodollars | None
    hears: bool = False
    """Some part of the prompt may hold sound."""
    speaks: bool = False
    """Sound was asked for."""
    marks: bool = False
    """Something is marked for a cache."""
    hour: bool = False
    """And is to be kept for an hour."""

    @property
    def is_capped(self) -> bool:
        return self.input_max is not None or self.output_max is not None or self.total_max is not None


def budget_of(routing: PriceRouting, request: ChatRequest | PlainRequest, modalities: frozenset[str]) -> Budget:
    """InvalidRequest: what is no price."""

    def per_token(name: str) -> Attodollars | None:
        value = getattr(routing, name)
        if value is None:
            return None
        try:
            return int(read_usd(str(value)) * PER_MILLION)
        except ValueError:
            raise InvalidRequest(
                f"routing.{name} must be a decimal number in USD, not negative", param=f"routing.{name}"
            ) from None

    budget = Budget(
        input_max=per_token("max_input_per_1m"),
        output_max=per_token("max_output_per_1m"),
        total_max=per_token("max_total_per_1m"),
        total_min=per_token("min_total_per_1m"),
        hears=not modalities <= {"image"},
    )
    if not budget.is_capped or not isinstance(request, ChatRequest):
        return budget
    written = msgspec.json.encode(request)
    return msgspec.structs.replace(
        budget,
        speaks=request.audio is not None or "audio" in (request.modalities or ()),
        marks=_MARK in written,
        hour=_MARK in written and _HOUR in written,
    )


def why_below(budget: Budget, endpoint: Endpoint, prompt_tokens: int) -> str | None:
    """`routing.min_total_per_1m`: input and output together cost less."""
    if endpoint.price is None or budget.total_min is None:
        return None
    rates = rates_for(endpoint.price, prompt_tokens)
    low = rates.prompt + rates.completion < budget.total_min
    return "its price is below routing.min_total_per_1m" if low else None


def why_over(budget: Budget, endpoint: Endpoint, prompt_bound: int) -> str | None:
    """Some token of this request could cost more than a cap, at a tier that its prompt may reach.

    A price of each request has no place in a sum for a million tokens: who has one is above every cap.
    """
    price = endpoint.price
    if price is None or not budget.is_capped:
        return None
    for rates in (price.rates, *(tier.rates for tier in price.tiers if tier.prompt_tokens_over < prompt_bound)):
        if rates.request:
            return "it has a price for each request, which no cap of routing bounds"
        read, what_read = _dearest_read(rates, budget, endpoint.wire_format)
        written, what_written = _dearest_written(rates, budget)
        if budget.input_max is not None and read > budget.input_max:
            return f"its price{what_read} is above routing.max_input_per_1m"
        if budget.output_max is not None and written > budget.output_max:
            return f"its price{what_written} is above routing.max_output_per_1m"
        if budget.total_max is not None and read + written > budget.total_max:
            plain = rates.prompt + rates.completion > budget.total_max
            return f"its price{'' if plain else what_read or what_written} is above routing.max_total_per_1m"
    return None


def _dearest_read(rates: Rates, budget: Budget, wire_format: WireFormat) -> tuple[Attodollars, str]:
    """The most that a token of the prompt may cost, and in words for what."""
    kinds = [(rates.prompt, ""), (rates.cache_read or 0, " for what it reads from a cache")]
    if budget.marks or wire_format not in MARKED:
        kinds.append((rates.cache_write or 0, " for what it writes to a cache"))
    if budget.hour:
        kinds.append((rates.cache_write_1h or 0, " for what it keeps in a cache for an hour"))
    if budget.hears:
        kinds.append((rates.audio or 0, " for sound in the prompt"))
    return max(kinds, key=_price)


def _dearest_written(rates: Rates, budget: Budget) -> tuple[Attodollars, str]:
    kinds = [(rates.completion, ""), (rates.reasoning or 0, " for reasoning")]
    if budget.speaks:
        kinds.append((rates.audio_output or 0, " for sound in the answer"))
    return max(kinds, key=_price)


def _price(kind: tuple[Attodollars, str]) -> Attodollars:
    return kind[0]


def read_usd(text: str) -> Decimal:
    """ValueError: not a decimal number, negative, or with an exponent that would make `int` work for minutes."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


_NUMBER = re.compile(r"(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
