"""OpenAI's moderations where we ask; Mistral's have the same URL and shape."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from tollway.domain.chat import NativePart
from tollway.domain.events import Failed
from tollway.domain.plain import Input, ModerationAnswer, ModerationRequest
from tollway.domain.quirks import Quirks
from tollway.wire.never_forwarded import forwarded
from tollway.wire.provider_errors import failed_body, failed_response

__all__ = ["HEADERS", "decode_answer", "decode_error", "encode_request", "inputs_max", "path"]

HEADERS: tuple[tuple[str, str], ...] = ()
_ENCODER = msgspec.json.Encoder()
decode_error = failed_response


class _Body(Struct):
    results: list[dict[str, Raw]] | None = None
    id: Any = None
    model: Any = None


_BODY = msgspec.json.Decoder(_Body)
_FLAGS = msgspec.json.Decoder(dict[str, Any])


def inputs_max(upstream_model: str, quirks: Quirks) -> int | None:
    """One request judges all."""
    return None


def path(upstream_model: str, request: ModerationRequest, quirks: Quirks) -> str:
    """What is appended to a provider's base URL."""
    return "/moderations"


def encode_request(
    request: ModerationRequest, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
) -> bytes:
    """The body of `POST /moderations`. Parts of several kinds are one input, and the whole `input`."""
    given = [_written(each) for each in request.inputs]
    extra = forwarded(request.extra, quirks.drop) if same_format else {}
    return _ENCODER.encode(extra | {"model": upstream_model, "input": given[0] if request.alone else given})


def decode_answer(
    body: bytes, request: ModerationRequest, upstream_model: str, tokens: str | None
) -> ModerationAnswer | Failed:
    """A body of status 200. Results pass as they came; `flagged` is added where only categories are told (Mistral)."""
    try:
        found = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failed_body(body, 502)
    if found.results is None:
        return failed_body(body, 502)
    if len(found.results) != len(request.inputs):
        return Failed(502, f"It judged {len(found.results)} of {len(request.inputs)} inputs.")
    return ModerationAnswer(
        results=tuple(_result(result) for result in found.results),
        upstream_id=found.id if isinstance(found.id, str) else None,
        model=found.model if isinstance(found.model, str) else None,
    )


def _written(given: Input) -> Any:
    if isinstance(given, str):
        return given
    return [part.native if isinstance(part, NativePart) else part for part in given]


def _result(result: dict[str, Raw]) -> Raw:
    if "flagged" in result:
        return Raw(_ENCODER.encode(result))
    try:
        flags = _FLAGS.decode(result.get("categories", Raw(b"{}")))
    except msgspec.ValidationError:
        flags = {}
    return Raw(_ENCODER.encode({"flagged": any(flag is True for flag in flags.values()), **result}))
