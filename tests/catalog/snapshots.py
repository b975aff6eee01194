"""A catalog file alone -> a snapshot: the independent way that the tables' one is compared with."""

import msgspec

from tollway.catalog.shipped import Shipped
from tollway.domain.catalog import Catalog
from tollway.domain.catalog_rows import Builder, assemble


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
