"""Anthropic's Messages where we ask: requests out, answers, streams, counts and errors in."""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from tollway.domain.chat import MediaKind
from tollway.domain.events import Answer, Event, Failed
from tollway.wire.anthropic_messages.request import encode_count_request, encode_request
from tollway.wire.anthropic_messages.schema import Message
from tollway.wire.anthropic_messages.stream import EventDecoder
from tollway.wire.collect import collect
from tollway.wire.provider_errors import failed_body, failed_response, is_html

__all__ = [
    "COUNT_PATH",
    "HEADERS",
    "STREAM_TYPE",
    "EventDecoder",
    "decode_answer",
    "decode_count_answer",
    "decode_error",
    "encode_count_request",
    "encode_request",
    "path",
    "takes_url",
]

HEADERS: tuple[tuple[str, str], ...] = (("anthropic-version", "2023-06-01"),)
STREAM_TYPE = "text/event-stream"
COUNT_PATH = "/messages/count_tokens"
"""What is appended to a provider's base URL to have tokens counted."""


def takes_url(kind: MediaKind, url: str) -> bool:
    """Images and PDFs have a source of type `url`."""
    return True


def path(upstream_model: str, stream: bool) -> str:
    """What is appended to a provider's base URL, which ends in `/v1`."""
    return "/messages"


def decode_answer(body: bytes) -> Answer | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error object (FAULTS.md U-21), a page, cut JSON.

    Equal to `collect` of the events that the same answer would have streamed.
    """
    try:
        message = Message.of(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if is_html(body):
            return failed_body(body, 502)
        try:
            message = Message.of(msgspec.json.decode(body.decode("utf-8", "replace")))
        except (msgspec.MsgspecError, RecursionError):
            return _broken(body)
    if message.error is not None or message.content is None:
        return failed_body(body, 502)
    events: list[Event] = []
    EventDecoder().take_whole(message, events)
    return collect(events)


def decode_error(status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed:
    """An answer of another status. `headers` finds a value by lower-case name; `now_s` is Unix time, for dates."""
    return failed_response(status, headers, body, now_s=now_s)


class _Count(Struct):
    input_tokens: int


def decode_count_answer(body: bytes) -> int | Failed:
    """The body of a count of status 200 -> tokens."""
    try:
        return msgspec.json.decode(body, type=_Count).input_tokens
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)


def _broken(body: bytes) -> Failed:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Failed(502, "The provider's answer is not valid JSON.")
    if isinstance(value, dict) and "content" not in value:
        return failed_body(body, 502)
    return Failed(502, "The provider's answer is not of the Messages format.")
