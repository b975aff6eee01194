"""An Answer -> the JSON body of a response."""

from typing import Any

import msgspec

from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.events import Answer
from tollway.wire.expand import expand
from tollway.wire.native_fields import fields_of, written
from tollway.wire.openai_responses.output import Output
from tollway.wire.openai_responses.result import INCOMPLETE, Result

_ENCODER = msgspec.json.Encoder()


def encode_answer(
    answer: Answer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes | None,
    request: ChatRequest | None = None,
    completed_at: int | None = None,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """OPENROUTER.md 6.2. `request` is what the response repeats; `created` and `completed_at` are Unix seconds.

    A format without several choices: the first is written.
    """
    result = Result(id=id, created=created, model=model, provider=provider, request=request, extra_fields=extra_fields)
    output = Output(id, _quietly)
    output.take(expand(answer))
    why = INCOMPLETE.get(output.finish_reason or "")
    failed = output.finish_reason == "error"
    status = "failed" if failed else "incomplete" if why else "completed"
    output.close("completed" if status == "completed" else "incomplete")
    body = _ENCODER.encode(
        result.write(
            status,
            output.items,
            usage=usage_json,
            service_tier=answer.service_tier,
            completed_at=None if why else completed_at,
            incomplete=why,
            error={"code": "server_error", "message": "The provider failed before its answer was whole."}
            if failed
            else None,
        )
    )
    return written(body, fields_of(WireFormat.OPENAI_RESPONSES, answer.native))


def _quietly(kind: str, **fields: Any) -> None:
    """A whole body tells nothing on the way."""
