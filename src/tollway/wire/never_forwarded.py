"""Unknown fields of a request that reach no provider, whatever its format."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

NEVER = frozenset(
    {
        # Live search, which xAI bills for each source, at prices that the catalog does not have.
        "search_parameters",
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "api_type",
        "organization",
        "extra_headers",
        "extra_body",
        "extra_query",
        "headers",
        "default_headers",
        "mock_response",
        "mock_tool_calls",
        "mock_timeout",
        "timeout",
        "request_timeout",
        "num_retries",
        "max_retries",
        "fallbacks",
        "context_window_fallbacks",
        "custom_llm_provider",
        "litellm_params",
        "litellm_call_id",
        "litellm_metadata",
        "model_list",
        "proxy_server_request",
        "secret_fields",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_region_name",
        "aws_bedrock_runtime_endpoint",
        "vertex_credentials",
        "vertex_project",
        "vertex_location",
        "azure_ad_token",
        "azure_endpoint",
        "client",
        "user_api_key",
        "guardrails",
        "callbacks",
        "success_callback",
        "proxy",
        "proxies",
        "ssl_verify",
        "openrouter_metadata",
        "user_id",
    }
)
"""Unknown fields that other gateways take as orders: where to call, with whose key (FAULTS.md C-8, CVE-2024-6587)."""


def forwarded(extra: Mapping[str, Any], drop: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """The unknown fields of a request that may go to a provider; `drop`: those that it refuses."""
    return {name: value for name, value in extra.items() if name not in NEVER and name not in drop}
