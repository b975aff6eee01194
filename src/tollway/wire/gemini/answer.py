"""An Answer -> the JSON body of generateContent."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import Answer, Choice, Failed, Finished, NativeFields, Started, UpstreamBody, UsageReported
from tollway.wire.expand import expand
from tollway.wire.gemini.annotations import write_logprobs
from tollway.wire.gemini.chunks import envelope
from tollway.wire.gemini.pieces import FORMAT, Pieces, block_of, joined
from tollway.wire.gemini.usage import write_usage
from tollway.wire.native_fields import fields_of, written

_ENCODER = msgspec.json.Encoder()


def encode_answer(
    answer: Answer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes | None = None,
    cost_usd_json: bytes | None = None,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """`provider` and `cost_usd_json` None leave their fields out, which are not Google's; `created` has no place."""
    body: dict[str, Any] = {}
    block: dict[str, Any] | None = None
    candidates: list[dict[str, Any]] = []
    for choice in answer.choices:
        ended = Finished(choice.finish_reason or "stop", details=choice.finish_details)
        block = block or block_of(ended)
        candidates.append(_candidate(choice))
    if block is not None:
        body["promptFeedback"] = block
    else:
        body["candidates"] = candidates
    if usage_json is not None:
        body["usageMetadata"] = Raw(usage_json)
    elif answer.usage is not None:
        body["usageMetadata"] = write_usage(answer.usage)
    if cost_usd_json is not None:
        body["cost"] = Raw(cost_usd_json)
    whole = _ENCODER.encode(body | envelope(id=id, model=model, provider=provider) | (extra_fields or {}))
    return written(whole, fields_of(FORMAT, answer.native))


def _candidate(choice: Choice) -> dict[str, Any]:
    pieces = Pieces(choice.index)
    parts: list[dict[str, Any]] = []
    for event in expand(Answer(choices=(choice,))):
        if not isinstance(event, Started | UpstreamBody | UsageReported | NativeFields | Failed):
            parts += pieces.take(event)
    candidate: dict[str, Any] = {}
    if parts := joined(parts, whole=True):
        candidate["content"] = {"parts": parts, "role": "model"}
    if (logprobs := write_logprobs(choice.logprobs)) is not None:
        candidate["logprobsResult"] = logprobs
    return candidate | pieces.end()
