"""Anthropic: the Messages format is its own."""

from tollway.domain.catalog import WireFormat
from tollway.domain.quirks import Quirks
from tollway.providers.base import Facts, Provider, x_api_key

ANTHROPIC = Provider(
    slug="anthropic",
    name="Anthropic",
    base_url="https://api.anthropic.com/v1",
    speaks=WireFormat.ANTHROPIC_MESSAGES,
    key_env=("ANTHROPIC_API_KEY",),
    auth=x_api_key,
    # Models older than its structured output get a tool in its place.
    quirks=Quirks(
        takes={
            "": frozenset({"response_format", "structured_outputs"}),
            "(?:opus|sonnet|haiku)-[4-9]|fable|mythos": frozenset({"verbosity"}),
        }
    ),
    facts=Facts(
        headquarters="US",
        privacy_url="https://www.anthropic.com/legal/privacy",
        terms_url="https://www.anthropic.com/legal/commercial-terms",
        status_url="https://status.anthropic.com/",
        trains=False,
        retains=True,
        retention_days=30,
    ),
)
