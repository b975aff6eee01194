"""Cohere's chat where we ask: requests out, answers, streams and errors in."""

from collections.abc import Callable

import msgspec

from tollway.domain.chat import MediaKind
from tollway.domain.events import Answer, Event, Failed
from tollway.wire.cohere_chat.request import encode_request
from tollway.wire.cohere_chat.schema import Body, Message
from tollway.wire.cohere_chat.stream import EventDecoder
from tollway.wire.collect import collect
from tollway.wire.provider_errors import failed_body, failed_response

__all__ = [
    "HEADERS",
    "STREAM_TYPE",
    "EventDecoder",
    "decode_answer",
    "decode_error",
    "encode_request",
    "path",
    "takes_url",
]

HEADERS: tuple[tuple[str, str], ...] = ()
STREAM_TYPE = "text/event-stream"

_BODY = msgspec.json.Decoder(Body)


def takes_url(kind: MediaKind, url: str) -> bool:
    """Images have an address or data; of files only their text is sent, so they have to be here."""
    return kind == "image"


def path(upstream_model: str, stream: bool) -> str:
    """What is appended to a provider's base URL, which ends in `/v2`."""
    return "/chat"


def decode_answer(body: bytes) -> Answer | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error (FAULTS.md U-21), a page, cut JSON.

    Equal to `collect` of the events that the same answer would have streamed.
    """
    try:
        whole = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            whole = _BODY.decode(body.decode("utf-8", "replace").encode())
        except (msgspec.MsgspecError, RecursionError):
            return failed_body(body, 502)
    if not isinstance(whole.message, Message):
        return failed_body(body, 502)
    events: list[Event] = []
    EventDecoder().take_whole(whole, events)
    failed = next((event for event in events if isinstance(event, Failed)), None)
    return failed if failed is not None else collect(events)


def decode_error(status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed:
    """An answer of another status. `headers` finds a value by lower-case name; `now_s` is Unix time, for dates."""
    return failed_response(status, headers, body, now_s=now_s)
