"""Tokens and cost: a response's usage object -> Usage, and Usage with its price -> OpenRouter's usage object."""

from typing import Any

from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.wire.native_fields import rest

TOKENS_MAX = 100_000_000
"""A count beyond it is nonsense, as is one that is no whole number (FAULTS.md U-34)."""


def read_usage(value: Any, *, web_searches: int = 0) -> Usage | None:
    """A decoded usage object -> Usage, or None where its two counters are missing or nonsense.

    Details that are nonsense count as 0, and no detail exceeds the counter that it is a part of.
    """
    if not isinstance(value, dict):
        return None
    prompt, completion = _count(value.get("input_tokens")), _count(value.get("output_tokens"))
    if prompt is None or completion is None:
        return None
    inputs, outputs = _details(value, "input_tokens_details"), _details(value, "output_tokens_details")
    cache_read = min(_count(inputs.get("cached_tokens")) or 0, prompt)
    return Usage(
        prompt=prompt,
        completion=completion,
        cache_read=cache_read,
        cache_write=min(_count(inputs.get("cache_write_tokens")) or 0, prompt - cache_read),
        reasoning=min(_count(outputs.get("reasoning_tokens")) or 0, completion),
        audio_prompt=min(_count(inputs.get("audio_tokens")) or 0, prompt),
        audio_completion=min(_count(outputs.get("audio_tokens")) or 0, completion),
        image_completion=min(_count(outputs.get("image_tokens")) or 0, completion),
        web_searches=web_searches,
    )


def usage_rest(value: Any) -> dict[str, Any]:
    """What a usage object says beside the counters that `usage_json` writes. What we cost is for us to say."""
    return rest(value, _WRITTEN) if isinstance(value, dict) else {}


_WRITTEN = frozenset({"input_tokens", "output_tokens", "total_tokens", "cost", "cost_details", "is_byok"})


def usage_json(
    usage: Usage,
    *,
    cost: Nanodollars,
    prompt_cost: Nanodollars,
    completion_cost: Nanodollars,
    is_byok: bool = False,
) -> bytes:
    """OpenRouter's usage object of a response (OPENROUTER.md 6.2): money as exact JSON numbers, in USD."""
    searched, heard = usage.web_searches, usage.audio_prompt
    searches = f',"server_tool_use_details":{{"web_search_requests":{searched}}}' if searched else ""
    sound = f',"audio_tokens":{heard}' if heard else ""
    return (
        f'{{"input_tokens":{usage.prompt},'
        f'"input_tokens_details":{{"cached_tokens":{usage.cache_read},"cache_write_tokens":{usage.cache_write}{sound}}},'
        f'"output_tokens":{usage.completion},'
        f'"output_tokens_details":{{"reasoning_tokens":{usage.reasoning}}},'
        f'"total_tokens":{usage.prompt + usage.completion},'
        f'"cost":{nanodollars_to_text(cost)},"is_byok":{"true" if is_byok else "false"},'
        f'"cost_details":{{"upstream_inference_cost":{nanodollars_to_text(prompt_cost + completion_cost)},'
        f'"upstream_inference_input_cost":{nanodollars_to_text(prompt_cost)},'
        f'"upstream_inference_output_cost":{nanodollars_to_text(completion_cost)}}}{searches}}}'
    ).encode()


def _details(value: dict[str, Any], name: str) -> dict[str, Any]:
    details = value.get(name)
    return details if isinstance(details, dict) else {}


def _count(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None
