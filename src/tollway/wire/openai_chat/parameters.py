"""Which parameters reach a provider: those that are ours, and those that depend on it."""

OURS = frozenset(
    {
        "models",
        "prompt",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "structured_outputs",
        "reasoning",
        "reasoning_effort",
        "include_reasoning",
        "plugins",
        "x_search_filter",
        "provider",
        "route",
        "transforms",
        "preset",
        "session_id",
        "user",
        "metadata",
        "trace",
        "max_tool_calls",
        "stop_server_tools_when",
        "deferred_tools",
        "debug",
        "usage",
        "routing",
        "suffix",
        "echo",
        "best_of",
        "extra",
    }
)
"""Fields that are for a router, or that are written anew below."""

OPENROUTER_ONLY = frozenset({"cache_control", "image_config", "top_a"})
"""Sent only to a provider that speaks OpenRouter's dialect (`reasoning_style` "object")."""

LISTED = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "top_a",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "verbosity",
        "prediction",
        "web_search_options",
    }
)
"""Parameters that a catalog lists for an endpoint (OPENROUTER.md 7.1, `supported_parameters`)."""
