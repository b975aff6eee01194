"""The list is the registry: providers whose quirks we know; all others of the catalog follow their wire format."""

from tollway.domain.quirks import Quirks
from tollway.providers.base import Provider, bearer

__all__ = ["QUIRKS", "Provider", "bearer"]

_EVERYTHING = frozenset(
    {
        "annotations",
        "cache_control",
        "images",
        "model",
        "prompt_cache_breakpoint",
        "reasoning",
        "reasoning_details",
    }
)
"""Message fields of OpenRouter's dialect, which other routers took over."""

_OPENAI = Quirks(rename={"max_tokens": "max_completion_tokens"}, developer_role=True)
_ROUTER = Quirks(reasoning_style="object", keeps=_EVERYTHING, developer_role=True)
_THINKS_ALOUD = Quirks(keeps=frozenset({"reasoning_content"}))

QUIRKS: dict[str, Quirks] = {
    # OpenAI refuses `max_tokens` for its reasoning models and takes the newer name for all (API reference, 2025).
    "openai": _OPENAI,
    "azure": _OPENAI,
    "openrouter": _ROUTER,
    "vercel": _ROUTER,
    # These want a model's earlier thoughts back under their own name (DeepSeek, "reasoning model"; Z.ai, "thinking").
    "deepseek": _THINKS_ALOUD,
    "moonshotai": _THINKS_ALOUD,
    "zai": _THINKS_ALOUD,
    "zhipuai": _THINKS_ALOUD,
    # Mistral's prefill is a marked assistant message, and it knows neither stream_options nor a seed by that name.
    "mistral": Quirks(rename={"seed": "random_seed"}, keeps=frozenset({"prefix"}), stream_usage=False),
    # Groq answers 400 to these (its documentation, "OpenAI compatibility: currently unsupported features").
    "groq": Quirks(drop=frozenset({"logprobs", "logit_bias", "top_logprobs"}), keeps=frozenset({"reasoning"})),
}
"""By provider slug. A provider that is not here follows its wire format to the letter."""
