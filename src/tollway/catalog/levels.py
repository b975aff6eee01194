"""CPEN's aliases: which models each level of intelligence means at present. Maintained by hand; operators add theirs.

Names, price bands and status are CPEN's (seed 000, "Public model aliases"); the models are those of the shipped catalog
that several providers offer within the band.
"""

from tollway.domain.aliases import Alias

ALIASES = (
    Alias(
        "cpen/low",
        "low",
        (
            "meta-llama/llama-3.1-8b-instruct",
            "mistralai/mistral-nemo",
            "openai/gpt-oss-20b",
            "google/gemma-3-12b-it",
            "qwen/qwen3-8b",
            "amazon/nova-micro-v1",
            "mistralai/ministral-3b-2512",
        ),
        family="small open models, 3 to 20 billion parameters",
        min_usd_per_1m="0.02",
        max_usd_per_1m="0.20",
    ),
    Alias(
        "cpen/middle",
        "middle",
        (
            "openai/gpt-oss-120b",
            "openai/gpt-4.1-nano",
            "google/gemini-2.5-flash-lite",
            "deepseek/deepseek-v4-flash",
            "qwen/qwen3-32b",
            "qwen/qwen3-30b-a3b-instruct-2507",
            "mistralai/mistral-small-3.2-24b-instruct",
            "meta-llama/llama-3.3-70b-instruct",
            "amazon/nova-lite-v1",
        ),
        family="gpt-mini-or-flash-class",
        min_usd_per_1m="0.05",
        max_usd_per_1m="0.35",
    ),
    Alias(
        "cpen/high",
        "high",
        (
            "deepseek/deepseek-v3.2",
            "deepseek/deepseek-chat-v3.1",
            "qwen/qwen3-235b-a22b-thinking-2507",
            "minimax/minimax-m2.5",
            "z-ai/glm-4.7",
        ),
        family="large open models that reason",
        min_usd_per_1m="0.20",
        max_usd_per_1m="1.00",
        status="planned",
    ),
)
