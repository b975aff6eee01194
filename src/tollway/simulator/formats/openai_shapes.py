"""What OpenAI's formats share: errors, usage, and how a wrong field is named."""

import re
from typing import Any

import msgspec

from tollway.simulator.answer import Answer
from tollway.simulator.behaviour import UsageKind
from tollway.simulator.formats.base import Refused
from tollway.simulator.hints import Said

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


def usage(answer: Answer, kind: UsageKind, cached: int = 0) -> dict[str, Any] | None:
    """OpenAI's usage object, true or false as `kind` says; None: there is none."""
    prompt, completion = answer.prompt_tokens, answer.completion_tokens
    match kind:
        case "none":
            return None
        case "zero":
            return _usage(0, 0, 0, 0)
        case "negative":
            return _usage(-prompt, -completion, 0, 0)
        case "huge":
            return _usage(10**15, 10**15, 0, 0)
        case "float":
            return _usage(prompt + 0.5, completion + 0.5, 0, 0)
        case "nan":
            return _usage(msgspec.Raw(b"NaN"), msgspec.Raw(b"NaN"), 0, 0, msgspec.Raw(b"NaN"))
        case "string":
            return _usage(str(prompt), str(completion), 0, 0, str(prompt + completion))
        case "full" | "twice":
            return _usage(prompt, completion, min(cached, prompt), answer.reasoning_tokens)


def half(answer: Answer) -> dict[str, Any]:
    """The first of two usages: a count that is not final."""
    return _usage(answer.prompt_tokens, answer.completion_tokens // 2, 0, 0)


def _usage(prompt: Any, completion: Any, cached: int, reasoning: int, total: Any = None) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
