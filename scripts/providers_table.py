"""Writes the table of docs/providers.md: the shipped catalog, and which providers are recorded; `--check` compares."""

import sys
from collections import Counter
from pathlib import Path

from tollway.catalog.address import placeholders
from tollway.catalog.shipped import Shipped, shipped
from tollway.domain.catalog import ProviderInfo
from tollway.wire.formats import CLIENTS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "providers.md"
START, END = "<!-- providers:start -->", "<!-- providers:end -->"

RECORDED = (
    "cerebras",
    "crusoe",
    "deepseek",
    "google",
    "groq",
    "heroku",
    "huggingface",
    "mistral",
    "openai",
    "openrouter",
    "snowflake",
    "zai",
)
"""Providers of whose chat format tests/wire replays recorded exchanges. Not all of them are in the catalog."""


def main(arguments: list[str]) -> int:
    """Write the table, or with `--check` compare it. -> exit status."""
    found = PAGE.read_text(encoding="utf-8")
    wanted = with_table(found, table(shipped()))
    name = PAGE.relative_to(ROOT)
    if "--check" not in arguments:
        PAGE.write_text(wanted, encoding="utf-8")
        print(f"wrote the table of {name}")
        return 0
    if found == wanted:
        print(f"the table of {name} is what the catalog says")
        return 0
    print(f"the table of {name} is stale: run `python scripts/providers_table.py` and commit it with the change")
    return 1


def with_table(text: str, rows: str) -> str:
    """The page with another table between its marks. ValueError: the page has lost them."""
    before, _, rest = text.partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} needs the lines {START} and {END}")
    return f"{before}{START}\n{rows}\n{END}{after}"


def table(catalog: Shipped) -> str:
    """The sums, and a row for each provider of the catalog."""
    endpoints = Counter(endpoint.provider for endpoint in catalog.endpoints)
    priced = Counter(endpoint.provider for endpoint in catalog.endpoints if endpoint.price is not None)
    states = Counter(status(info).partition(" ")[0] for info in catalog.providers)
    sums = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    rows = [
        f"{len(catalog.providers)} providers: {sums}.",
        "",
        "| Slug | Name | Set | Endpoints | Priced | Status |",
        "|---|---|---|---|---|---|",
    ]
    for info in sorted(catalog.providers, key=lambda info: info.slug):
        counts = f"{endpoints[info.slug]} | {priced[info.slug]}"
        rows.append(f"| `{info.slug}` | {info.name} | {wants(info)} | {counts} | {status(info)} |")
    return "\n".join(rows)


def wants(info: ProviderInfo) -> str:
    """The variables that make it live: what its address needs, and one of those that may hold its key."""
    parts = [f"`{name}`" for name in placeholders(info.base_url)]
    parts.append(" or ".join(f"`{name}`" for name in info.key_env))
    return ", ".join(parts)


def status(info: ProviderInfo) -> str:
    """How sure we are that it works."""
    if info.wire_format not in CLIENTS:
        return f"unbuilt ({info.wire_format.value})"
    if not info.base_url:
        return "unaddressed"
    return "recorded" if info.slug in RECORDED else "unverified"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
