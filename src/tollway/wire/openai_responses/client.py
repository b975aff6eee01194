"""OpenAI's Responses where we ask: requests out, answers, streams and errors in."""

from collections.abc import Callable

from tollway.domain.chat import MediaKind
from tollway.domain.events import Answer, Failed
from tollway.wire.collect import collect
from tollway.wire.openai_responses.request import encode_request
from tollway.wire.openai_responses.stream import EventDecoder, read_body
from tollway.wire.provider_errors import failed_response

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


def takes_url(kind: MediaKind, url: str) -> bool:
    """`image_url` and `file_url` are fetched by the provider."""
    return True


def path(upstream_model: str, stream: bool) -> str:
    """What is appended to a provider's base URL."""
    return "/responses"


def decode_answer(body: bytes) -> Answer | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error object, a failed response, a page.

    Equal to `collect` of the events that the same answer would have streamed.
    """
    events, failed = read_body(body)
    return collect(events) if failed is None else failed


def decode_error(status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed:
    """An answer of another status. `headers` finds a value by lower-case name; `now_s` is Unix time, for dates."""
    return failed_response(status, headers, body, now_s=now_s)
