"""Writes the table of docs/providers.md: the shipped catalog and the registry of providers; `--check` compares."""

import sys
from collections import Counter
from pathlib import Path

from tollway.catalog.address import placeholders
from tollway.catalog.shipped import Shipped, shipped
from tollway.providers import PROVIDERS, Provider, provider_for
from tollway.providers.base import Facts
from tollway.wire.formats import CLIENTS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "providers.md"
START, END = "<!-- providers:start -->", "<!-- providers:end -->"

RECORDED = (
    "amazon-bedrock",
    "anthropic",
    "azure",
    "bedrock-mantle",
    "cerebras",
    "cohere",
    "crusoe",
    "deepseek",
    "google",
    "google-vertex",
    "groq",
    "heroku",
    "huggingface",
    "mistral",
    "openai",
    "openrouter",
    "snowflake",
    "zai",
)
"""Providers of which tests/wire replays recorded exchanges, in any format that is built. Not all are in the catalog."""


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
    known = {**{info.slug: provider_for(info) for info in catalog.providers}, **PROVIDERS}
    states = Counter(status(provider).partition(" ")[0] for provider in known.values())
    sums = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    rows = [
        f"{len(known)} providers: {sums}.",
        "",
        "| Slug | Name | Set | Endpoints | Priced | Trains | Keeps | Cancels | Status |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for slug, provider in sorted(known.items()):
        sold = f"{endpoints[slug]} | {priced[slug]}" if slug in endpoints else "listed | "
        rows.append(
            f"| `{slug}` | {provider.name} | {wants(provider)} | {sold} | {policy(provider.facts)} | "
            f"{'' if provider.quirks.cancels else 'no'} | {status(provider)} |"
        )
    return "\n".join(rows)


def wants(provider: Provider) -> str:
    """The variables that make it live: what its address needs, and one of those that may hold its key."""
    parts = [f"`{name}`" for name in placeholders(provider.base_url) if name not in provider.inferred]
    parts.append(" or ".join(f"`{name}`" for name in provider.key_env) or "no key")
    return ", ".join(parts)


def policy(facts: Facts) -> str:
    """Two cells: whether it trains on prompts, and for how long it keeps them; empty where that is not known."""
    trains = {None: "", True: "may", False: "no"}[facts.trains]
    days = f"{facts.retention_days} days" if facts.retention_days else "yes"
    return f"{trains} | " + {None: "", True: days, False: "no"}[facts.retains]


def status(provider: Provider) -> str:
    """How sure we are that it works."""
    if provider.speaks not in CLIENTS:
        return f"unbuilt ({provider.speaks.value})"
    if not provider.base_url:
        return "unaddressed"
    return "recorded" if provider.slug in RECORDED else "unverified"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
