"""Tokens: the format's usage object -> Usage."""

from typing import Any

from tollway.domain.generation import Usage
from tollway.wire.counts import count_of


def read_usage(value: Any) -> Usage | None:
    """A decoded usage object -> Usage, or None where its two counters are missing or nonsense.

    What was read from and written to a cache is counted beside `inputTokens` (user guide, "Prompt caching"; recorded
    totals are the sum of the four); `cacheDetails` says how long what was written is kept.
    """
    if not isinstance(value, dict):
        return None
    plain, completion = count_of(value.get("inputTokens")), count_of(value.get("outputTokens"))
    if plain is None or completion is None:
        return None
    read = count_of(value.get("cacheReadInputTokens")) or 0
    written = count_of(value.get("cacheWriteInputTokens")) or 0
    details = value.get("cacheDetails")
    hour = sum(
        count_of(detail.get("inputTokens")) or 0
        for detail in (details if isinstance(details, list) else ())
        if isinstance(detail, dict) and detail.get("ttl") == "1h"
    )
    return Usage(
        prompt=plain + read + written,
        completion=completion,
        cache_read=read,
        cache_write=written,
        cache_write_1h=min(hour, written),
    )
