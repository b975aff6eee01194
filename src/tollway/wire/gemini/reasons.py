"""finishReason and blockReason <-> our reasons for an end."""

BLOCKED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "JAILBREAK",
        "ESCALATION",
    }
)
"""Of an answer, or of a prompt."""

BROKEN = frozenset(
    {
        "LANGUAGE",
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "IMAGE_OTHER",
        "NO_IMAGE",
    }
)
"""The model could not go on."""

KNOWN = BLOCKED | BROKEN | {"STOP", "MAX_TOKENS"}

_WRITTEN = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "error": "OTHER",
}


def reason_of(native: str, has_calls: bool) -> str:
    """Google says STOP also where the model calls functions; a call of one that is not declared is still a call."""
    if native == "MAX_TOKENS":
        return "length"
    if native in BLOCKED:
        return "content_filter"
    if has_calls:
        return "tool_calls"
    return "error" if native in BROKEN else "stop"


def native_of(reason: str, native: str | None) -> str:
    """Google's own word, where the answer came from there, or the one for our reason."""
    if native is not None and native in KNOWN:
        return native
    return _WRITTEN.get(reason, "STOP")
