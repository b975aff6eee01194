"""usageMetadata <-> Usage: Google counts thoughts beside the answer, and what its tools read beside the prompt."""

from typing import Any

import msgspec

from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars
from tollway.wire.native_fields import rest

TOKENS_MAX = 100_000_000
"""A count beyond it is nonsense, as is one that is no whole number (FAULTS.md U-34)."""


def read_usage(value: Any) -> Usage | None:
    """A usageMetadata -> Usage, or None where it counts no prompt. An answer that was blocked has no other counter."""
    if not isinstance(value, dict) or (prompt := _count(value.get("promptTokenCount"))) is None:
        return None
    tools = _count(value.get("toolUsePromptTokenCount")) or 0
    thoughts = _count(value.get("thoughtsTokenCount")) or 0
    said = _count(value.get("candidatesTokenCount"))
    if said is None:
        # Some of Google's servers leave it out; the total holds it.
        said = max((_count(value.get("totalTokenCount")) or 0) - prompt - tools - thoughts, 0)
    whole, completion = prompt + tools, said + thoughts
    inputs, outputs = _by_modality(value.get("promptTokensDetails")), _by_modality(value.get("candidatesTokensDetails"))
    return Usage(
        prompt=whole,
        completion=completion,
        cache_read=min(_count(value.get("cachedContentTokenCount")) or 0, prompt),
        reasoning=thoughts,
        tool_prompt=tools,
        audio_prompt=min(inputs.get("AUDIO", 0), prompt),
        image_prompt=min(inputs.get("IMAGE", 0), prompt),
        video_prompt=min(inputs.get("VIDEO", 0), prompt),
        audio_completion=min(outputs.get("AUDIO", 0), said),
        image_completion=min(outputs.get("IMAGE", 0), said),
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usageMetadata of an answer, with the sums that Google's own counters have."""
    tools = min(usage.tool_prompt, usage.prompt)
    prompt, said = usage.prompt - tools, usage.completion - usage.reasoning
    written: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": said,
        "totalTokenCount": usage.prompt + usage.completion,
        "promptTokensDetails": _details(
            prompt, {"IMAGE": usage.image_prompt, "VIDEO": usage.video_prompt, "AUDIO": usage.audio_prompt}
        ),
    }
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    if tools:
        written["toolUsePromptTokenCount"] = tools
    if usage.image_completion or usage.audio_completion:
        written["candidatesTokensDetails"] = _details(
            said, {"IMAGE": usage.image_completion, "AUDIO": usage.audio_completion}
        )
    return written


def usage_rest(value: Any) -> dict[str, Any]:
    """What a usageMetadata says beside the counters that `write_usage` writes, and its lists whole."""
    return rest(value, _WRITTEN) if isinstance(value, dict) else {}


_WRITTEN = frozenset(
    {
        "promptTokenCount",
        "candidatesTokenCount",
        "totalTokenCount",
        "thoughtsTokenCount",
        "cachedContentTokenCount",
        "toolUsePromptTokenCount",
        # Google's own client refuses it, though the Gemini API sends it. The tier is read for what it costs.
        "serviceTier",
    }
)


def service_tier(value: Any) -> str | None:
    """The tier that was served: `serviceTier` of the Gemini API, `trafficType` of Vertex."""
    if not isinstance(value, dict):
        return None
    word = value.get("serviceTier") or value.get("trafficType")
    return _TIERS.get(word.lower()) if isinstance(word, str) else None


_TIERS = {
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
    "on_demand": "default",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
    "provisioned_throughput": "scale",
}


def _by_modality(details: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and (count := _count(detail.get("tokenCount"))) is not None:
            modality = str(detail.get("modality"))
            counts[modality] = counts.get(modality, 0) + count
    return counts


def _details(total: int, others: dict[str, int]) -> list[dict[str, Any]]:
    text = max(total - sum(others.values()), 0)
    return [
        {"modality": modality, "tokenCount": count} for modality, count in {"TEXT": text, **others}.items() if count
    ]


def _count(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None


def usage_json(
    usage: Usage, *, cost: Nanodollars, prompt_cost: Nanodollars, completion_cost: Nanodollars, is_byok: bool = False
) -> bytes:
    """`usageMetadata` as it is written. Google's types have no place for money: `GET /generation` tells it."""
    return msgspec.json.encode(write_usage(usage))
