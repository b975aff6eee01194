"""Tokens and cost: a provider's usage object -> Usage, and Usage with its price -> OpenRouter's usage object."""

from typing import Any

from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars, nanodollars_to_text

TOKENS_MAX = 100_000_000
"""A count beyond it is nonsense, as is one that is no whole number (FAULTS.md U-34)."""


def read_usage(value: Any) -> Usage | None:
    """A decoded usage object -> Usage, or None where its two counters are missing or nonsense.

    Details that are nonsense count as 0, and no detail exceeds the counter that it is a part of.
    """
    if not isinstance(value, dict):
        return None
    prompt, completion = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    if len(value) == 3 and value.get("total_tokens") == prompt + completion:
        return Usage(prompt=prompt, completion=completion)  # it counts nothing else
    inputs, outputs = _details(value, "prompt_tokens_details"), _details(value, "completion_tokens_details")
    reasoning = _first(outputs.get("reasoning_tokens"), value.get("reasoning_tokens"))
    hidden = (_count(value.get("total_tokens")) or 0) - prompt - completion
    if hidden > 0 and reasoning in (0, hidden):
        # Google counts a model's thoughts only in the total, xAI in the details and the total.
        completion, reasoning = completion + hidden, hidden
    # DeepSeek, Mistral, and Together with Moonshot have their own names for what was read from a cache.
    cache_read = _first(
        inputs.get("cached_tokens"),
        value.get("prompt_cache_hit_tokens"),
        value.get("num_cached_tokens"),
        value.get("cached_tokens"),
    )
    cache_read = min(cache_read, prompt)
    return Usage(
        prompt=prompt,
        completion=completion,
        cache_read=cache_read,
        cache_write=min(
            _first(inputs.get("cache_write_tokens"), value.get("cache_creation_input_tokens")), prompt - cache_read
        ),
        reasoning=min(reasoning, completion),
        audio_prompt=min(_first(inputs.get("audio_tokens")), prompt),
        audio_completion=min(_first(outputs.get("audio_tokens")), completion),
        image_completion=min(_first(outputs.get("image_tokens")), completion),
        web_searches=_first(_details(value, "server_tool_use_details").get("web_search_requests")),
    )


def usage_json(
    usage: Usage,
    *,
    cost: Nanodollars,
    prompt_cost: Nanodollars,
    completion_cost: Nanodollars,
    is_byok: bool = False,
) -> bytes:
    """OpenRouter's usage object (OPENROUTER.md 3.3): money as exact JSON numbers, in USD."""
    searched = usage.web_searches
    total, parts = nanodollars_to_text(cost).encode(), prompt_cost + completion_cost
    return _USAGE % (
        usage.prompt,
        usage.completion,
        usage.prompt + usage.completion,
        total,
        b"true" if is_byok else b"false",
        usage.cache_read,
        usage.cache_write,
        usage.audio_prompt,
        total if parts == cost else nanodollars_to_text(parts).encode(),
        nanodollars_to_text(prompt_cost).encode(),
        nanodollars_to_text(completion_cost).encode(),
        usage.reasoning,
        usage.image_completion,
        usage.audio_completion,
        b',"server_tool_use_details":{"web_search_requests":%d}' % searched if searched else b"",
    )


_USAGE = (
    b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"cost":%b,"is_byok":%b,'
    b'"prompt_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d,"audio_tokens":%d,"video_tokens":0},'
    b'"cost_details":{"upstream_inference_cost":%b,"upstream_inference_prompt_cost":%b,'
    b'"upstream_inference_completions_cost":%b},'
    b'"completion_tokens_details":{"reasoning_tokens":%d,"image_tokens":%d,"audio_tokens":%d}%b}'
)


def _details(value: dict[str, Any], name: str) -> dict[str, Any]:
    details = value.get(name)
    return details if isinstance(details, dict) else {}


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= TOKENS_MAX else None


def _first(*values: Any) -> int:
    """The first that is a count; 0 if none is."""
    return next((count for value in values if (count := _count(value)) is not None), 0)
