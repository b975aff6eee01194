"""Models that Bedrock serves, by what they take beyond the common fields: each family calls it by names of its own."""

import re
from typing import Any, Literal

from msgspec import Struct

from tollway.domain.chat import ChatRequest, Effort
from tollway.wire.claude import ask, takes_prefill, takes_schemas, version_of
from tollway.wire.efforts import nearest
from tollway.wire.reasoning_budget import BUDGET_MAX, effort_of, wish_of

Family = Literal["claude", "nova", "gpt-oss", "openai", "qwen", "kimi", "mistral", "other", "unknown"]

_FAMILIES: tuple[tuple[str, Family], ...] = (
    ("claude", "claude"),
    ("nova", "nova"),
    ("gpt-oss", "gpt-oss"),
    ("openai.", "openai"),
    ("qwen", "qwen"),
    ("kimi", "kimi"),
    ("mistral.", "mistral"),
)
_NO_SCHEMA = re.compile(
    r"nova|llama|titan|cohere\.|ai21\.|deepseek\.r1|writer\.|pixtral|mixtral|mistral-7b|mistral-(?:large|small)-2\d{3}"
)
"""Models without `outputConfig` (user guide, "Structured outputs", lists those with it)."""


def family_of(upstream_model: str) -> Family:
    """By its id, whatever region it begins with; "unknown": an ARN that does not say (an application's profile)."""
    found = next((family for word, family in _FAMILIES if word in upstream_model), None)
    if found is not None:
        return found
    opaque = upstream_model.startswith("arn:") and ":foundation-model/" not in upstream_model
    return "unknown" if opaque and ":inference-profile/" not in upstream_model else "other"


def knows_schemas(upstream_model: str) -> bool:
    """Whether a model takes a JSON schema for its answer."""
    return takes_schemas(upstream_model) and _NO_SCHEMA.search(upstream_model) is None


class Manners(Struct, frozen=True):
    """What a model takes in a conversation; the defaults are those of most."""

    caches: bool = False
    """Cache points (user guide, "Prompt caching"); the others refuse them."""
    caches_tools: bool = False
    caches_hour: bool = False
    begins: bool = False
    """A conversation that begins with its own words (recorded)."""
    goes_on: bool = False
    """A last message of the assistant's, which it continues; the others refuse it, or answer it."""
    mixes: bool = False
    """Tool results and other blocks in one turn. Most refuse that: "Conversation blocks and tool result blocks cannot
    be provided in the same turn"."""
    files_in_results: bool = True
    """Documents and films inside a tool's result; Nova takes them only beside it (recorded)."""
    json_results: bool = False
    """Tool results as objects, which Mistral's models insist on."""


def manners_of(upstream_model: str) -> Manners:
    """How to talk to a model; to one that is not known, as to Claude, which most profiles are of."""
    family = family_of(upstream_model)
    if family == "nova":
        return Manners(caches=True, goes_on=True, mixes=True, files_in_results=False)
    if family in ("claude", "unknown"):
        version = version_of(upstream_model)
        return Manners(
            caches=True,
            caches_tools=True,
            caches_hour=version is None or version >= (4, 5),
            begins=True,
            goes_on=takes_prefill(upstream_model),
            mixes=True,
        )
    return Manners(json_results=family == "mistral")


def reasoning_fields(request: ChatRequest, upstream_model: str, max_tokens: int | None) -> dict[str, Any]:
    """`additionalModelRequestFields` that ask for thoughts, as each family wants to be asked; empty: it can't be.

    Sources: recordings (Claude, Qwen); AWS's documentation of Nova 2, "Extended thinking"; the model cards of gpt-oss
    and Kimi K2.
    """
    family = family_of(upstream_model)
    if family == "claude":
        return _claude_fields(request, upstream_model, max_tokens)
    wish = wish_of(request)
    if wish is None or wish.on is None:
        return {}
    effort = wish.effort or effort_of(wish.budget or BUDGET_MAX, max_tokens)
    if family == "nova":
        return _nova_fields(effort) if "nova-2" in upstream_model else {}
    if family == "openai":
        return {"reasoning": {"effort": nearest(effort, ("none", "low", "medium", "high", "xhigh", "max"))}}
    if effort == "none":
        return {}  # the others think as they are made; leaving it out is as little as can be asked for
    if family in ("gpt-oss", "kimi"):
        return {"reasoning_effort": nearest(effort, ("low", "medium", "high"))}
    if family == "qwen":
        return {"reasoning_config": "low" if effort in ("minimal", "low") else "high"}
    return {}


def _claude_fields(request: ChatRequest, upstream_model: str, max_tokens: int | None) -> dict[str, Any]:
    thinking, effort = ask(request, upstream_model, max_tokens or BUDGET_MAX)
    fields: dict[str, Any] = {} if thinking is None else {"thinking": thinking}
    version = version_of(upstream_model)
    if effort is not None and version is not None and version >= (4, 6):  # 4.5 has it behind a flag only
        fields["output_config"] = {"effort": effort}
    return fields


def _nova_fields(effort: Effort) -> dict[str, Any]:
    """Effort "high" refuses a bound on the output, and the bound is what the caller's money rests on: "medium"."""
    if effort == "none":
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": nearest(effort, ("low", "medium"))}}


def top_k_fields(family: Family, top_k: int) -> dict[str, Any]:
    """`top_k`, which the common fields lack, for the families that are known to take it."""
    if family in ("claude", "mistral"):
        return {"top_k": top_k}
    return {"inferenceConfig": {"topK": top_k}} if family == "nova" else {}
