"""The catalog as rows: what a file holds and the database keeps, and how rows become the snapshot."""

from collections.abc import Iterable, Mapping
from sys import intern
from typing import Literal

import msgspec
from msgspec import Struct

from tollway.domain.catalog import Catalog, Endpoint, Model, Price, ProviderInfo, Rates, Tier, WireFormat
from tollway.domain.rates import RatesText, TierText, rates_from_text, tiers_from_text

OPERATOR = "operator"
"""The source of a price that a person set, or of an endpoint declared free; no file replaces it."""


Agreement = Literal["agree", "disagree", "single"]
"""Whether two independent sources name the same price."""


class PriceRow(Struct, frozen=True, omit_defaults=True):
    """A price, where it comes from, and what the other source says."""

    rates: RatesText
    tiers: tuple[TierText, ...] = ()
    source: str = ""
    as_of: str = ""
    """The day for which the source holds, `YYYY-MM-DD`."""
    agreement: Agreement = "single"
    other: RatesText | None = None
    """The other source's rates, where the two disagree."""
    other_source: str = ""


class EndpointRow(Struct, frozen=True, omit_defaults=True):
    """One provider's offer of one model, with its price where one is known."""

    provider: str
    upstream_model: str
    model_id: str
    wire_format: WireFormat
    context_tokens: int
    output_tokens_max: int | None = None
    parameters: tuple[str, ...] = ()
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    quantization: str | None = None
    source: str = ""
    as_of: str = ""
    price: PriceRow | None = None
    """None: unpriced."""

    @property
    def id(self) -> str:
        """`<provider slug>:<upstream model>`, as in `domain/catalog.py`."""
        return f"{self.provider}:{self.upstream_model}"


class Rows(Struct, frozen=True):
    """A catalog as rows by id. `own`: ids of rows that did not come from a file (servers that the operator added)."""

    providers: dict[str, ProviderInfo]
    models: dict[str, Model]
    aliases: dict[str, str]
    endpoints: dict[str, EndpointRow]
    own: frozenset[str] = frozenset()
    gone_prices: dict[str, PriceRow] = {}
    """Prices of endpoints that are gone, in force again should they come back."""


class Builder:
    """Makes endpoints out of rows; one builder for one snapshot, so that what is equal is one object."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, ...], frozenset[str]] = {}
        self._rates: dict[bytes | str, Rates] = {}
        self._tiers: dict[bytes | str, tuple[Tier, ...]] = {}

    def endpoint(self, row: EndpointRow, price: Price | None, *, enabled: bool = True) -> Endpoint:
        """One row and the price in force -> the endpoint."""
        return Endpoint(
            id=row.id,
            model_id=intern(row.model_id),
            provider=intern(row.provider),
            upstream_model=row.upstream_model,
            wire_format=row.wire_format,
            context_tokens=row.context_tokens,
            output_tokens_max=row.output_tokens_max,
            price=price,
            parameters=self._set(row.parameters),
            input_modalities=self._set(row.input_modalities),
            output_modalities=self._set(row.output_modalities),
            quantization=intern(row.quantization) if row.quantization else None,
            enabled=enabled,
        )

    def price(
        self, id_: int, rates: str, tiers: str, *, declared_free: bool, effective_ms: int, source: str
    ) -> Price | None:
        """A stored price (JSON of `RatesText`, of a list of `TierText`) -> the price, or None where it is unpriced.

        Zero without a declaration is no price (MONEY.md, Units). ValueError: the text is not a price.
        """
        known = self._rates.get(rates)
        if known is None:
            known = self._rates[rates] = rates_from_text(_RATES.decode(rates))
        if not declared_free and not any(msgspec.structs.astuple(known)):
            return None
        steps = self._tiers.get(tiers)
        if steps is None:
            steps = self._tiers[tiers] = tiers_from_text(_TIERS.decode(tiers))
        return Price(id_, known, steps, declared_free, effective_ms, intern(source))

    def _set(self, words: tuple[str, ...]) -> frozenset[str]:
        found = self._sets.get(words)
        if found is None:
            found = self._sets[words] = frozenset(intern(word) for word in words)
        return found


_RATES = msgspec.json.Decoder(RatesText)
_TIERS = msgspec.json.Decoder(tuple[TierText, ...])


def assemble(
    providers: Mapping[str, ProviderInfo],
    models: Mapping[str, Model],
    aliases: Mapping[str, str],
    endpoints: Iterable[Endpoint],
    version: int = 0,
) -> Catalog:
    """The snapshot: endpoints by model, cheapest first, those without a price last."""
    by_model: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        if endpoint.model_id in models:
            by_model.setdefault(endpoint.model_id, []).append(endpoint)
    sorted_: dict[str, tuple[Endpoint, ...]] = {
        model: tuple(sorted(found, key=_cheapness)) for model, found in by_model.items()
    }
    return Catalog(dict(models), sorted_, dict(providers), dict(aliases), version)


def _cheapness(endpoint: Endpoint) -> tuple[int, int, str]:
    """A rule of thumb without a request: prompts are usually longer than answers, so they count three times."""
    if endpoint.price is None:
        return (1, 0, endpoint.id)
    return (0, 3 * endpoint.price.rates.prompt + endpoint.price.rates.completion, endpoint.id)
