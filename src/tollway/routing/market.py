"""What is on offer at this moment: for each model its live endpoints, cheapest first, and why the others are off."""

from collections.abc import Mapping

from msgspec import Struct

from tollway.billing.estimate import Dearest, dearest
from tollway.domain.catalog import Catalog, Endpoint, Model, Price, WireFormat
from tollway.domain.money import Attodollars
from tollway.domain.routing import Rejection
from tollway.providers.base import Provider

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
    dear: Dearest
    """For prompts that reach no tier."""
    output_max: int
    """What it gives at most when nobody limits it."""


class Offer(Struct, frozen=True):
    """One model's endpoints, split once for each catalog, not for each request."""

    model: Model
    stalls: tuple[Stall, ...]
    """Cheapest first."""
    off: tuple[Rejection, ...]
    live: tuple[Endpoint, ...]
    """The endpoints of `stalls`."""


class Market(Struct, frozen=True):
    """An immutable snapshot of catalog x live providers."""

    catalog: Catalog
    providers: Mapping[str, Provider]
    """Only providers that can be called: reachable by a known wire format, with a credential."""
    offers: dict[str, Offer]
    slugs: Mapping[str, str] = {}
    """A provider's display name in lower case -> its slug: requests may name providers by either."""

    def offer(self, name: str) -> Offer | None:
        """By a model's id or one of its other names."""
        found = self.offers.get(name)
        if found is None and (target := self.catalog.aliases.get(name)) is not None:
            found = self.offers.get(target)
        return found


def build_market(catalog: Catalog, providers: Mapping[str, Provider], speaks: frozenset[WireFormat]) -> Market:
    """Sorts every endpoint into live or off, with the reason."""
    offers = {}
    for model in catalog.models.values():
        stalls: list[Stall] = []
        off: list[Rejection] = []
        for endpoint in catalog.endpoints.get(model.id, ()):
            rejection = _why_off(endpoint, providers, catalog, speaks)
            if rejection is not None:
                off.append(rejection)
            elif endpoint.price is not None:
                stalls.append(stall_of(endpoint, endpoint.price))
        stalls.sort(key=lambda stall: stall.blended)
        offers[model.id] = Offer(model, tuple(stalls), tuple(off), tuple(stall.endpoint for stall in stalls))
    slugs = {info.name.lower(): info.slug for info in catalog.providers.values()}
    return Market(catalog, providers, offers, slugs)


def stall_of(endpoint: Endpoint, price: Price) -> Stall:
    """Works out what plans need of an endpoint."""
    blended = blended_price(endpoint)
    return Stall(
        endpoint=endpoint,
        price=price,
        blended=blended,
        pull=blended**-2.0 if blended else 0.0,
        dear=dearest(price),
        output_max=min(endpoint.output_tokens_max or endpoint.context_tokens, endpoint.context_tokens),
    )


def blended_price(endpoint: Endpoint) -> Attodollars:
    """One figure to sort and weigh by: three prompt tokens to one of output, a thousandth of the request's price."""
    if endpoint.price is None:
        return 0
    rates = endpoint.price.rates
    return 3 * rates.prompt + rates.completion + rates.request // 1000


def _why_off(
    endpoint: Endpoint, providers: Mapping[str, Provider], catalog: Catalog, speaks: frozenset[WireFormat]
) -> Rejection | None:
    if not endpoint.enabled:
        return Rejection(endpoint, "disabled", "switched off by the operator")
    if endpoint.price is None:
        return Rejection(endpoint, "unpriced", "has no price: set one, or declare it free")
    if endpoint.provider not in providers:
        known = catalog.providers.get(endpoint.provider)
        names = " or ".join(known.key_env) if known else ""
        return Rejection(endpoint, "not_live", f"no key for {endpoint.provider}" + (f": set {names}" if names else ""))
    if endpoint.wire_format not in speaks:
        return Rejection(endpoint, "wire_format", f"speaks {endpoint.wire_format.value}, which is not built yet")
    return None
