"""Small made-up rows for the catalog's tests."""

from tollway.domain.catalog import Model, ProviderInfo, WireFormat
from tollway.domain.catalog_rows import EndpointRow, PriceRow, Rows
from tollway.domain.rates import RatesText

ACME = ProviderInfo("acme", "Acme", "https://api.acme.test/v1", WireFormat.OPENAI_CHAT, ("ACME_API_KEY",))
MODEL = Model("maker/one", "One", "maker", context_tokens=8000)


def price(prompt: str = "0.000001", completion: str = "0.000002", *, source: str = "file") -> PriceRow:
    """A price row of one source."""
    return PriceRow(RatesText(prompt, completion), source=source, as_of="2026-11-20")


def endpoint(name: str = "one", cost: PriceRow | None = None, *, context: int = 8000) -> EndpointRow:
    """An endpoint of Acme for `maker/one`."""
    return EndpointRow("acme", name, "maker/one", WireFormat.OPENAI_CHAT, context, price=cost)


def rows(*endpoints: EndpointRow, own: frozenset[str] = frozenset()) -> Rows:
    """Acme, one model, and these endpoints."""
    return Rows(
        providers={"acme": ACME},
        models={"maker/one": MODEL},
        aliases={"one": "maker/one"},
        endpoints={row.id: row for row in endpoints},
        own=own,
    )
