"""An Answer -> the JSON body of a message."""

from typing import Any

import msgspec

from tollway.domain.events import Answer, Choice
from tollway.wire.anthropic_messages.answer_writer import Writer, content_of
from tollway.wire.anthropic_messages.chunks import message_of, with_tier
from tollway.wire.anthropic_messages.words import FORMAT, stop_reason
from tollway.wire.expand import expand
from tollway.wire.native_fields import fields_of, said_by, written

_ENCODER = msgspec.json.Encoder()


def encode_answer(
    answer: Answer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """The message that the same answer's stream adds up to. The format has one choice, and no time of its making.

    `provider` None leaves the field out; `extra_fields` are added at the top level.
    """
    choice = answer.choices[0] if answer.choices else Choice()
    writer = Writer()
    steps = [*writer.steps(expand(Answer(choices=(choice,)))), *writer.close()]
    message = {
        **message_of(id, model, provider, None),
        "content": content_of(steps),
        "stop_reason": stop_reason(choice.finish_reason, choice.native_finish_reason),
        "stop_sequence": None,
        **said_by(FORMAT, choice.finish_details),
        **(extra_fields or {}),
    }
    body = _ENCODER.encode(message)[:-1] + b',"usage":' + with_tier(usage_json, answer.service_tier) + b"}"
    return written(body, fields_of(FORMAT, answer.native))
