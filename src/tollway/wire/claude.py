"""What Claude is told of thinking, by what each model takes, and its signed thoughts: alike wherever it is served."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.chat import ChatRequest, Effort
from tollway.wire.efforts import nearest
from tollway.wire.reasoning_budget import BUDGET_MIN, budget_of, effort_of, wish_of

CLAUDE = "anthropic-claude-v1"
"""The `format` of reasoning that Claude signed; only such may go back to it."""

GO_ON = "Go on with your last message exactly where it stops, without repeating any of it."
"""What a model is told that goes on with nothing by itself."""

BUDGET_MAX = 128_000
"""OPENROUTER.md 9.1, for who names tokens; the provider refuses a budget that is not below max_tokens."""

_ENCODER = msgspec.json.Encoder()
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)")
_ADAPTIVE_SINCE = (4, 7)
"""From this version on a budget is refused, and a model is told to think as it sees fit, with an effort
(docs: adaptive thinking). Version 4.6 takes both."""


def version_of(upstream_model: str) -> tuple[int, int] | None:
    """`claude-opus-4-8` -> (4, 8), `claude-3-7-sonnet-20250219` -> (3, 7); None: no Claude that we know."""
    found = _VERSION.search(upstream_model)
    return None if found is None else (int(found.group(1)), int(found.group(2) or 0))


def efforts_of(upstream_model: str) -> tuple[Effort, ...]:
    """The values that a model's `output_config.effort` takes; none: it has no such field.

    Source: docs, effort; and the refusal recorded for claude-opus-4-6: "Supported levels: high, low, max, medium."
    """
    version = version_of(upstream_model)
    if version is None or version < (4, 5):
        return ()
    if version >= _ADAPTIVE_SINCE:
        return ("low", "medium", "high", "xhigh", "max")
    if version == (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if "opus" in upstream_model else ()


def takes_prefill(upstream_model: str) -> bool:
    """Whether a model goes on with an assistant's last message (docs: prefill; not from Claude 4.6 on)."""
    version = version_of(upstream_model)
    return version is None or version < (4, 6)


def takes_sampling(upstream_model: str) -> bool:
    """Whether a model takes temperature, top_p and top_k (docs, "Migrating to Claude Opus 4.7": it refuses them)."""
    version = version_of(upstream_model)
    return version is None or version < _ADAPTIVE_SINCE or "sonnet" in upstream_model


def takes_schemas(upstream_model: str) -> bool:
    """Whether a model knows `output_config.format` (docs, structured outputs: from Opus 4.1 and Claude 4.5 on)."""
    version = version_of(upstream_model)
    return version is None or version >= (4, 5) or (version == (4, 1) and "opus" in upstream_model)


def ask(request: ChatRequest, upstream_model: str, max_tokens: int) -> tuple[dict[str, Any] | None, Effort | None]:
    """What a request of any format asks -> the `thinking` object, if any, and `output_config.effort`, if any."""
    levels = efforts_of(upstream_model)
    wordy = _snapped(request.verbosity, levels)
    wish = wish_of(request)
    if wish is None or wish.on is None:
        return None, wordy
    if not wish.on:
        return {"type": "disabled"}, wordy
    version = version_of(upstream_model)
    if version is not None and version >= _ADAPTIVE_SINCE:
        effort: Effort | None = wish.effort
        if effort is None and wish.budget is not None:
            effort = effort_of(wish.budget, max_tokens)
        # Its default leaves the text of the thoughts out.
        thinking: dict[str, Any] = {"type": "adaptive", "display": "omitted" if wish.hidden else "summarized"}
        return thinking, wordy or _snapped(effort, levels)
    budget = wish.budget or budget_of(wish.effort or "medium", max_tokens)
    return _enabled(budget, max_tokens), wordy


def fitted(thinking: dict[str, Any], max_tokens: int) -> dict[str, Any] | None:
    """A caller's own `thinking` object, where fewer tokens are sent than he asked for: its budget stays below them."""
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int) or budget < max_tokens:
        return thinking
    enabled = _enabled(budget, max_tokens)
    return None if enabled is None else {**thinking, **enabled}


def _enabled(budget: int, max_tokens: int) -> dict[str, Any] | None:
    """None: so few tokens leave no room for thoughts."""
    budget = min(max(budget, BUDGET_MIN), BUDGET_MAX, max_tokens - 1)
    return {"type": "enabled", "budget_tokens": budget} if budget >= BUDGET_MIN else None


def _snapped(effort: Effort | None, levels: tuple[Effort, ...]) -> Effort | None:
    return None if effort is None or not levels else nearest(effort, levels)


def thought(text: str | None, index: int, signature: str | None = None) -> Raw:
    """A piece of a thinking block, or all of it, as OpenRouter writes it (recorded: openrouter.jsonl, streaming)."""
    detail: dict[str, Any] = {"type": "reasoning.text"}
    if text is not None:
        detail["text"] = text
    if signature:
        detail["signature"] = signature
    return Raw(_ENCODER.encode({**detail, "format": CLAUDE, "index": index}))


def hidden(data: str, index: int) -> Raw:
    """A `redacted_thinking` block of Claude's own."""
    return Raw(_ENCODER.encode({"type": "reasoning.encrypted", "data": data, "format": CLAUDE, "index": index}))


def signed(details: Iterable[Raw]) -> list[tuple[str, str | None]]:
    """Whole items of one message -> the thoughts that Claude can check, in order: text and its signature, or what is
    hidden and None. Reasoning of other models, and what is not signed, is left out: Claude's servers refuse it."""
    found: list[tuple[str, str | None]] = []
    for raw in details:
        detail = msgspec.json.decode(raw)
        if not isinstance(detail, dict) or detail.get("format") != CLAUDE:
            continue
        data, signature = detail.get("data"), detail.get("signature")
        if detail.get("type") == "reasoning.encrypted" and isinstance(data, str):
            found.append((data, None))
        elif detail.get("type") == "reasoning.text" and isinstance(signature, str) and signature:
            found.append((str(detail.get("text") or ""), signature))
    return found
