"""What OpenAI's formats share: errors, usage, and how a wrong field is named."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tollway.simulator.answer import Answer
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats.base import Frame, Kind, Refused
from tollway.simulator.hints import Said
from tollway.simulator.usage import Counts, counts, half

# type and code as the recorded errors have them; the messages are our own.
_BY_STATUS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", None),
    405: ("invalid_request_error", "method_not_supported"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
    529: ("overloaded_error", "overloaded"),
}
_AT = re.compile(r" - at `\$\.?([^`]*)`$")


def refusal(refused: Refused, said: Said) -> dict[str, Any]:
    """OpenAI's error body: `{"error": {"message", "type", "param", "code"}}`, with a hint in it if there is one."""
    kind, code = _BY_STATUS.get(
        refused.status, ("server_error" if refused.status >= 500 else "invalid_request_error", None)
    )
    return {
        "error": {
            "message": refused.message + said.words,
            "type": refused.kind or kind,
            "param": refused.param,
            "code": refused.code or code,
            **said.fields,
        }
    }


def unreadable(error: msgspec.DecodeError) -> Refused:
    """What msgspec says about a body -> what OpenAI would say about it."""
    if not isinstance(error, msgspec.ValidationError):
        return Refused(400, "We could not parse the JSON body of your request: it is not valid JSON.")
    words = str(error)
    param = found[1] if (found := _AT.search(words)) else None
    words = _AT.sub("", words)
    if missing := re.match(r"Object missing required field `(\w+)`", words):
        name = f"{param}.{missing[1]}" if param else missing[1]
        return Refused(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    if bound := re.match(r"Expected `(int|float)` ([<>]=?) (\S+)", words):
        side = "below_min" if bound[2].startswith(">") else "above_max"
        kind = "integer" if bound[1] == "int" else "decimal"
        text = f"Invalid '{param}': {kind} {side.replace('_', ' ')}imum value. Expected a value {bound[2]} {bound[3]}."
        return Refused(400, text, param=param, code=f"{kind}_{side}_value")
    if words.startswith(("Invalid enum value", "Invalid value")):
        return Refused(400, f"Invalid value for '{param}': {words[:200]}.", param=param, code="invalid_value")
    return Refused(400, f"Invalid type for '{param or 'body'}': {words[:200]}.", param=param, code="invalid_type")


def failure(refused: Refused, said: Said, sent: int) -> tuple[Frame, ...]:
    """An error inside a stream: the body of an error as an event."""
    return (Frame(Kind.ERROR, msgspec.json.encode(refusal(refused, said))),)


def usage(counts: Counts) -> dict[str, Any]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.total,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def usage_events(head: bytes, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """The events that report usage at a stream's end, each a chunk without choices."""
    reported = counts(answer, behaviour)
    for each in (half(answer), reported) if behaviour.usage == "twice" else (reported,):
        if each is not None:
            yield Frame(Kind.USAGE, head + b',"choices":[],"usage":' + msgspec.json.encode(usage(each)) + b"}")
