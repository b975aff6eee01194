"""Lists of models as servers really send them, read into rows."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.catalog.rows import ACME
from tollway.catalog.listing import CONTEXT_UNKNOWN_TOKENS, Listed, read_listing, rows_for
from tollway.domain.catalog import Model, WireFormat
from tollway.domain.rates import RatesText, TierText

OPENAI = {"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": 1715367049, "owned_by": "system"}]}
VLLM = {
    "object": "list",
    "data": [
        {
            "id": "meta-llama/Llama-3.3-70B-Instruct",
            "object": "model",
            "created": 1763690000,
            "owned_by": "vllm",
            "root": "meta-llama/Llama-3.3-70B-Instruct",
            "parent": None,
            "max_model_len": 32768,
            "permission": [{"id": "modelperm-1", "object": "model_permission"}],
        }
    ],
}
LLAMA_CPP = {
    "models": [{"name": "qwen3-8b-q4_k_m.gguf", "model": "qwen3-8b-q4_k_m.gguf", "capabilities": ["completion"]}],
    "object": "list",
    "data": [
        {
            "id": "qwen3-8b-q4_k_m.gguf",
            "object": "model",
            "created": 1763690000,
            "owned_by": "llamacpp",
            "meta": {
                "vocab_type": 2,
                "n_vocab": 151936,
                "n_ctx_train": 40960,
                "n_params": 8190735360,
                "size": 5021784064,
            },
        }
    ],
}
LM_STUDIO = {
    "object": "list",
    "data": [
        {
            "id": "qwen2.5-vl-7b-instruct",
            "object": "model",
            "type": "vlm",
            "publisher": "qwen",
            "arch": "qwen2_5_vl",
            "compatibility_type": "gguf",
            "quantization": "Q4_K_M",
            "state": "not-loaded",
            "max_context_length": 128000,
            "capabilities": ["tool_use"],
        },
        {"id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings", "max_context_length": 2048},
    ],
}
OLLAMA_TAGS = {
    "models": [
        {
            "name": "llama3.3:70b",
            "model": "llama3.3:70b",
            "modified_at": "2026-11-01T10:00:00.1+01:00",
            "size": 42520413916,
            "details": {"format": "gguf", "family": "llama", "parameter_size": "70.6B", "quantization_level": "Q4_K_M"},
        }
    ]
}
MISTRAL = {
    "object": "list",
    "data": [
        {
            "id": "mistral-large-2512",
            "max_context_length": 262144,
            "capabilities": {"completion_chat": True, "function_calling": True, "vision": True, "fine_tuning": False},
        }
    ],
}
GEMINI = {
    "models": [
        {
            "name": "models/gemini-2.5-flash",
            "displayName": "Gemini 2.5 Flash",
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
        }
    ]
}
PROVIDER_LIST: dict[str, Any] = {
    "data": [
        {
            "id": "acme/claude-sonnet",
            "hugging_face_id": "",
            "name": "Anthropic: Claude Sonnet 4",
            "created": 1690502400,
            "input_modalities": ["text", "image", "file"],
            "output_modalities": ["text"],
            "quantization": "fp8",
            "context_length": 1000000,
            "max_output_length": 128000,
            "pricing": {
                "prompt": "0.000008",
                "completion": "0.000024",
                "image": "0",
                "request": "0",
                "input_cache_read": "0.0000008",
            },
            "supported_sampling_parameters": ["temperature", "stop"],
            "supported_features": ["tools", "json_mode", "structured_outputs", "web_search", "reasoning"],
            "description": "Best model",
            "openrouter": {"slug": "anthropic/claude-sonnet-4"},
            "datacenters": [{"country_code": "US"}],
        }
    ]
}
OPENROUTER: dict[str, Any] = {
    "data": [
        {
            "id": "google/gemini-2.5-pro",
            "name": "Google: Gemini 2.5 Pro",
            "created": 1750169544,
            "context_length": 1048576,
            "architecture": {
                "input_modalities": ["text", "image"],
                "output_modalities": ["text"],
                "tokenizer": "Gemini",
            },
            "pricing": {
                "prompt": "0.00000125",
                "completion": "0.00001",
                "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.0000025", "completion": "0.000015"}],
            },
            "top_provider": {"context_length": 1048576, "max_completion_tokens": 65536, "is_moderated": False},
            "supported_parameters": ["tools", "temperature"],
        }
    ]
}


def only(body: object) -> Listed:
    """The one model of a list."""
    listing = read_listing(json.dumps(body).encode())
    assert listing.skipped == 0
    (found,) = listing.models
    return found


def test_openai() -> None:
    """OpenAI's own list says little: a name and a time."""
    assert only(OPENAI) == Listed("gpt-4o", created_s=1715367049)


def test_local_servers() -> None:
    """vLLM, llama.cpp, LM Studio and Ollama: context, quantization and abilities where they say them."""
    assert only(VLLM).context_tokens == 32768
    assert only(LLAMA_CPP).context_tokens == 40960
    vision, embedding = read_listing(json.dumps(LM_STUDIO).encode()).models
    assert (vision.context_tokens, vision.quantization, vision.input_modalities) == (
        128000,
        "q4_k_m",
        ("text", "image"),
    )
    assert {"tools", "tool_choice"} <= set(vision.parameters)
    assert embedding.output_modalities == ("embeddings",)
    tags = only(OLLAMA_TAGS)
    assert (tags.upstream_model, tags.quantization) == ("llama3.3:70b", "q4_k_m")


def test_mistral_and_gemini() -> None:
    """Capabilities as an object of flags; names with a shelf in front."""
    mistral = only(MISTRAL)
    assert mistral.context_tokens == 262144
    assert {"tools", "tool_choice"} <= set(mistral.parameters)
    assert mistral.input_modalities == ("text", "image")
    gemini = only(GEMINI)
    assert (gemini.upstream_model, gemini.name) == ("gemini-2.5-flash", "Gemini 2.5 Flash")
    assert (gemini.context_tokens, gemini.output_tokens_max) == (1048576, 65536)


def test_openrouters_provider_list() -> None:
    """The list that OpenRouter asks of its providers is taken in whole, prices included; zeros are not prices."""
    found = only(PROVIDER_LIST)
    assert found.model == "anthropic/claude-sonnet-4"
    assert found.rates == RatesText("0.000008", "0.000024", cache_read="0.0000008")
    assert (found.context_tokens, found.output_tokens_max, found.quantization) == (1000000, 128000, "fp8")
    assert found.input_modalities == ("text", "image", "file")
    assert {"tools", "structured_outputs", "reasoning", "temperature", "stop"} <= set(found.parameters)
    assert "top_p" not in found.parameters


def test_openrouters_models() -> None:
    """OpenRouter's own list (and ours): tiers from `overrides`, limits from `top_provider`."""
    found = only(OPENROUTER)
    assert found.rates == RatesText("0.00000125", "0.00001")
    assert found.tiers == (TierText(200000, RatesText("0.0000025", "0.000015")),)
    assert (found.output_tokens_max, found.parameters) == (65536, ("tools", "temperature"))


@pytest.mark.parametrize(
    ("pricing", "expected"),
    [
        ({"prompt": "0", "completion": "0"}, None),
        ({"prompt": "-1", "completion": "-1"}, None),
        ({"prompt": "0.000001"}, None),
        ({"prompt": "0.000001", "completion": "much"}, None),
        ({"prompt": "0.000001", "completion": None}, None),
        ({"prompt": "0.000001", "completion": "1e999999999"}, None),
        ({"input": 0.9, "output": 0.9, "hourly": 0}, None),
        ("free", None),
        ({"prompt": 8e-7, "completion": 0.0000024}, RatesText("0.0000008", "0.0000024")),
        ({"prompt": "0.000001", "completion": "0"}, None),
        ({"prompt": "0", "completion": "0.000001"}, None),
        ({"prompt": "0.000001", "completion": "0.000002", "overrides": 7}, RatesText("0.000001", "0.000002")),
    ],
)
def test_prices_are_taken_whole_or_not_at_all(pricing: object, expected: RatesText | None) -> None:
    """One odd number and the model is unpriced; JSON numbers are read without a float."""
    assert only({"data": [{"id": "m", "pricing": pricing}]}).rates == expected


def test_embeddings_have_a_price_of_input_alone() -> None:
    """What makes no text needs no price for it."""
    found = only({"data": [{"id": "text-embed-1", "pricing": {"prompt": "0.00000002", "completion": "0"}}]})
    assert found.rates == RatesText("0.00000002", "0")


def test_known_models_are_joined() -> None:
    """A listed name joins the catalog's model in any spelling, and takes from it what the server does not say."""
    known = Model("meta-llama/llama-3.3-70b-instruct", "Llama", "meta-llama", context_tokens=131072)
    new, endpoints = rows_for(ACME, read_listing(json.dumps(OLLAMA_TAGS).encode()), {known.id: known}, {}, "2026-11-21")
    assert new == ()
    assert [(row.id, row.model_id, row.context_tokens) for row in endpoints] == [
        ("acme:llama3.3:70b", known.id, 131072),
    ]
    assert endpoints[0].price is None


def test_new_models_get_an_id_of_their_own() -> None:
    """Unknown models are named after the author in their name, else after the server; twins stay two endpoints."""
    body = {
        "data": [{"id": "my-finetune"}, {"id": "Acme Labs/Big_One"}, {"id": "my-finetune"}, {"id": "my-finetune-fp8"}]
    }
    new, endpoints = rows_for(ACME, read_listing(json.dumps(body).encode()), {}, {}, "2026-11-21")
    assert [model.id for model in new] == ["acme/my-finetune", "acme-labs/big-one"]
    assert [row.model_id for row in endpoints] == ["acme/my-finetune", "acme-labs/big-one", "acme/my-finetune"]
    assert [row.quantization for row in endpoints] == [None, None, "fp8"]
    assert endpoints[0].context_tokens == CONTEXT_UNKNOWN_TOKENS
    assert endpoints[0].parameters
    assert {row.output_modalities for row in endpoints} == {()}, "what they make is not known"


def test_a_priced_list_gives_priced_rows() -> None:
    """Price, source and day come along."""
    _, endpoints = rows_for(ACME, read_listing(json.dumps(PROVIDER_LIST).encode()), {}, {}, "2026-11-21")
    (row,) = endpoints
    assert row.model_id == "anthropic/claude-sonnet-4"
    assert row.price is not None
    assert (row.price.source, row.price.as_of) == ("list of acme", "2026-11-21")


def test_entries_that_cannot_be_read_are_counted() -> None:
    """Nameless, over-long or unprintable entries are left out, the others read."""
    body = {"data": [{"id": ""}, {"id": "x" * 300}, {"id": "a\x07b"}, 7, None, {"id": "good"}]}
    listing = read_listing(json.dumps(body).encode())
    assert ([model.upstream_model for model in listing.models], listing.skipped) == (["good"], 5)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error": "no"}', b'{"data": {}}', b'"list"', b"{"])
def test_other_answers_are_errors(body: bytes) -> None:
    """An error page is not a list without models."""
    with pytest.raises(ValueError, match="list of models"):
        read_listing(body)


def test_too_long_a_list_is_refused() -> None:
    """A list is bounded before it is read."""
    with pytest.raises(ValueError, match="at most"):
        read_listing(json.dumps([{"id": "x"}] * 10_001).encode())


KEYS = st.sampled_from(
    [
        "id",
        "name",
        "model",
        "pricing",
        "prompt",
        "completion",
        "overrides",
        "min_prompt_tokens",
        "context_length",
        "meta",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=4))
def test_any_list_gives_sound_rows(entries: list[dict[str, object]]) -> None:
    """Whatever the entries hold: rows with a name, a positive context, and no price of zero."""
    new, endpoints = rows_for(ACME, read_listing(json.dumps({"data": entries}).encode()), {}, {}, "2026-11-21")
    ids = {model.id for model in new}
    for row in endpoints:
        assert row.upstream_model
        assert row.context_tokens > 0
        assert row.model_id in ids
        assert row.price is None or not row.price.rates.is_zero


@given(st.binary(max_size=60))
def test_any_bytes_are_a_list_or_an_error(body: bytes) -> None:
    """No body makes anything but a ValueError."""
    with suppress(ValueError):
        read_listing(body)


ANTHROPIC = {
    "data": [
        {
            "type": "model",
            "id": "claude-opus-4-6",
            "display_name": "Claude Opus 4.6",
            "created_at": "2026-02-04T00:00:00Z",
            "max_input_tokens": 200000,
            "max_tokens": 128000,
            "lifecycle": "active",
            "capabilities": {
                "batch": {"supported": True},
                "image_input": {"supported": True},
                "pdf_input": {"supported": True},
                "structured_outputs": {"supported": True},
                "thinking": {"supported": True, "types": {"adaptive": {"supported": True}}},
                "code_execution": {"supported": False},
            },
        },
        {"type": "model", "id": "own-small", "display_name": "Small", "created_at": "1970-01-01T00:00:00Z"},
    ],
    "has_more": False,
    "first_id": "claude-opus-4-6",
    "last_id": "own-small",
}


def test_anthropics_list() -> None:
    """The fields of the official SDK's ModelInfo; a server that says less takes what every Messages server takes."""
    provider = replace(ACME, wire_format=WireFormat.ANTHROPIC_MESSAGES)
    listing = read_listing(json.dumps(ANTHROPIC).encode())
    _, (opus, small) = rows_for(provider, listing, {}, {}, "2026-11-01")
    assert (opus.upstream_model, opus.wire_format) == ("claude-opus-4-6", WireFormat.ANTHROPIC_MESSAGES)
    assert (opus.context_tokens, opus.output_tokens_max) == (200_000, 128_000)
    assert opus.input_modalities == ("text", "image", "file")
    assert {"reasoning", "structured_outputs", "tools", "top_k"} <= set(opus.parameters)
    assert small.parameters == ("max_tokens", "stop", "temperature", "tool_choice", "tools", "top_k", "top_p")
    assert small.input_modalities == ("text",)
