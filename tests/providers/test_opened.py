"""What a credential's text opens: Azure's deployments, Vertex's places and API keys, Bedrock's region."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.accounts import SERVICE_ACCOUNT, USER
from tollway.catalog.address import fill
from tollway.domain.catalog import Endpoint, WireFormat
from tollway.providers import PROVIDERS
from tollway.providers.base import Deployment, Opened
from tollway.wire.formats import CLIENTS

ENDPOINT = Endpoint("p:m", "a/m", "p", "m", WireFormat.OPENAI_CHAT, 8000, None, None)
ENTRY = {  # the seed's example (003, "Azure API Keys")
    "model_slug": "openai/gpt-4o",
    "endpoint_url": "https://example-project.openai.azure.com/openai/deployments/gpt-4o/chat/completions"
    "?api-version=2024-08-01-preview",
    "api_key": "your-azure-api-key",
    "model_id": "gpt-4o",
}
CLAUDE = ENTRY | {
    "model_slug": "anthropic/claude-sonnet-4.5",
    "endpoint_url": "https://r.services.ai.azure.com/anthropic/v1/messages",
    "model_id": "my-claude",
}


def opened(slug: str, text: str, variables: Mapping[str, str] | None = None) -> Opened:
    provider = PROVIDERS[slug]
    return provider.open(provider, text, variables or {})


def url(found: Opened, variables: Mapping[str, str], *, stream: bool = False) -> str | None:
    """Where a call for the model `m` would go; None: a part of the address is missing."""
    provider = found.provider
    path = CLIENTS[provider.speaks].path
    return fill(provider.url_of(ENDPOINT, path, stream=stream), {**variables, **found.variables})


@pytest.mark.parametrize(
    ("slug", "variables", "expected"),
    [
        ("azure", {}, "https://r.openai.azure.com/openai/v1/chat/completions"),
        (
            "azure",
            {"AZURE_API_VERSION": "2024-10-21"},
            "https://r.openai.azure.com/openai/deployments/m/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure",
            {"AZURE_API_VERSION": "preview"},
            "https://r.openai.azure.com/openai/v1/chat/completions?api-version=preview",
        ),
        (
            "azure-openai",
            {},
            "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
        ("azure-anthropic", {}, "https://r.services.ai.azure.com/anthropic/v1/messages"),
        (
            "azure-anthropic",
            {"AZURE_API_VERSION": "2024-10-21"},
            "https://r.services.ai.azure.com/anthropic/v1/messages",
        ),
    ],
)
def test_azures_addresses(slug: str, variables: dict[str, str], expected: str) -> None:
    """A plain key leaves the address to the resource, and to the version of the API (Microsoft Learn)."""
    found = opened(slug, "key", variables)
    assert (found.credential, found.deployments) == ("key", None)
    assert url(found, {"AZURE_RESOURCE_NAME": "r"} | variables) == expected
    assert url(found, variables) is None


@pytest.mark.parametrize("given_as", [ENTRY, [ENTRY], [ENTRY, CLAUDE]], ids=["one", "a list", "of two formats"])
def test_azures_json(given_as: Any) -> None:
    """OpenRouter's form, one object or a list; each entry has its own address, name and key."""
    found = opened("azure", json.dumps(given_as))
    assert found.deployments is not None
    [(model, deployment, key)] = found.deployments
    assert (model, deployment.name, key) == ("openai/gpt-4o", "gpt-4o", "your-azure-api-key")
    assert deployment.url == ENTRY["endpoint_url"]
    assert (found.credential, found.provider.base_url) == ("", "https://example-project.openai.azure.com")


def test_azures_json_by_format() -> None:
    """Foundry's Claude goes to the provider that speaks Messages; an address that ends early is completed."""
    both = json.dumps([ENTRY, CLAUDE])
    assert opened("azure-anthropic", both).deployments == (
        ("anthropic/claude-sonnet-4.5", Deployment("my-claude", CLAUDE["endpoint_url"]), "your-azure-api-key"),
    )
    early = ENTRY | {"endpoint_url": "https://r.services.ai.azure.com/deployments/d?api-version=1"}
    [(_, deployment, _)] = opened("azure", json.dumps(early)).deployments or ()
    assert deployment.url == "https://r.services.ai.azure.com/deployments/d/chat/completions?api-version=1"


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/openai/deployments/x/chat/completions",
        "http://r.openai.azure.com/chat/completions",
        "https://openai.azure.com.evil.example/chat/completions",
        "https://evil.example/.openai.azure.com",
        "https://r.openai.azure.com@evil.example/chat/completions",
        "https://[bad/chat/completions",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_key_of_azure_goes_nowhere_else(where: str) -> None:
    """FAULTS.md, SSRF: the hosts are listed; what only looks like one is refused."""
    with pytest.raises(ValueError, match=r"endpoint_url|Invalid IPv6"):
        opened("azure", json.dumps(ENTRY | {"endpoint_url": where}))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "https://aiplatform.googleapis.com/v1/projects/its-own/locations/global/publishers/google"),
        (
            {"GOOGLE_VERTEX_LOCATION": "europe-west4", "GOOGLE_VERTEX_PROJECT": "named"},
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/named/locations/europe-west4/publishers/google",
        ),
        (
            {"GOOGLE_VERTEX_LOCATION": "us"},
            "https://aiplatform.us.rep.googleapis.com/v1/projects/its-own/locations/us/publishers/google",
        ),
    ],
)
def test_vertex_places(variables: dict[str, str], expected: str) -> None:
    """Hosts as in the recordings and in Google's and Anthropic's SDKs; the project is the account's own."""
    found = opened("google-vertex", SERVICE_ACCOUNT, variables)
    assert found.provider.exchange is not None
    assert url(found, variables) == f"{expected}/models/m:generateContent"
    assert url(found, variables, stream=True) == f"{expected}/models/m:streamGenerateContent?alt=sse"
    claude = opened("google-vertex-anthropic", SERVICE_ACCOUNT, variables)
    place = expected.removesuffix("google") + "anthropic/models/m"
    assert (url(claude, variables), url(claude, variables, stream=True)) == (
        f"{place}:rawPredict",
        f"{place}:streamRawPredict",
    )


def test_vertex_with_a_users_file() -> None:
    """`gcloud auth application-default login` writes no project but a quota project."""
    assert opened("google-vertex", USER).variables["GOOGLE_VERTEX_PROJECT"] == "quota"


def test_vertex_express() -> None:
    """An API key needs neither project nor location (google-genai: "express mode"), and opens Gemini only."""
    found = opened("google-vertex", "AQ.key", {"GOOGLE_VERTEX_LOCATION": "us-east5"})
    assert found.provider.exchange is None
    assert url(found, {}) == "https://aiplatform.googleapis.com/v1/publishers/google/models/m:generateContent"
    with pytest.raises(ValueError, match="Gemini only"):
        opened("google-vertex-anthropic", "AQ.key")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"type": "external_account"}',
        '{"type": "service_account"}',
        json.dumps(json.loads(SERVICE_ACCOUNT) | {"private_key": "no"}),
        json.dumps(json.loads(SERVICE_ACCOUNT) | {"token_uri": "http://evil.example/token"}),
        json.dumps(json.loads(USER) | {"refresh_token": ""}),
    ],
)
def test_a_google_file_that_is_of_no_use(text: str) -> None:
    """It is said at once, in words without the key; not at the first request."""
    with pytest.raises(ValueError, match=r"Google credential|private_key|token_uri"):
        opened("google-vertex", text)


@given(st.sampled_from(sorted(PROVIDERS)), st.text(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ENTRY, "type", "region"]), inner),
    max_leaves=8,
).map(json.dumps))  # fmt: skip
def test_any_text_opens_or_is_refused(slug: str, text: str) -> None:
    """Whatever stands in a variable: nothing but a ValueError."""
    try:
        found = opened(slug, text)
    except ValueError:
        return
    assert found.provider.slug == slug
