"""Changes of the catalog in words: a sign, what changes, and how."""

from decimal import Decimal

from tollway.domain import catalog_changes as changed
from tollway.domain.catalog_changes import Change
from tollway.domain.catalog_rows import PriceRow
from tollway.domain.rates import RatesText

Told = tuple[str, str, str]
"""`+` new, `~` different, `-` gone, `=` stays though the file offers another; what; how."""


def told(change: Change) -> Told:
    """One change, for one line."""
    match change:
        case changed.ProviderSet(before=before, after=provider):
            return _sign(before), f"provider {provider.slug}", provider.base_url or "no known address"
        case changed.ModelSet(before=before, after=model):
            return _sign(before), f"model {model.id}", model.name
        case changed.AliasSet(alias=alias, before=before, after=target):
            return _sign(before), f"alias {alias}", f"-> {target}"
        case changed.EndpointSet(before=before, after=endpoint):
            return _sign(before), f"endpoint {endpoint.id}", f"-> {endpoint.model_id}"
        case changed.PriceSet(endpoint_id=endpoint_id, before=before, after=after):
            return _sign(before), f"price {endpoint_id}", f"{price_told(before)} -> {price_told(after)}"
        case changed.PriceKept(endpoint_id=endpoint_id, ours=ours, offered=offered):
            return "=", f"price {endpoint_id} stays yours", f"{price_told(ours)}, offered {price_told(offered)}"
        case changed.AliasGone(alias=alias):
            return "-", f"alias {alias}", ""
        case changed.ProviderGone(before=provider):
            return "-", f"provider {provider.slug}", ""
        case changed.ModelGone(before=model):
            return "-", f"model {model.id}", ""
        case changed.EndpointGone(before=endpoint):
            return "-", f"endpoint {endpoint.id}", ""


def price_told(price: PriceRow | None) -> str:
    """USD per million tokens, in and out."""
    return "unpriced" if price is None else rates_told(price.rates)


def rates_told(rates: RatesText) -> str:
    """The same of its rates."""
    return f"${per_million(rates.prompt)} in, ${per_million(rates.completion)} out"


def per_million(text: str) -> str:
    """USD per token -> USD per million tokens, as people compare prices."""
    return f"{(Decimal(text) * 1_000_000).normalize():f}"


def _sign(before: object) -> str:
    return "+" if before is None else "~"
