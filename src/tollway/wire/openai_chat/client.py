"""OpenAI's chat format where we ask: requests out, answers, streams and errors in."""

from collections.abc import Callable

import msgspec

from tollway.domain.chat import MediaKind
from tollway.domain.events import Answer, Choice, Event, Failed
from tollway.wire.collect import collect
from tollway.wire.openai_chat.request import encode_request
from tollway.wire.openai_chat.schema import Body
from tollway.wire.openai_chat.stream import EventDecoder, repaired
from tollway.wire.openai_chat.unknown import decoded, usage_rest
from tollway.wire.openai_chat.usage import read_usage
from tollway.wire.provider_errors import failed_body, failed_response, is_html

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
    """Images are fetched by the provider; a file is base64 in this format."""
    return kind == "image"


def path(upstream_model: str, stream: bool) -> str:
    """What is appended to a provider's base URL."""
    return "/chat/completions"


def decode_answer(body: bytes) -> Answer | Failed:
    """A whole body of status 200. What is no answer is a Failed: an error object (FAULTS.md U-21), a page, cut JSON.

    Equal to `collect` of the events that the same answer would have streamed.
    """
    try:
        answer = decoded(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if is_html(body):
            return failed_body(body, 502)
        try:
            answer = decoded(repaired(body))
        except (msgspec.MsgspecError, RecursionError):
            return _broken(body)
    if answer.error is not None or answer.choices is None:
        return failed_body(body, 502)
    if (plain := _plain_text(answer)) is not None:
        return plain
    events: list[Event] = []
    decoder = EventDecoder()
    decoder.take(answer, events)
    decoder.take_done(events)
    failed = next((event for event in events if isinstance(event, Failed)), None)
    return failed or collect(events)


def _plain_text(body: Body) -> Answer | None:
    """The usual answer, one choice of text that stopped by itself, without going through events; None: any other."""
    choices = body.choices
    if not choices or len(choices) > 1 or body.x_groq is not None:
        return None
    choice = choices[0]
    said = choice.message
    if (
        said is None
        or choice.index
        or choice.finish_reason not in PLAIN_REASONS
        or type(said.content) is not str
        or not said.content
        or choice.logprobs is not None
        or choice.error is not None
        or said.reasoning
        or said.reasoning_content
        or said.reasoning_details
        or said.refusal
        or said.tool_calls
        or said.function_call
        or said.images
        or said.audio
        or said.annotations
        or body.rest
        or choice.rest
        or usage_rest(body.usage)
    ):
        return None
    reason = choice.finish_reason
    whole = Choice(text=said.content, finish_reason=reason, native_finish_reason=choice.native_finish_reason or reason)
    return Answer(
        choices=(whole,),
        usage=read_usage(body.usage),
        upstream_id=body.id or None,
        model=body.model or None,
        system_fingerprint=body.system_fingerprint or None,
        service_tier=body.service_tier or None,
    )


PLAIN_REASONS = frozenset({"stop", "length"})


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
