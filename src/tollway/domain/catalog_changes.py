"""What can happen to the catalog's rows, one Struct for each kind of change."""

from msgspec import Struct

from tollway.domain.catalog import Model, ProviderInfo
from tollway.domain.catalog_rows import EndpointRow, PriceRow


class ProviderSet(Struct, frozen=True, tag=True):
    """A provider is new (`before` is None) or differs."""

    before: ProviderInfo | None
    after: ProviderInfo


class ProviderGone(Struct, frozen=True, tag=True):
    before: ProviderInfo


class ModelSet(Struct, frozen=True, tag=True):
    """A model is new (`before` is None) or differs."""

    before: Model | None
    after: Model


class ModelGone(Struct, frozen=True, tag=True):
    before: Model


class AliasSet(Struct, frozen=True, tag=True):
    """A name that now means `after`."""

    alias: str
    before: str | None
    after: str


class AliasGone(Struct, frozen=True, tag=True):
    alias: str
    before: str


class EndpointSet(Struct, frozen=True, tag=True):
    """An endpoint is new (`before` is None) or differs in anything but its price."""

    before: EndpointRow | None
    after: EndpointRow


class EndpointGone(Struct, frozen=True, tag=True):
    before: EndpointRow


class PriceSet(Struct, frozen=True, tag=True):
    """A new price from now on; `after` None: the file has no price any more, so the endpoint goes off."""

    endpoint_id: str
    before: PriceRow | None
    after: PriceRow | None


class PriceKept(Struct, frozen=True, tag=True):
    """The operator's price stays, though the file offers another; nothing is written."""

    endpoint_id: str
    ours: PriceRow
    offered: PriceRow


Change = (
    ProviderSet
    | ProviderGone
    | ModelSet
    | ModelGone
    | AliasSet
    | AliasGone
    | EndpointSet
    | EndpointGone
    | PriceSet
    | PriceKept
)
