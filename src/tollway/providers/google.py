"""Google: Gemini with an API key at AI Studio; Gemini, Claude and open models on Vertex AI with an account's tokens."""

from collections.abc import Mapping

from msgspec.structs import replace

from tollway.domain.catalog import WireFormat
from tollway.domain.quirks import Quirks
from tollway.providers.base import Facts, Opened, Provider, bearer, x_goog_api_key
from tollway.providers.service_account import GOOGLE_EXCHANGE, read_key

PROJECT, LOCATION, HOST = "GOOGLE_VERTEX_PROJECT", "GOOGLE_VERTEX_LOCATION", "GOOGLE_VERTEX_ENDPOINT"
_GLOBAL = "aiplatform.googleapis.com"
_PLACE = f"https://${{{HOST}}}/v1/projects/${{{PROJECT}}}/locations/${{{LOCATION}}}"


def open_vertex(provider: Provider, text: str, variables: Mapping[str, str]) -> Opened:
    """An account's JSON is exchanged for tokens and names its project; anything else is an API key (express mode).

    Without a location it is `global`, as for Google's own SDK.
    """
    if not text.lstrip().startswith("{"):
        if provider.speaks is not WireFormat.GEMINI:
            raise ValueError("on Vertex, an API key opens Gemini only; this one needs a service account's JSON")
        express = provider.base_url.replace(_PLACE, f"https://{_GLOBAL}/v1")
        return Opened(replace(provider, base_url=express, auth=x_goog_api_key), text)
    key = read_key(text)
    location = variables.get(LOCATION) or variables.get("GOOGLE_CLOUD_LOCATION") or "global"
    project = variables.get(PROJECT) or variables.get("GOOGLE_CLOUD_PROJECT") or key.project_id or key.quota_project_id
    host = variables.get(HOST) or host_of(location)
    found = {PROJECT: project, LOCATION: location, HOST: host}
    return Opened(replace(provider, auth=bearer, exchange=GOOGLE_EXCHANGE), text, found)


def host_of(location: str) -> str:
    """Vertex AI's host for a region, for a continent (`us`, `eu`), or for `global`."""
    if location == "global":
        return _GLOBAL
    return f"aiplatform.{location}.rep.googleapis.com" if location in {"us", "eu"} else f"{location}-{_GLOBAL}"


def raw_predict(model: str, stream: bool) -> str:
    """Where Vertex AI has Anthropic's models; `anthropic_version` in the body replaces the model."""
    return f"/models/{model}:{'streamRawPredict' if stream else 'rawPredict'}"


_FACTS = Facts(trains=False, retains=False)
"""Of Vertex AI, as OpenRouter's directory of providers has them (August 2026)."""

_VERTEX = Provider(
    slug="google-vertex",
    name="Vertex",
    base_url=f"{_PLACE}/publishers/google",
    speaks=WireFormat.GEMINI,
    key_env=("GOOGLE_APPLICATION_CREDENTIALS",),
    open=open_vertex,
    inferred=frozenset({PROJECT, LOCATION, HOST}),
    # google-genai sends `store` to the Gemini API only, and Vertex answers 400 to contents without a role.
    quirks=Quirks(cancels=False, predicts=True, drop=frozenset({"store"}), turn_roles=True),
    facts=_FACTS,
)

GOOGLE = (
    Provider(
        slug="google",
        name="Google",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        speaks=WireFormat.GEMINI,
        key_env=("GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"),
        auth=x_goog_api_key,
        quirks=Quirks(cancels=False, drop=frozenset({"labels"})),  # google-genai sends them to Vertex only
        facts=Facts(trains=False, retains=True, retention_days=55),
    ),
    _VERTEX,
    replace(
        _VERTEX,
        slug="google-vertex-anthropic",
        name="Vertex (Anthropic)",
        base_url=f"{_PLACE}/publishers/anthropic",
        speaks=WireFormat.ANTHROPIC_MESSAGES,
        path=raw_predict,
        # It takes no URLs of images (docs.claude.com, "Vision"): their data is sent.
        # Structured output is not there on every platform, a tool is (docs.claude.com, "Structured outputs").
        quirks=Quirks(
            cancels=False,
            takes_urls=frozenset(),
            version_in_body="vertex-2023-10-16",
            drop=frozenset({"cache_control"}),  # of the whole request (docs.claude.com, "Prompt caching": automatic)
            takes={"": frozenset({"response_format", "structured_outputs"})},
            structured_output="tool",
        ),
    ),
    replace(
        _VERTEX,
        slug="google-vertex-openai",
        name="Vertex (OpenAI format)",
        base_url=f"{_PLACE}/endpoints/openapi",
        speaks=WireFormat.OPENAI_CHAT,
    ),
)
