"""An Answer -> the JSON body of a chat completion, with every field that the official clients insist on."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tollway.domain.catalog import WireFormat
from tollway.domain.events import Answer, Choice
from tollway.wire.native_fields import fields_of, written
from tollway.wire.openai_chat.unknown import put_back

_ENCODER = msgspec.json.Encoder()
FORMAT = WireFormat.OPENAI_CHAT.value


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
    """OPENROUTER.md 3.3 and 15: `system_fingerprint` is always there, `created` is whole seconds.

    `provider` None leaves the field out (OpenAI's own manner); `extra_fields` are added at the top level.
    """
    encode, choices = _ENCODER.encode, answer.choices
    body = encode(
        _Body(
            id,
            "chat.completion",
            created,
            model,
            UNSET if provider is None else provider,
            answer.system_fingerprint,
            UNSET if answer.service_tier is None else answer.service_tier,
            [_choice(choices[0])] if len(choices) == 1 else [_choice(choice) for choice in choices],
            Raw(usage_json),
        )
    )
    if extra_fields:
        body = body[:-1] + b"," + encode(extra_fields)[1:]
    return body if answer.native is None else written(body, fields_of(FORMAT, answer.native))


class _Message(Struct, tag_field="role", tag="assistant"):
    """Fields without a default are always there, whatever they say."""

    content: str | None
    refusal: str | None
    reasoning: str | None
    reasoning_details: Any = UNSET
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET
    images: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET
    annotations: Raw | UnsetType = UNSET


class _Choice(Struct):
    index: int
    logprobs: Raw | None
    finish_reason: str | None
    native_finish_reason: str | None
    message: _Message


class _Body(Struct):
    id: str
    object: str
    created: int
    model: str
    provider: str | UnsetType
    system_fingerprint: str | None
    service_tier: str | UnsetType
    choices: list[_Choice | Raw]
    usage: Raw


def details_of(text: str | None) -> tuple[dict[str, Any], ...]:
    """The details of thoughts of which there is only the text (recorded: openrouter.jsonl, with_reasoning)."""
    return ({"type": "reasoning.text", "text": text, "format": "unknown", "index": 0},) if text else ()


def _choice(choice: Choice) -> _Choice | Raw:
    # null beside tool calls, as OpenAI has it; a string otherwise, which is what clients print.
    text = choice.text if choice.text is not None or choice.tool_calls else ""
    message = _Message(text, choice.refusal, choice.reasoning)
    if choice.reasoning_details or choice.reasoning:
        message.reasoning_details = choice.reasoning_details or details_of(choice.reasoning)
    if choice.tool_calls:
        message.tool_calls = [_call(index, call) for index, call in enumerate(choice.tool_calls)]
    if choice.images is not None:
        message.images = choice.images
    if choice.audio is not None:
        message.audio = choice.audio
    if choice.annotations is not None:
        message.annotations = choice.annotations
    whole = _Choice(choice.index, choice.logprobs, choice.finish_reason, choice.native_finish_reason, message)
    if not choice.natives:
        return whole
    natives = [piece.value for piece in choice.natives if piece.format == FORMAT and piece.value is not None]
    return Raw(_with_natives(_ENCODER.encode(whole), natives)) if natives else whole


def _with_natives(body: bytes, natives: list[Raw]) -> bytes:
    """A choice with the fields that its provider had besides."""
    choice = msgspec.json.decode(body)
    message = choice.pop("message")
    for native in natives:
        message, choice = put_back(message, choice, msgspec.json.decode(native))
    return _ENCODER.encode({**choice, "message": message})


def _call(index: int, call: Any) -> dict[str, Any]:
    value = {
        "index": index,
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.custom:
        value = {
            "index": index,
            "id": call.id,
            "type": "custom",
            "custom": {"name": call.name, "input": call.arguments},
        }
    if call.extra_content is not None:
        value["extra_content"] = call.extra_content
    return value
