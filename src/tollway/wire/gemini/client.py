"""Google's format where we ask: requests out, answers, streams and errors in."""

from collections.abc import Callable

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.chat import MediaKind
from tollway.domain.events import Answer, Event, Failed
from tollway.wire.collect import collect
from tollway.wire.gemini.count_tokens import count_path, decode_count, encode_count_request
from tollway.wire.gemini.request import encode_request
from tollway.wire.gemini.stream import EventDecoder, read_reply, says_something
from tollway.wire.provider_errors import failed_body, failed_response, is_html

__all__ = [
    "HEADERS",
    "STREAM_TYPE",
    "EventDecoder",
    "count_path",
    "decode_answer",
    "decode_count",
    "decode_error",
    "encode_count_request",
    "encode_request",
    "path",
    "takes_url",
]

HEADERS: tuple[tuple[str, str], ...] = ()
FILE_STORE = "https://generativelanguage.googleapis.com/"
"""Where files that were uploaded have their addresses (Gemini API, "Files")."""
STREAM_TYPE = "text/event-stream"


def takes_url(kind: MediaKind, url: str) -> bool:
    """Google AI Studio takes its own file store's addresses and videos of YouTube; the rest must be sent."""
    return url.startswith(FILE_STORE)


def path(upstream_model: str, stream: bool) -> str:
    """Behind `.../v1beta`, or on Vertex behind `.../locations/<location>/publishers/google`.

    A model may bring its own collection (`tunedModels/x`).
    """
    place = upstream_model if "/" in upstream_model else f"models/{upstream_model}"
    return f"/{place}:streamGenerateContent?alt=sse" if stream else f"/{place}:generateContent"


def decode_answer(body: bytes) -> Answer | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error object, a page, cut JSON.

    Equal to `collect` of the events that the same answer would have streamed.
    """
    read = read_reply(body) if not is_html(body) else None
    replies = read if isinstance(read, list) else [read] if read is not None else []
    if not replies:
        return failed_body(body, 502) if is_html(body) or _is_json(body) else _CUT
    if any(reply.error is not None or not says_something(reply) for reply in replies):
        return failed_body(body, 502)
    events: list[Event] = []
    decoder = EventDecoder()
    for reply in replies:
        decoder.take(reply, events)
    decoder.take_whole(events)
    return collect(events)


_CUT = Failed(502, "The provider's answer is not valid JSON.")


def decode_error(status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed:
    """An answer of another status. `headers` finds a value by lower-case name; `now_s` is Unix time, for dates.

    Google answers a wrong key with 400; it is the 401 that others send.
    """
    failed = failed_response(status, headers, body, now_s=now_s)
    return replace(failed, status=401) if status == 400 and b"API_KEY_INVALID" in body else failed


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
