"""Bedrock's Converse where we ask: requests out, answers, event streams and errors in."""

from collections.abc import Callable
from urllib.parse import quote

from msgspec.structs import replace

from tollway.domain.chat import MediaKind
from tollway.domain.events import Answer, Event, Failed
from tollway.wire.bedrock_converse.request import encode_request
from tollway.wire.bedrock_converse.stream import EventDecoder, read_reply
from tollway.wire.collect import collect
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
STREAM_TYPE = "application/vnd.amazon.eventstream"


def takes_url(kind: MediaKind, url: str) -> bool:
    """Bytes, or a place in S3, which is asked of nobody else."""
    return False


def path(upstream_model: str, stream: bool) -> str:
    """What is appended to a provider's base URL, which ends after the host. An id may be an ARN, with slashes."""
    return f"/model/{quote(upstream_model, safe='')}/{'converse-stream' if stream else 'converse'}"


def decode_answer(body: bytes) -> Answer | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error object (FAULTS.md U-21), a page, cut JSON.

    Equal to `collect` of the events that the same answer would have streamed.
    """
    reply = read_reply(body)
    if isinstance(reply, Failed):
        return reply
    events: list[Event] = []
    EventDecoder().take_whole(reply, events)
    return collect(events)


def decode_error(status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed:
    """An answer of another status. `headers` finds a value by lower-case name; `now_s` is Unix time, for dates.

    The error's name stands in a header, before the address of a documentation: `ThrottlingException:http://...`.
    """
    failed = failed_response(status, headers, body, now_s=now_s)
    name = (headers("x-amzn-errortype") or "").partition(":")[0].strip()[:64]
    return replace(failed, code=name) if name else failed
