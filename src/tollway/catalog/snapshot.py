"""The snapshot of a file, and the part of a snapshot that can be bought now."""

from collections.abc import Set as AbstractSet

import msgspec

from tollway.catalog.shipped import Shipped
from tollway.domain.catalog import Catalog, Endpoint
from tollway.domain.catalog_rows import Builder, assemble


def only_live(catalog: Catalog, live: AbstractSet[str]) -> Catalog:
    """What can be bought now: the endpoints of providers that have an address and a key, and their models.

    Endpoints that are off or unpriced stay, so that a plan can say why it left them out.
    """
    endpoints: dict[str, tuple[Endpoint, ...]] = {}
    for model, found in catalog.endpoints.items():
        if kept := tuple(endpoint for endpoint in found if endpoint.provider in live):
            endpoints[model] = kept
    return Catalog(
        models={id_: model for id_, model in catalog.models.items() if id_ in endpoints},
        endpoints=endpoints,
        providers=catalog.providers,
        aliases={name: id_ for name, id_ in catalog.aliases.items() if id_ in endpoints},
        version=catalog.version,
    )


def snapshot(shipped: Shipped, version: int = 0) -> Catalog:
    """A catalog file alone -> the snapshot; price ids count from 1 in the order of the rows."""
    builder = Builder()
    encode = msgspec.json.Encoder().encode
    endpoints = []
    for number, row in enumerate(shipped.endpoints, 1):
        price = None
        if row.price is not None:
            rates, tiers = encode(row.price.rates).decode(), encode(row.price.tiers).decode()
            price = builder.price(number, rates, tiers, declared_free=False, effective_ms=0, source=row.price.source)
        endpoints.append(builder.endpoint(row, price))
    return assemble(
        {provider.slug: provider for provider in shipped.providers},
        {model.id: model for model in shipped.models},
        shipped.aliases,
        endpoints,
        version,
    )
