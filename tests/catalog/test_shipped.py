"""The data file that comes in the package: sound, joined as it should be, and never below cost by a slip."""

import gzip
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.catalog.snapshots import snapshot
from tollway.catalog.names import read_name
from tollway.catalog.shipped import Shipped, decode_shipped, encode_shipped, rows_of, shipped
from tollway.domain.catalog import Operation, WireFormat
from tollway.domain.rates import rates_from_text, tiers_from_text

ROOT = Path(__file__).resolve().parents[2]

TOGETHER = [
    ("anthropic/claude-sonnet-4.5", "anthropic:claude-sonnet-4-5"),
    ("anthropic/claude-sonnet-4.5", "amazon-bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("anthropic/claude-sonnet-4.5", "google-vertex-anthropic:claude-sonnet-4-5@20250929"),
    ("anthropic/claude-sonnet-4.5", "openrouter:anthropic/claude-sonnet-4.5"),
    ("openai/gpt-4o", "openai:gpt-4o"),
    ("openai/gpt-4o", "azure:gpt-4o"),
    ("meta-llama/llama-3.3-70b-instruct", "groq:llama-3.3-70b-versatile"),
    ("meta-llama/llama-3.3-70b-instruct", "amazon-bedrock:meta.llama3-3-70b-instruct-v1:0"),
    ("meta-llama/llama-3.3-70b-instruct", "togetherai:meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ("google/gemini-2.5-flash", "google:gemini-2.5-flash"),
    ("google/gemini-2.5-flash", "google-vertex:gemini-2.5-flash"),
    ("moonshotai/kimi-k2.5", "fireworks-ai:accounts/fireworks/models/kimi-k2p5"),
    ("z-ai/glm-4.7", "zai:glm-4.7"),
    ("qwen/qwen3-235b-a22b-2507", "cerebras:qwen-3-235b-a22b-instruct-2507"),
    ("deepseek/deepseek-chat-v3.1", "ollama-cloud:deepseek-v3.1:671b"),
    ("x-ai/grok-4.3", "xai:grok-4.3"),
    ("mistralai/mistral-large-2512", "mistral:mistral-large-2512"),
]

APART = [
    ("openai:gpt-4o", "openai:gpt-4o-2024-05-13"),
    ("openai:gpt-4o", "openai:gpt-4o-mini"),
    ("anthropic:claude-3-5-sonnet-20240620", "anthropic:claude-3-5-sonnet-20241022"),
    ("openrouter:deepseek/deepseek-r1", "openrouter:deepseek/deepseek-r1-0528"),
    ("deepseek:deepseek-chat", "openrouter:deepseek/deepseek-chat"),
    ("openrouter:openai/gpt-oss-120b", "openrouter:openai/gpt-oss-120b:free"),
    ("moonshotai:kimi-k2-0711-preview", "moonshotai:kimi-k2-0905-preview"),
    ("openrouter:openai/gpt-3.5-turbo", "openrouter:openai/gpt-3.5-turbo-instruct"),
    ("google:gemini-2.5-flash", "google:gemini-2.5-flash-lite"),
]

KINDS = frozenset(
    (
        *("mini", "nano", "micro", "lite", "flash", "pro", "max", "plus", "thinking", "reasoning", "coder", "codex"),
        *("small", "medium", "large", "air", "fast", "distill", "exp", "speciale", "terminus", "haiku", "sonnet"),
        *("opus", "image", "audio", "safeguard", "guard", "embedding", "high", "low", "ultra", "omni", "search"),
    )
)


@pytest.fixture(scope="module")
def file() -> Shipped:
    return shipped()


def test_rows_refer_to_each_other(file: Shipped) -> None:
    """Every endpoint has its model and its provider, every alias its model, and no id comes twice."""
    rows = rows_of(file)
    assert len(rows.endpoints) == len(file.endpoints) > 4_000
    assert len(rows.models) == len(file.models) > 1_000
    assert {row.model_id for row in file.endpoints} == set(rows.models)
    assert {row.provider for row in file.endpoints} <= set(rows.providers)
    assert set(file.aliases.values()) <= set(rows.models)
    assert not set(file.aliases) & set(rows.models)
    assert list(rows.endpoints) == sorted(rows.endpoints)


def test_ids_look_like_openrouters(file: Shipped) -> None:
    """`author/slug`, in lower case, with the author that the row names."""
    for model in file.models:
        assert re.fullmatch(r"[a-z0-9.-]+/[a-z0-9][a-z0-9._+-]*(:[a-z0-9:.-]+)?", model.id), model.id
        assert model.author == model.id.split("/", 1)[0]


def test_prices_are_exact_and_never_zero(file: Shipped) -> None:
    """Every price parses to whole attodollars; nothing is free; what makes tokens has a price for them."""
    for row in file.endpoints:
        if row.price is None:
            continue
        rates = rates_from_text(row.price.rates)
        assert rates.prompt > 0, row.id
        assert rates.completion > 0 or "text" not in row.output_modalities, row.id
        for tier in tiers_from_text(row.price.tiers):
            assert tier.prompt_tokens_over > 0
            assert tier.rates.prompt > 0
        assert (row.price.other is not None) == (row.price.agreement == "disagree"), row.id
        assert row.price.source
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.price.as_of), row.id


@pytest.mark.parametrize(("model", "endpoint"), TOGETHER)
def test_known_rows_join(file: Shipped, model: str, endpoint: str) -> None:
    """Offers of one model at several providers are one model."""
    assert rows_of(file).endpoints[endpoint].model_id == model


@pytest.mark.parametrize(("one", "other"), APART)
def test_known_rows_stay_apart(file: Shipped, one: str, other: str) -> None:
    """Two models never become one."""
    endpoints = rows_of(file).endpoints
    assert endpoints[one].model_id != endpoints[other].model_id


def test_no_model_joins_two_sizes_or_kinds(file: Shipped) -> None:
    """Within a model, names differ in kind (mini, thinking ...) or in variant nowhere, and no two name two sizes."""
    kinds: dict[str, set[tuple[frozenset[str], str]]] = defaultdict(set)
    sizes: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in file.endpoints:
        name = read_name(row.upstream_model)
        kinds[row.model_id].add((KINDS.intersection(name.words), name.variant))
        size = tuple(word for word in name.words if re.fullmatch(r"\d+(x\d+)?b", word))
        sizes[row.model_id].update([size] if size else [])
    assert [model for model, found in kinds.items() if len(found) > 1] == []
    assert [model for model, found in sizes.items() if len(found) > 1] == []


def test_providers_speak_what_they_speak(file: Shipped) -> None:
    """Wire formats and addresses of the best known, and addresses to which a path can be appended."""
    providers = rows_of(file).providers
    expected = {
        "openai": ("https://api.openai.com/v1", WireFormat.OPENAI_CHAT),
        "anthropic": ("https://api.anthropic.com/v1", WireFormat.ANTHROPIC_MESSAGES),
        "google": ("https://generativelanguage.googleapis.com/v1beta", WireFormat.GEMINI),
        "groq": ("https://api.groq.com/openai/v1", WireFormat.OPENAI_CHAT),
        "cohere": ("https://api.cohere.com/v2", WireFormat.COHERE_CHAT),
        "deepseek": ("https://api.deepseek.com", WireFormat.OPENAI_CHAT),
    }
    for slug, (url, wire) in expected.items():
        assert (providers[slug].base_url, providers[slug].wire_format) == (url, wire)
    assert providers["amazon-bedrock"].wire_format is WireFormat.BEDROCK_CONVERSE
    assert providers["azure"].key_env == ("AZURE_API_KEY",)
    for provider in file.providers:
        assert not provider.base_url.endswith(("/", "/chat/completions")), provider.slug
    assert rows_of(file).endpoints["openai:gpt-5-codex"].wire_format is WireFormat.OPENAI_RESPONSES


def test_abilities_follow_the_facts(file: Shipped) -> None:
    """`supported_parameters`: tools and sampling where the model has them, not where it refuses them."""
    endpoints = rows_of(file).endpoints
    assert {"tools", "tool_choice", "temperature", "structured_outputs"} <= set(endpoints["openai:gpt-4o"].parameters)
    o3 = set(endpoints["openai:o3"].parameters)
    assert {"reasoning", "include_reasoning", "max_tokens"} <= o3
    assert not {"temperature", "top_p"} & o3
    pro = endpoints["google:gemini-2.5-pro"]
    assert pro.price is not None
    assert [tier.prompt_tokens_over for tier in pro.price.tiers] == [200_000]


def test_snapshot_is_sorted_and_priced(file: Shipped) -> None:
    """Cheapest first, unpriced last; a model answers to its other names."""
    catalog = snapshot(file)
    for endpoints in catalog.endpoints.values():
        prices = [
            (e.price is None, 3 * e.price.rates.prompt + e.price.rates.completion if e.price else 0) for e in endpoints
        ]
        assert prices == sorted(prices)
    resolved = catalog.resolve("gpt-4o")
    assert resolved is not None
    assert resolved.id == "openai/gpt-4o"


def test_file_is_made_the_same_way_twice(file: Shipped) -> None:
    """Encoding what was decoded gives the same content, and a gzip header without a time."""
    data = (ROOT / "src" / "tollway" / "catalog" / "data" / "catalog.json.gz").read_bytes()
    again = encode_shipped(file)
    assert gzip.decompress(again) == gzip.decompress(data)
    assert data[4:8] == again[4:8] == b"\0\0\0\0"
    assert len(data) < 400_000


@pytest.mark.parametrize("data", [b"", b"{}", b"\x1f\x8bnot gzip", b'{"format": 1}', b"[]"])
def test_other_files_are_refused(data: bytes) -> None:
    """What is not a catalog file is an error that says so."""
    with pytest.raises(ValueError, match="catalog file"):
        decode_shipped(data)


def test_newer_format_is_refused(file: Shipped) -> None:
    """A format that we do not know is not guessed at."""
    data = gzip.decompress(encode_shipped(file)).replace(b'"format":1', b'"format":2', 1)
    with pytest.raises(ValueError, match="format 2"):
        decode_shipped(data)


def test_page_tells_the_figures_of_the_file(file: Shipped) -> None:
    """docs/catalog.md was written by the build that wrote the file."""
    page = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    unpriced = sum(row.price is None for row in file.endpoints)
    for line in (f"| endpoints | {len(file.endpoints)} |", f"| models | {len(file.models)} |", f"(off) | {unpriced} |"):
        assert line in page


def test_what_makes_embeddings_is_not_offered_for_chat(file: Shipped) -> None:
    """By the names that such models bear; chat with one would fail at the provider."""
    named = [model for model in file.models if "embed" in model.id]
    assert "google/gemini-embedding-001" in {model.id for model in named}
    assert {model.operation for model in named} == {Operation.EMBEDDINGS}
