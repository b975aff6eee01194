"""What a provider says when it fails, in any shape -> Failed: status, message, code, and when to come back."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import msgspec

from tollway.domain.events import Failed
from tollway.wire.retry_hints import retry_after_s

MESSAGE_MAX = 200
_HTML = re.compile(r"(?is)<(script|style|head)\b.*?(?:</\1\s*>|\Z)|<[^<>]{0,4096}>|<!--.*?(?:-->|\Z)")
_LOOKS_LIKE_HTML = re.compile(rb"(?i)\A\s*<(?:!doctype|html|head|body|\?xml|[a-z])")

_WORDS = ("message", "detail", "msg", "Message")
"""Where an error's text stands; the last is what AWS's edges write."""
_STATUS_BY_WORD = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "insufficient_quota": 429,
    "resource_exhausted": 429,
    "overloaded_error": 503,
    "overloaded": 503,
    "unavailable": 503,
    "service_unavailable": 503,
    "engine_overloaded": 503,
    "timeout": 504,
    "timeout_error": 504,
    "deadline_exceeded": 504,
    "invalid_request_error": 400,
    "invalid_request": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "invalid_argument": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "server_error": 500,
    "api_error": 500,
    "internal_server_error": 500,
    "internalservererror": 500,
}


def failed_response(status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed:
    """An answer of status 4xx or 5xx. `headers` finds a value by its lower-case name. Never raises."""
    failed = failed_body(body, status)
    wait = retry_after_s(headers, body, now_s=now_s)
    return Failed(status=status, message=failed.message, code=failed.code, retry_after_s=wait)


def failed_body(body: bytes, status: int) -> Failed:
    """A body that is an error, JSON of any shape, HTML or plain text. `status` stands if the body names none."""
    if not is_html(body):
        try:
            value = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            value = None
        if value is not None and (failed := failed_value(value, status)) is not None:
            return failed
    return Failed(status=status, message=plain_text(body[:65_536]) or f"The provider answered with status {status}.")


def failed_value(value: Any, status: int = 502) -> Failed | None:
    """A decoded error in any of the known shapes, or None if nothing in it looks like one.

    `{"error": {...}}`, `{"error": "text"}`, vLLM's `{"object": "error", "message", "code"}`, Google's list of one,
    FastAPI's `{"detail"}`, Mistral's `{"message"}`, and the inner object alone.
    """
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        return Failed(status=status, message=_short(value)) if value.strip() else None
    if not isinstance(value, dict):
        return None
    inner = value.get("error")
    if isinstance(inner, dict):
        value = {**{name: value[name] for name in ("code", "status_code", "type") if name in value}, **inner}
    elif isinstance(inner, str) and inner.strip():
        value = {**value, "message": inner}
    elif inner is None and not any(value.get(name) for name in _WORDS):
        return None
    message = next((text for name in _WORDS if (text := _text(value.get(name)))), "")
    words = [
        word
        for word in (value.get("code"), _error_type(value), value.get("type"), value.get("status"))
        if isinstance(word, str) and word
    ]
    return Failed(
        status=_status(value, words, status),
        message=_short(message) or "The provider sent an error without a message.",
        code=words[0][:64] if words else (str(code) if isinstance(code := value.get("code"), int) else None),
    )


def _error_type(value: dict[str, Any]) -> Any:
    """OpenRouter's word, whose code is a number (OPENROUTER.md 12.3)."""
    metadata = value.get("metadata")
    return metadata.get("error_type") if isinstance(metadata, dict) else None


def is_html(body: bytes) -> bool:
    """Whether a body is a page for people, which a proxy in between sends (FAULTS.md U-29)."""
    return _LOOKS_LIKE_HTML.match(body[:512]) is not None


def plain_text(body: bytes) -> str:
    """The first 200 characters of what a person would read, without tags and control characters."""
    return _short(body.decode("utf-8", "replace"))


def _status(value: dict[str, Any], words: list[str], status: int) -> int:
    for name in ("status_code", "code", "status"):
        number = value.get(name)
        if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) == 3:
            number = int(number)
        if isinstance(number, int) and not isinstance(number, bool) and 400 <= number <= 599:
            return number
    for word in words:
        if (known := _STATUS_BY_WORD.get(word.lower())) is not None:
            return known
    return status


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _text(value[0].get("msg") or value[0].get("message"))
    if isinstance(value, dict):
        return _text(value.get("message") or value.get("msg") or value.get("detail"))
    return ""


def _short(text: str) -> str:
    if "<" in text:
        text = unescape(_HTML.sub(" ", text[:65_536]))
    text = "".join(character if character.isprintable() else " " for character in text[:4096])
    text = " ".join(text.split())
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "\N{HORIZONTAL ELLIPSIS}"
