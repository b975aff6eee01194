"""What is on offer at this moment: for each model its live endpoints, cheapest first, and why the others are off."""

from collections.abc import Mapping

from msgspec import Struct

from tollway.domain.catalog import Catalog, Endpoint, Model, WireFormat
from tollway.domain.money import Attodollars
from tollway.domain.routing import Rejection
from tollway.providers.base import Provider


class Offer(Struct, frozen=True):
    """One model's endpoints, split once for each catalog, not for each request."""

    model: Model
    live: tuple[Endpoint, ...]
    off: tuple[Rejection, ...]


class Market(Struct, frozen=True):
    """An immutable snapshot of catalog x live providers."""

    catalog: Catalog
    providers: Mapping[str, Provider]
    """Only providers that can be called: reachable by a known wire format, with a credential."""
    offers: dict[str, Offer]

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
        live: list[Endpoint] = []
        off: list[Rejection] = []
        for endpoint in catalog.endpoints.get(model.id, ()):
            rejection = _why_off(endpoint, providers, catalog, speaks)
            if rejection is None:
                live.append(endpoint)
            else:
                off.append(rejection)
        live.sort(key=blended_price)
        offers[model.id] = Offer(model, tuple(live), tuple(off))
    return Market(catalog, providers, offers)


def blended_price(endpoint: Endpoint) -> Attodollars:
    """One figure to sort and weigh by: three prompt tokens to one of output, and a thousandth of the request's price."""
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
