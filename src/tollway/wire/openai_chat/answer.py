"""An Answer -> the JSON body of a chat completion, with every field that the official clients insist on."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.catalog import WireFormat
from tollway.domain.events import Answer, Choice
from tollway.wire.native_fields import fields_of, written
from tollway.wire.openai_chat.unknown import put_back

_ENCODER = msgspec.json.Encoder()
FORMAT = WireFormat.OPENAI_CHAT.value
_TAIL = b"}"


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
    encode = _ENCODER.encode
    parts = [
        b'{"id":',
        encode(id),
        b',"object":"chat.completion","created":%d,"model":' % created,
        encode(model),
    ]
    if provider is not None:
        parts += (b',"provider":', encode(provider))
    parts += (b',"system_fingerprint":', encode(answer.system_fingerprint))
    if answer.service_tier is not None:
        parts += (b',"service_tier":', encode(answer.service_tier))
    parts += (b',"choices":[', b",".join([_choice(choice) for choice in answer.choices]), b'],"usage":', usage_json)
    if extra_fields:
        parts += (b",", encode(extra_fields)[1:])
    else:
        parts.append(_TAIL)
    return written(b"".join(parts), fields_of(FORMAT, answer.native))


def details_of(text: str | None) -> tuple[dict[str, Any], ...]:
    """The details of thoughts of which there is only the text (recorded: openrouter.jsonl, with_reasoning)."""
    return ({"type": "reasoning.text", "text": text, "format": "unknown", "index": 0},) if text else ()


def _choice(choice: Choice) -> bytes:
    encode = _ENCODER.encode
    # null beside tool calls, as OpenAI has it; a string otherwise, which is what clients print.
    text = choice.text if choice.text is not None or choice.tool_calls else ""
    parts = [
        b'{"index":%d,"logprobs":' % choice.index,
        b"null" if choice.logprobs is None else bytes(choice.logprobs),
        b',"finish_reason":',
        encode(choice.finish_reason),
        b',"native_finish_reason":',
        encode(choice.native_finish_reason),
        b',"message":{"role":"assistant","content":',
        encode(text),
        b',"refusal":',
        encode(choice.refusal),
        b',"reasoning":',
        encode(choice.reasoning),
    ]
    if choice.reasoning_details or choice.reasoning:
        parts += (b',"reasoning_details":', encode(choice.reasoning_details or details_of(choice.reasoning)))
    if choice.tool_calls:
        parts += (b',"tool_calls":', encode([_call(index, call) for index, call in enumerate(choice.tool_calls)]))
    for name, value in ((b"images", choice.images), (b"audio", choice.audio), (b"annotations", choice.annotations)):
        if value is not None:
            parts += (b',"', name, b'":', bytes(value))
    parts.append(b"}}")
    natives = [piece.value for piece in choice.natives if piece.format == FORMAT and piece.value is not None]
    return _with_natives(b"".join(parts), natives) if natives else b"".join(parts)


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
