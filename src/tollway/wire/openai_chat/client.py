"""OpenAI's chat format where we ask: requests out, answers, streams and errors in."""

from collections.abc import Callable

import msgspec

from tollway.domain.events import Answer, Event, Failed
from tollway.wire.collect import collect
from tollway.wire.openai_chat.request import encode_request
from tollway.wire.openai_chat.schema import Body
from tollway.wire.openai_chat.stream import EventDecoder, repaired
from tollway.wire.provider_errors import failed_body, failed_response, is_html

__all__ = ["PATH", "EventDecoder", "decode_answer", "decode_error", "encode_request"]

PATH = "/chat/completions"

_BODY = msgspec.json.Decoder(Body)


def decode_answer(body: bytes) -> Answer | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error object (FAULTS.md U-21), a page, cut JSON.

    Equal to `collect` of the events that the same answer would have streamed.
    """
    try:
        answer = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if is_html(body):
            return failed_body(body, 502)
        try:
            answer = _BODY.decode(repaired(body))
        except (msgspec.MsgspecError, RecursionError):
            return _broken(body)
    if answer.error is not None or answer.choices is None:
        return failed_body(body, 502)
    events: list[Event] = []
    decoder = EventDecoder()
    decoder.take(answer, events)
    decoder.take_done(events)
    failed = next((event for event in events if isinstance(event, Failed)), None)
    return failed or collect(events)


def decode_error(status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed:
    """An answer of another status. `headers` finds a value by lower-case name; `now_s` is Unix time, for dates."""
    return failed_response(status, headers, body, now_s=now_s)


def _broken(body: bytes) -> Failed:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Failed(502, "The provider's answer is not valid JSON.")
    if isinstance(value, dict) and "choices" not in value:
        return failed_body(body, 502)
    return Failed(502, "The provider's answer is not of the chat format.")
