"""Routers: companies that pass requests on to many providers, each in OpenAI's chat format with additions."""

from tollway.domain.quirks import Quirks
from tollway.providers.base import Provider

_DIALECT = Quirks(
    reasoning_style="object",
    keeps=frozenset(
        {
            "annotations",
            "cache_control",
            "eager_input_streaming",
            "images",
            "model",
            "prompt_cache_breakpoint",
            "reasoning",
            "reasoning_details",
        }
    ),
    developer_role=True,
    custom_tools=True,
)
"""OpenRouter's additions, which other routers took over."""

ROUTERS = (
    Provider(
        slug="openrouter",
        name="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        quirks=_DIALECT,
    ),
    Provider(
        slug="vercel",
        name="Vercel AI Gateway",
        base_url="https://ai-gateway.vercel.sh/v1",
        key_env=("AI_GATEWAY_API_KEY",),
        quirks=_DIALECT,
    ),
    Provider(
        slug="huggingface",
        name="Hugging Face",
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN",),
        quirks=Quirks(cancels=False),
    ),
)
