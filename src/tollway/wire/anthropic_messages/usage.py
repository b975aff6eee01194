"""Tokens and cost: the format's usage object -> Usage, and Usage with its price -> the usage object we answer with."""

from typing import Any

import msgspec

from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.wire.native_fields import rest

TOKENS_MAX = 100_000_000
"""A count beyond it is nonsense, as is one that is no whole number (FAULTS.md U-34)."""


def read_usage(value: Any) -> Usage | None:
    """A decoded usage object -> Usage, or None where its two counters are missing or nonsense.

    Anthropic counts what was read from and written to a cache beside `input_tokens`, not inside it
    (docs: prompt caching, "Tracking cache performance"); `Usage.prompt` is the sum.
    """
    if not isinstance(value, dict):
        return None
    plain, completion = _count(value.get("input_tokens")), _count(value.get("output_tokens"))
    if plain is None or completion is None:
        return None
    read = _count(value.get("cache_read_input_tokens")) or 0
    written = _count(value.get("cache_creation_input_tokens")) or 0
    by_age, details, tools = (
        _object(value.get(name)) for name in ("cache_creation", "output_tokens_details", "server_tool_use")
    )
    hour = _count(by_age.get("ephemeral_1h_input_tokens")) or 0
    written = written or hour + (_count(by_age.get("ephemeral_5m_input_tokens")) or 0)
    return Usage(
        prompt=plain + read + written,
        completion=completion,
        cache_read=read,
        cache_write=written,
        cache_write_1h=min(hour, written),
        reasoning=min(_count(details.get("thinking_tokens")) or 0, completion),
        web_searches=_count(tools.get("web_search_requests")) or 0,
    )


def usage_rest(value: Any) -> dict[str, Any]:
    """What a usage object says beside the counters that `tokens_of` always writes."""
    found = rest(_object(value), _WRITTEN)
    if isinstance(tools := found.get("server_tool_use"), dict):
        # The official client wants both, and providers send what they have.
        found["server_tool_use"] = {"web_search_requests": 0, "web_fetch_requests": 0, **tools}
    return found


_WRITTEN = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_creation",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "service_tier",
    }
)


def merged(first: Any, later: Any) -> dict[str, Any]:
    """A stream sends usage twice: what the second has, counts; it knows the output, and seldom the caches' ages.

    Source: docs, streaming, "message_delta": its counts are cumulative.
    """
    return {**_object(first), **{name: value for name, value in _object(later).items() if value is not None}}


def usage_json(
    usage: Usage,
    *,
    cost: Nanodollars,
    prompt_cost: Nanodollars,
    completion_cost: Nanodollars,
    is_byok: bool = False,
) -> bytes:
    """Anthropic's usage object with OpenRouter's additions (OPENROUTER.md 6.3): money as exact numbers, in USD.

    `service_tier` is not in it: the encoders add what was served.
    """
    tokens = msgspec.json.encode(tokens_of(usage))
    money = (
        f'"cost":{nanodollars_to_text(cost)},"is_byok":{"true" if is_byok else "false"},'
        f'"cost_details":{{"upstream_inference_cost":{nanodollars_to_text(prompt_cost + completion_cost)},'
        f'"upstream_inference_input_cost":{nanodollars_to_text(prompt_cost)},'
        f'"upstream_inference_output_cost":{nanodollars_to_text(completion_cost)}}}'
    )
    return tokens[:-1] + b"," + money.encode() + b"}"


def tokens_of(usage: Usage) -> dict[str, Any]:
    """The counters alone."""
    hour = min(usage.cache_write_1h, usage.cache_write)
    tokens: dict[str, Any] = {
        "input_tokens": max(usage.prompt - usage.cache_read - usage.cache_write, 0),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write - hour,
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": usage.completion,
    }
    if usage.reasoning:
        tokens["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.web_searches:
        tokens["server_tool_use"] = {"web_search_requests": usage.web_searches, "web_fetch_requests": 0}
    return tokens


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None
