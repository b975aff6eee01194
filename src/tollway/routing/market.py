"""What is on offer at this moment: for each model its live endpoints, cheapest first, and why the others are off."""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import Struct, structs

from tollway.billing.estimate import Dearest, dearest
from tollway.domain.aliases import Alias
from tollway.domain.catalog import Catalog, Endpoint, Model, Operation, Price, Rates, WireFormat
from tollway.domain.money import PRICE_DIGITS, Attodollars, price_from_text
from tollway.domain.routing import Rejection
from tollway.providers.base import Facts, Provider
from tollway.routing.provider_names import NO_NAMES, ProviderNames, names_of

PER_MILLION_USD = 10.0 ** (PRICE_DIGITS - 6)
"""Attodollars a token that are a dollar for a million."""
Speaks = Mapping[Operation, AbstractSet[WireFormat]]
"""In which formats we can ask for what."""

OFF_RULES = frozenset({"disabled", "unpriced", "not_live", "wire_format"})
"""Why an endpoint is off for everybody, whatever a request asks for: only the operator can change it."""


class Stall(Struct, frozen=True):
    """A live endpoint with what every plan asks about it, worked out once for each market."""

    endpoint: Endpoint
    price: Price
    blended: Attodollars
    """`blended_price`."""
    pull: float
    """1 / blended², the weight with which it is drawn; 0.0 where it is free."""
    usd_per_million: float
    """The list's price of a million tokens, three of the prompt to one of the answer."""
    dear: Dearest
    """For prompts that reach no tier."""
    output_max: int
    """What it gives at most when nobody limits it."""
    weight: float = 1.0
    """By how much the operator multiplies its share of balanced traffic."""


class Offer(Struct, frozen=True):
    """One model's endpoints, split once for each catalog, not for each request."""

    model: Model
    stalls: tuple[Stall, ...]
    """Cheapest first."""
    off: tuple[Rejection, ...]
    live: tuple[Endpoint, ...]
    """The endpoints of `stalls`."""
    operation: Operation = Operation.CHAT
    """`model.operation`."""
    caches: bool = False
    """Some endpoint reads prompts from its cache at a lower price."""


class Level(Struct, frozen=True):
    """An alias, and the endpoints of all its models as one offer."""

    alias: Alias
    offer: Offer


class Market(Struct, frozen=True):
    """An immutable snapshot of catalog x live providers."""

    catalog: Catalog
    providers: Mapping[str, Provider]
    """Only providers that can be called: reachable by a known wire format, with a credential."""
    offers: dict[str, Offer]
    names: ProviderNames = NO_NAMES
    """By which names requests may mean providers."""
    facts: Mapping[str, Facts] = {}
    """What is known of each provider's dealings with prompts, by slug."""
    levels: Mapping[str, "Level"] = {}
    """By alias."""
    known: Mapping[str, Provider] = {}
    """Every provider of the catalog, as it is before a credential opens it."""

    def provider(self, slug: str) -> Provider:
        """One that can be called, or that could be with a credential."""
        return self.providers.get(slug) or self.known[slug]

    def name_of(self, slug: str) -> str:
        """A provider's display name, whether it is live or not; its slug where nobody knows it."""
        known = self.providers.get(slug) or self.catalog.providers.get(slug)
        return known.name if known else slug

    def __repr__(self) -> str:
        """Short: tracebacks show it, and the whole of it would take seconds to write."""
        return f"Market(version={self.catalog.version}, models={len(self.offers)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("version", self.catalog.version), ("models", len(self.offers))]

    def offer(self, name: str) -> Offer | None:
        """By a model's id or one of its other names."""
        found = self.offers.get(name)
        if found is None and (target := self.catalog.aliases.get(name)) is not None:
            found = self.offers.get(target)
        return found


def build_market(
    catalog: Catalog,
    providers: Mapping[str, Provider],
    speaks: Speaks,
    aliases: Iterable[Alias] = (),
    known: Mapping[str, Provider] = {},
) -> Market:
    """Sorts every endpoint into live or off, with the reason. Of two aliases with one name the last counts."""
    offers = {}
    for model in catalog.models.values():
        operation = model.operation
        formats = speaks.get(operation, frozenset())
        stalls: list[Stall] = []
        off: list[Rejection] = []
        for listed in catalog.endpoints.get(model.id, ()):
            endpoint = with_taken(listed, providers)
            rejection = _why_off(endpoint, providers, catalog, operation, formats)
            if rejection is not None:
                off.append(rejection)
            elif endpoint.price is not None:
                stalls.append(stall_of(endpoint, endpoint.price, providers[endpoint.provider].weight))
        stalls.sort(key=lambda stall: stall.blended)
        live = tuple(stall.endpoint for stall in stalls)
        caches = any(_caches(stall.price) for stall in stalls)
        offers[model.id] = Offer(model, tuple(stalls), tuple(off), live, operation, caches)
    shown = {slug: provider.name for slug, provider in {**known, **providers}.items()}
    names = names_of({**shown, **{info.slug: info.name for info in catalog.providers.values()}}.items())
    facts = {slug: provider.facts for slug, provider in {**known, **providers}.items()}
    levels = levels_of(aliases, offers)
    return Market(catalog, providers, offers, names, facts, levels, known)


def levels_of(aliases: Iterable[Alias], offers: Mapping[str, Offer]) -> dict[str, Level]:
    """Each alias with the offers of its models as one."""
    return {alias.name: Level(alias, _pooled(alias, offers)) for alias in aliases}


def _pooled(alias: Alias, offers: Mapping[str, Offer]) -> Offer:
    """The chat endpoints of an alias's models, as if they were one model's; models that nobody has are passed over."""
    found = [offers[id_] for id_ in alias.models if id_ in offers and offers[id_].operation is Operation.CHAT]
    most = None if alias.max_usd_per_1m is None else price_from_text(alias.max_usd_per_1m) // 10**6
    pool = [stall for offer in found for stall in offer.stalls]
    stalls = sorted(
        (stall for stall in pool if most is None or seventy_thirty(stall.price.rates) <= most),
        key=lambda stall: stall.blended,
    )
    return Offer(
        model=Model(alias.name, alias.name, alias.name.partition("/")[0]),
        stalls=tuple(stalls),
        off=tuple(rejection for offer in found for rejection in offer.off),
        live=tuple(stall.endpoint for stall in stalls),
    )


def seventy_thirty(rates: Rates) -> Attodollars:
    """CPEN's one figure for a price: three parts of input to seven of output (STOREFRONTS.md)."""
    return (3 * rates.prompt + 7 * rates.completion) // 10


def with_taken(endpoint: Endpoint, providers: Mapping[str, Provider]) -> Endpoint:
    """With the parameters that its provider's models take, whatever the catalog lists; a catalog of none means all."""
    provider = providers.get(endpoint.provider)
    if provider is None or not endpoint.parameters:
        return endpoint
    taken = [names for pattern, names in provider.quirks.takes.items() if re.search(pattern, endpoint.upstream_model)]
    parameters = endpoint.parameters.union(*taken)
    return endpoint if parameters == endpoint.parameters else structs.replace(endpoint, parameters=parameters)


def stall_of(endpoint: Endpoint, price: Price, weight: float = 1.0) -> Stall:
    """Works out what plans need of an endpoint. `weight`: its provider's."""
    blended = blended_price(endpoint)
    return Stall(
        endpoint=endpoint,
        price=price,
        blended=blended,
        pull=blended**-2.0 if blended else 0.0,
        usd_per_million=blended / 4 / PER_MILLION_USD,
        dear=dearest(price),
        output_max=min(endpoint.output_tokens_max or endpoint.context_tokens, endpoint.context_tokens),
        weight=weight,
    )


def _caches(price: Price) -> bool:
    return price.rates.cache_read is not None and price.rates.cache_read < price.rates.prompt


def blended_price(endpoint: Endpoint) -> Attodollars:
    """One figure to sort and weigh by: three prompt tokens to one of output, a thousandth of the request's price."""
    if endpoint.price is None:
        return 0
    rates = endpoint.price.rates
    return 3 * rates.prompt + rates.completion + rates.request // 1000


def _why_off(
    endpoint: Endpoint,
    providers: Mapping[str, Provider],
    catalog: Catalog,
    operation: Operation,
    formats: AbstractSet[WireFormat],
) -> Rejection | None:
    if not endpoint.enabled:
        return Rejection(endpoint, "disabled", "switched off by the operator")
    if endpoint.price is None:
        return Rejection(endpoint, "unpriced", "has no price: set one, or declare it free")
    if endpoint.provider not in providers:
        known = catalog.providers.get(endpoint.provider)
        names = " or ".join(known.key_env) if known else ""
        return Rejection(endpoint, "not_live", f"no key for {endpoint.provider}" + (f": set {names}" if names else ""))
    deployments = providers[endpoint.provider].deployments
    if deployments is not None and endpoint.id not in deployments:
        return Rejection(endpoint, "not_live", f"no deployment of it at {endpoint.provider} is configured")
    if endpoint.wire_format not in formats:
        what = "" if operation is Operation.CHAT else f" for {operation.value}"
        return Rejection(endpoint, "wire_format", f"speaks {endpoint.wire_format.value}, which is not built yet{what}")
    return None
