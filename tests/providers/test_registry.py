"""The registry of providers speaks of what the catalog knows, and says where it knows better."""

import json
from typing import Any

import pytest

from tollway.catalog.shipped import shipped
from tollway.domain.catalog import ProviderInfo
from tollway.providers import PROVIDERS, Provider
from tollway.wire.gemini import client, server

CATALOG = {info.slug: info for info in shipped().providers}
ELSEWHERE = {
    "google-vertex": "its host depends on the location: there is none in the name of `global`",
    "google-vertex-anthropic": "as google-vertex",
    "lmstudio": "a server on one's own machine needs no key",
}
"""Slug -> why the value says something else than the catalog's sources."""

WANTED = """
openai anthropic google google-vertex google-vertex-anthropic amazon-bedrock azure azure-openai azure-anthropic groq
mistral deepseek cohere xai togetherai fireworks-ai deepinfra novita-ai cerebras sambanova nebius hyperbolic perplexity
huggingface openrouter cloudflare-workers-ai github-models nvidia moonshotai zai minimax alibaba ollama lmstudio vllm
llamacpp
"""


def test_every_provider_that_was_asked_for_is_a_value() -> None:
    """The list of the project's third issue."""
    assert [slug for slug in WANTED.split() if slug not in PROVIDERS] == []


@pytest.mark.parametrize("slug", sorted(PROVIDERS.keys() & CATALOG.keys() - ELSEWHERE.keys()))
def test_a_value_agrees_with_the_catalog(slug: str) -> None:
    """Address, format, name and variables drift apart in silence otherwise: a new catalog must be looked at."""
    assert _facts(PROVIDERS[slug]) == _facts(CATALOG[slug])


@pytest.mark.parametrize("slug", sorted(ELSEWHERE))
def test_what_differs_from_the_catalog_still_does(slug: str) -> None:
    """An exception that is none any more is taken out of the list."""
    assert _facts(PROVIDERS[slug]) != _facts(CATALOG[slug])


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.slug)
def test_a_value_is_whole(provider: Provider) -> None:
    """What the catalog does not have must be asked for; facts are sensible; an address takes a path."""
    assert provider.listed or provider.slug in CATALOG
    assert provider.base_url.startswith(("https://", "http://127.0.0.1:"))
    assert not provider.base_url.endswith("/")
    facts = provider.facts
    assert facts.retention_days is None or facts.retains
    for country in (facts.headquarters, *(facts.datacenters or ())):
        assert country is None or (len(country) == 2 and country.isupper())
    for url in (facts.privacy_url, facts.terms_url, facts.status_url):
        assert url is None or url.startswith("https://")


def _facts(of: Provider | ProviderInfo) -> tuple[object, ...]:
    speaks = of.speaks if isinstance(of, Provider) else of.wire_format
    return of.name, of.base_url, speaks, of.key_env


def test_the_gemini_api_and_vertex_differ() -> None:
    """One body of Google's own format, as each of the two takes it."""
    came = b'{"contents":[{"parts":[{"text":"Hi"}]}],"store":true,"labels":{"team":"a"}}'

    def sent(slug: str) -> Any:
        body = client.encode_request(
            server.decode_request(came),
            upstream_model="gemini-2.5-flash",
            max_tokens=None,
            stream=False,
            quirks=PROVIDERS[slug].quirks,
            same_format=True,
        )
        return json.loads(body)

    assert sent("google") == {"contents": [{"parts": [{"text": "Hi"}]}], "store": True}
    assert sent("google-vertex") == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "labels": {"team": "a"},
    }
