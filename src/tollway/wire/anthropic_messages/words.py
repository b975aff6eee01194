"""The format's words and ours: why an answer ended, which tier served it, which blocks a caller's tools make."""

from tollway.domain.catalog import WireFormat

FORMAT = WireFormat.ANTHROPIC_MESSAGES.value

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""`stop_reason` -> our finish reason. Any other word is "stop"."""

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "error": "end_turn",
}
"""Our finish reason -> `stop_reason`, where the answer did not come with one of the format's own words."""

TIERS = {"standard": "default"}
"""`usage.service_tier` -> OpenAI's name of the tier that served; the others are named alike."""


def tier_word(tier: str | None) -> str:
    """The tier that served, as the format says it: it knows two besides the usual one (OPENROUTER.md 9.3)."""
    return tier if tier in ("priority", "batch") else "standard"


def stop_reason(reason: str | None, native: str | None) -> str | None:
    """The format's word for an end."""
    if native is not None and REASONS.get(native) == reason:
        return native
    return None if reason is None else STOP_REASONS.get(reason, "end_turn")
