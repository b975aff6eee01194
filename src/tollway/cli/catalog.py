"""`tollway catalog list|diff|apply`: what can be bought, what a file would change, and changing it."""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollway.catalog.changes_told import per_million, told
from tollway.catalog.diff import Diff, compare, compare_provider
from tollway.catalog.listing import read_listing, rows_for
from tollway.catalog.shipped import Shipped, rows_of
from tollway.domain import catalog_changes as changed
from tollway.domain.catalog import Catalog, Endpoint, ProviderInfo
from tollway.domain.catalog_changes import Change
from tollway.domain.catalog_rows import OPERATOR
from tollway.domain.money import price_to_text
from tollway.storage.catalog import SHIPPED, apply_changes, current_rows, load_catalog
from tollway.storage.database import Database


class Write(Protocol):
    """Whoever writes changes; `storage.catalog.apply_changes` does it with a connection of its own."""

    async def __call__(
        self, database: Database, changes: Iterable[Change], now_ms: int, /, *, reason: str, origin: str
    ) -> int: ...


STYLES = {"+": "green", "~": "yellow", "-": "red"}
LINES_MAX = 200
"""Of a list or of a diff; the rest is counted, not shown."""


async def list_catalog(
    database: Database,
    console: Console,
    now_ms: int,
    *,
    text: str = "",
    provider: str = "",
    priced: bool | None = None,
    live: AbstractSet[str] | None = None,
    lines_max: int = LINES_MAX,
) -> int:
    """Prints endpoints whose model or upstream name contains `text`. `live`: only these providers' slugs. Returns 0."""
    catalog = await load_catalog(database, now_ms)
    found = [
        endpoint
        for model_id in sorted(catalog.endpoints)
        for endpoint in catalog.endpoints[model_id]
        if _wanted(endpoint, text.lower(), provider, priced, live)
    ]
    table = Table("model", "endpoint", "context", "$/M in", "$/M out", "source", box=None, header_style="bold")
    for endpoint in found[:lines_max]:
        table.add_row(*_line(endpoint))
    console.print(table)
    left = f", {len(found) - lines_max:,} more not shown" if len(found) > lines_max else ""
    console.print(f"{len(found):,} of {_size(catalog):,} endpoints{left}; catalog version {catalog.version}")
    return 0


async def diff_catalog(
    database: Database, console: Console, new: Shipped, now_ms: int, *, lines_max: int = LINES_MAX
) -> int:
    """Prints what `new` would change. Returns 0: nothing, 1: something."""
    found = compare(await current_rows(database, now_ms), rows_of(new))
    print_diff(console, found, lines_max)
    return 1 if found.changes else 0


async def apply_catalog(
    database: Database,
    console: Console,
    new: Shipped,
    now_ms: int,
    *,
    accept: bool = False,
    lines_max: int = LINES_MAX,
    write: Write = apply_changes,
) -> int:
    """Writes what `new` changes; beyond the bounds only with `accept`. Returns 0, or 2: refused.

    `write`: who writes, where `database` only reads (a server runs, and only it writes).
    """
    found = compare(await current_rows(database, now_ms), rows_of(new))
    print_diff(console, found, lines_max)
    if found.needs_accept and not accept:
        console.print(
            "[red]Nothing was changed.[/] Look at the doubts above; `--accept` applies the changes all the same."
        )
        return 2
    written = [change for change in found.changes if not isinstance(change, changed.PriceKept)]
    if not written:
        console.print("The catalog is up to date.")
        return 0
    sources = ", ".join(f"{name} ({day})" for name, day in new.sources.items())
    version = await write(database, written, now_ms, reason=f"catalog apply: {sources}", origin=SHIPPED)
    console.print(f"[green]{len(written):,} changes applied[/]; the catalog is at version {version}.")
    return 0


async def add_provider(
    database: Database,
    console: Console,
    provider: ProviderInfo,
    body: bytes,
    now_ms: int,
    as_of: str,
    *,
    free: bool = False,
    write: Write = apply_changes,
) -> int:
    """Takes in a server by the body of its `GET /models`: its models, endpoints and, where it names them, prices.

    `as_of`: today, `YYYY-MM-DD`; `free`: its block in the configuration declares free what has no price.
    Returns the catalog's new version. ValueError: the body is not a list of models.
    """
    listing = read_listing(body)
    current = await current_rows(database, now_ms)
    models, endpoints = rows_for(provider, listing, current.models, current.aliases, as_of)
    changes = compare_provider(current, provider, models, endpoints)
    version = await write(database, changes, now_ms, reason=f"provider {provider.slug}", origin=OPERATOR)
    known, priced = len(endpoints) - len(models), sum(endpoint.price is not None for endpoint in endpoints)
    console.print(
        f"[green]{provider.slug}[/]: {len(endpoints)} models, {known} of them in the catalog already, {priced} with a "
        f"price" + (f"; {listing.skipped} entries could not be read" if listing.skipped else "") + "."
    )
    if priced < len(endpoints) and free:
        console.print("What has no price is free from the next start of the server on.")
    elif priced < len(endpoints):
        console.print("An endpoint without a price is off: set one, or declare it free.")
    return version


def print_diff(console: Console, found: Diff, lines_max: int = LINES_MAX) -> None:
    """The changes in colour (green new, red gone, yellow different), then the doubts, then one line of sums."""
    for change in found.changes[:lines_max]:
        console.print(_describe(change))
    if len(found.changes) > lines_max:
        console.print(f"... and {len(found.changes) - lines_max:,} more changes")
    for doubt in found.doubts[:lines_max]:
        mark = "[yellow]?[/]" if doubt.acceptable else "[red]left as it was:[/]"
        console.print(f"{mark} ", Text(f"{doubt.about}: {doubt.reason}"), sep="")
    if len(found.doubts) > lines_max:
        console.print(f"... and {len(found.doubts) - lines_max:,} more doubts")
    console.print(_sums(found.changes) or "No changes.")


def _wanted(endpoint: Endpoint, text: str, provider: str, priced: bool | None, live: AbstractSet[str] | None) -> bool:
    return (
        (text in endpoint.model_id.lower() or text in endpoint.upstream_model.lower())
        and provider in ("", endpoint.provider)
        and (priced is None or priced == (endpoint.price is not None))
        and (live is None or endpoint.provider in live)
    )


def _line(endpoint: Endpoint) -> tuple[str | Text, ...]:
    price = endpoint.price
    context = f"{endpoint.context_tokens:,}"
    name = Text(endpoint.id, style="" if endpoint.enabled else "dim strike")
    if price is None:
        return endpoint.model_id, name, context, Text("unpriced", style="yellow"), "", ""
    if price.declared_free:
        return endpoint.model_id, name, context, Text("free", style="green"), "", price.source
    rates = (per_million(price_to_text(rate)) for rate in (price.rates.prompt, price.rates.completion))
    return endpoint.model_id, name, context, *rates, price.source


def _describe(change: Change) -> Text:
    sign, what, detail = told(change)
    if sign == "=":
        return Text(f"= {what}: {detail}", style="cyan")
    return Text(f"{sign} {what}{'  ' if detail else ''}{detail}", style=STYLES[sign])


def _sums(changes: Iterable[Change]) -> str:
    kinds = Counter(type(change).__name__ for change in changes)
    words = {
        "ProviderSet": "providers set",
        "ModelSet": "models set",
        "AliasSet": "aliases set",
        "EndpointSet": "endpoints set",
        "PriceSet": "prices set",
        "PriceKept": "prices kept",
        "ProviderGone": "providers gone",
        "ModelGone": "models gone",
        "AliasGone": "aliases gone",
        "EndpointGone": "endpoints gone",
    }
    return ", ".join(f"{kinds[kind]:,} {word}" for kind, word in words.items() if kinds[kind])


def _size(catalog: Catalog) -> int:
    return sum(len(found) for found in catalog.endpoints.values())
