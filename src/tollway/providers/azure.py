"""Azure OpenAI and Foundry: models that the operator deploys, under names and at addresses of the operator's own."""

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tollway.domain.catalog import WireFormat
from tollway.domain.quirks import Quirks
from tollway.providers.base import Deployment, Facts, Opened, Provider, api_key, x_api_key

VERSION_ENV = "AZURE_API_VERSION"
HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
"""Where a key of Azure may be sent (FAULTS.md, SSRF)."""

_PATHS = {WireFormat.OPENAI_CHAT: "/chat/completions", WireFormat.ANTHROPIC_MESSAGES: "/messages"}
_DATED = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")


class _Entry(Struct):
    """One deployment of OpenRouter's form (seed 003, "Azure API Keys")."""

    model_slug: str
    endpoint_url: str
    api_key: str
    model_id: str


_ENTRIES = msgspec.json.Decoder(list[_Entry])


def open_azure(provider: Provider, text: str, variables: Mapping[str, str]) -> Opened:
    """A key for the resource that a variable names; or JSON, an object or a list, that names each deployment."""
    if not text.lstrip().startswith(("{", "[")):
        return Opened(_versioned(provider, variables.get(VERSION_ENV, "")), text)
    try:
        entries = _ENTRIES.decode(text if text.lstrip().startswith("[") else f"[{text}]")
    except msgspec.MsgspecError as error:
        raise ValueError(f"its JSON is not of Azure's form (docs/providers.md): {error}") from None
    urls = [_checked(entry.endpoint_url, provider) for entry in entries]
    found = [
        (entry.model_slug, Deployment(entry.model_id, _whole(url, provider.speaks)), entry.api_key)
        for entry, url in zip(entries, urls, strict=True)
        if _format_of(url, provider.speaks) is provider.speaks
    ]
    if not found:
        raise ValueError(f"its JSON names no deployment that speaks {provider.speaks.value}")
    first = urlsplit(found[0][1].url or "")
    return Opened(replace(provider, base_url=f"{first.scheme}://{first.netloc}"), "", deployments=tuple(found))


def _versioned(provider: Provider, version: str) -> Provider:
    """A date means the API of before `/openai/v1`, whose URLs name the deployment; `preview`, new things in that."""
    if not version or provider.speaks is not WireFormat.OPENAI_CHAT:
        return provider
    query = f"api-version={version}"
    if provider.query or not _DATED.fullmatch(version):
        return replace(provider, query=query)
    return replace(provider, base_url=provider.base_url.removesuffix("/v1"), path=_by_deployment, query=query)


def _by_deployment(model: str, stream: bool) -> str:
    return f"/deployments/{quote(model, safe='')}/chat/completions"


def _checked(text: str, provider: Provider) -> SplitResult:
    """ValueError: the key would go to a host that is neither Azure's nor the one that the operator named."""
    url = urlsplit(text)
    ours = (url.scheme, url.netloc) == urlsplit(provider.base_url)[:2]
    if not ours and not (url.scheme == "https" and (url.hostname or "").endswith(HOSTS)):
        raise ValueError(f"endpoint_url: {text[:200]!r} is no https address below {', '.join(HOSTS)}")
    return url


def _format_of(url: SplitResult, otherwise: WireFormat) -> WireFormat:
    return next((form for form, ending in _PATHS.items() if url.path.endswith(ending)), otherwise)


def _whole(url: SplitResult, speaks: WireFormat) -> str:
    """The URL of the call, also where only the beginning was given."""
    ending = _PATHS[speaks]
    return (url if url.path.endswith(ending) else url._replace(path=url.path.rstrip("/") + ending)).geturl()


_AZURE = Provider(
    slug="azure",
    name="Azure",
    base_url="https://${AZURE_RESOURCE_NAME}.openai.azure.com/openai/v1",
    key_env=("AZURE_API_KEY",),
    auth=api_key,
    open=open_azure,
    quirks=Quirks(
        rename={"max_tokens": "max_completion_tokens"}, developer_role=True, custom_tools=True, call_ids=".{1,40}"
    ),
    # Microsoft Learn, "Data, privacy, and security for Azure Direct Models": nothing is trained with prompts.
    facts=Facts(
        headquarters="US",
        privacy_url="https://www.microsoft.com/en-us/privacy/privacystatement",
        terms_url="https://www.microsoft.com/en-us/legal/terms-of-use?oneroute=true",
        status_url="https://status.azure.com/",
        trains=False,
    ),
)
_FOUNDRY = replace(
    _AZURE,
    slug="azure-openai",
    name="Azure (OpenAI format)",
    base_url="https://${AZURE_RESOURCE_NAME}.services.ai.azure.com/models",
    query="api-version=2024-05-01-preview",  # Microsoft Learn, "Azure AI Model Inference REST API"
    quirks=Quirks(),
)
_CLAUDE = replace(
    _AZURE,
    slug="azure-anthropic",
    name="Azure (Anthropic)",
    base_url="https://${AZURE_RESOURCE_NAME}.services.ai.azure.com/anthropic/v1",
    speaks=WireFormat.ANTHROPIC_MESSAGES,
    auth=x_api_key,
    # Anthropic's structured output is not there on every platform, a tool is (docs.claude.com, "Structured outputs").
    quirks=Quirks(takes={"": frozenset({"response_format", "structured_outputs"})}, structured_output="tool"),
)


def _cognitive(provider: Provider, slug: str, name: str, base_url: str) -> Provider:
    """The same at a resource of the older kind."""
    resource = "https://${AZURE_COGNITIVE_SERVICES_RESOURCE_NAME}"
    return replace(
        provider, slug=slug, name=name, base_url=resource + base_url, key_env=("AZURE_COGNITIVE_SERVICES_API_KEY",)
    )


AZURE = (
    _AZURE,
    _FOUNDRY,
    _CLAUDE,
    _cognitive(
        _AZURE, "azure-cognitive-services", "Azure Cognitive Services", ".cognitiveservices.azure.com/openai/v1"
    ),
    _cognitive(
        _FOUNDRY,
        "azure-cognitive-services-openai",
        "Azure Cognitive Services (OpenAI format)",
        ".services.ai.azure.com/models",
    ),
    _cognitive(
        _CLAUDE,
        "azure-cognitive-services-anthropic",
        "Azure Cognitive Services (Anthropic)",
        ".services.ai.azure.com/anthropic/v1",
    ),
)
