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
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    if not (0 <= prompt <= TOKENS_MAX and 0 <= completion <= TOKENS_MAX):
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
    prompt, completion = usage.prompt, usage.completion
    total, parts = nanodollars_to_text(cost), prompt_cost + completion_cost
    inputs, outputs, searched = _NO_INPUTS, _NO_OUTPUTS, ""
    if usage.cache_read or usage.cache_write or usage.audio_prompt:
        inputs = _INPUTS % (usage.cache_read, usage.cache_write, usage.audio_prompt)
    if usage.reasoning or usage.image_completion or usage.audio_completion:
        outputs = _OUTPUTS % (usage.reasoning, usage.image_completion, usage.audio_completion)
    if usage.web_searches:
        searched = f',"server_tool_use_details":{{"web_search_requests":{usage.web_searches}}}'
    text = (
        f'{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{prompt + completion},'
        f'"cost":{total},"is_byok":{"true" if is_byok else "false"},"prompt_tokens_details":{{{inputs}}},'
        f'"cost_details":{{"upstream_inference_cost":{total if parts == cost else nanodollars_to_text(parts)},'
        f'"upstream_inference_prompt_cost":{nanodollars_to_text(prompt_cost)},'
        f'"upstream_inference_completions_cost":{nanodollars_to_text(completion_cost)}}},'
        f'"completion_tokens_details":{{{outputs}}}{searched}}}'
    )
    return text.encode()


_INPUTS = '"cached_tokens":%d,"cache_write_tokens":%d,"audio_tokens":%d,"video_tokens":0'
_OUTPUTS = '"reasoning_tokens":%d,"image_tokens":%d,"audio_tokens":%d'
_NO_INPUTS, _NO_OUTPUTS = _INPUTS % (0, 0, 0), _OUTPUTS % (0, 0, 0)


def _details(value: dict[str, Any], name: str) -> dict[str, Any]:
    details = value.get(name)
    return details if isinstance(details, dict) else {}


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= TOKENS_MAX else None


def _first(*values: Any) -> int:
    """The first that is a count; 0 if none is."""
    return next((count for value in values if (count := _count(value)) is not None), 0)
