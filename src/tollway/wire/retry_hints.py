"""When a provider wants to be asked again: every format of hint that they use (FAULTS.md, section 2)."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_MAX_S = 3600.0
"""A clock that is wrong must not close an endpoint for a day (FAULTS.md U-37)."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PIECE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h|d)")
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?")
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,10}(?:\.\d{1,12})?)s"')
_TRY_AGAIN = re.compile(
    rb"(?:try again in|retry after|retry in)\s+(\d{1,10}(?:\.\d{1,12})?)\s*"
    rb"(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h)?"
    rb"(?:(\d{1,10}(?:\.\d{1,12})?)s)?",
    re.IGNORECASE,
)
_BODY_MAX = 65_536

_DIMENSIONS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
)
"""(what is left, when it is filled again). A reset counts only where nothing is left."""


def retry_after_s(headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> float | None:
    """The longest wait that a refusal asks for, from 0 to 3600 seconds, or None. Never raises.

    `headers` finds a value by its lower-case name; `now_s` is Unix time, which dates and epochs are measured against.
    """
    hints = [_milliseconds(headers("retry-after-ms")), _retry_after(headers("retry-after"), now_s)]
    for remaining, reset in _DIMENSIONS:
        value = headers(reset)
        if value is not None and _is_spent(headers(remaining)):
            hints.append(_reset(value, now_s))
    hints.extend(_in_body(body[:_BODY_MAX]))
    known = [hint for hint in hints if hint is not None]
    return max(known) if known else None


def _bounded(seconds: float) -> float | None:
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_MAX_S)


def _number(text: str | None) -> float | None:
    if text is None or not _NUMBER.fullmatch(text := text.strip()):
        return None
    return float(text)


def _milliseconds(text: str | None) -> float | None:
    number = _number(text)
    return None if number is None or number < 0 else _bounded(number / 1000)


def _retry_after(text: str | None, now_s: float) -> float | None:
    """Seconds, whole or not, or an HTTP date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    number = _number(text)
    if number is not None:
        return None if number < 0 else _seconds_or_epoch(number, now_s)
    try:
        date = parsedate_to_datetime(text.strip()[:64])
        return _until(date, now_s)
    except (ValueError, TypeError, IndexError, OverflowError):
        return _duration(text)


def _reset(text: str, now_s: float) -> float | None:
    """`6m0s`, `12ms`, bare seconds, an epoch, or RFC 3339. Azure's -1 and 0 say "unknown"."""
    number = _number(text)
    if number is not None:
        return None if number <= 0 else _seconds_or_epoch(number, now_s)
    duration = _duration(text)
    if duration is not None:
        return duration
    try:
        return _until(datetime.fromisoformat(text.strip()[:64]), now_s)
    except (ValueError, OverflowError):
        return None


def _seconds_or_epoch(number: float, now_s: float) -> float | None:
    if number > 1e12:
        return _bounded(number / 1000 - now_s)
    if number > 1e9:
        return _bounded(number - now_s)
    return _bounded(number)


def _until(date: datetime, now_s: float) -> float | None:
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return _bounded(date.timestamp() - now_s)


def _duration(text: str) -> float | None:
    text = text.strip().lower()
    if not text or len(text) > 64 or _PIECE.sub("", text):
        return None
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text)))


def _is_spent(remaining: str | None) -> bool:
    number = _number(remaining)
    return number is None or number <= 0


def _in_body(body: bytes) -> list[float | None]:
    """Google's `RetryInfo`, and sentences such as "Please try again in 41.724s" or "in 6m0s"."""
    hints = [_bounded(float(match)) for match in _RETRY_DELAY.findall(body)]
    for number, unit, seconds in _TRY_AGAIN.findall(body):
        word = unit.decode().lower()
        scale = 0.001 if word.startswith(("ms", "mil")) else {"m": 60.0, "h": 3600.0}.get(word[:1], 1.0)
        hints.append(_bounded(float(number) * scale + (float(seconds) if seconds else 0.0)))
    return hints
