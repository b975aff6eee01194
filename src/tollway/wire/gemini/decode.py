"""A body that a client sends in Google's format -> ChatRequest."""

from typing import Any, Literal

import msgspec
from msgspec import Raw

from tollway.domain.chat import ChatRequest, Message
from tollway.domain.errors import InvalidRequest
from tollway.wire.gemini import schema
from tollway.wire.gemini.functions import read_choice, read_tools
from tollway.wire.gemini.generation_config import read_config
from tollway.wire.gemini.messages import Reader, read_system
from tollway.wire.gemini.names import made_equal
from tollway.wire.json_body import decode_body, invalid

_ANY = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()

SERVICE_TIERS: dict[str, Literal["default", "flex", "priority"]] = {
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
}
"""Google's word -> ours."""


def decode_request(body: bytes) -> ChatRequest:
    """The body of `models/<model>:generateContent`; the model and whether to stream are in the URL.

    `extra` holds every field as it came, under its camelCase name: `encode_request` sends a field in those words
    again, to Google, while the request still means the same. InvalidRequest names the field that is wrong.
    """
    return read_request(made_equal(decode_body(body, _ANY)))


def read_request(fields: dict[str, Any]) -> ChatRequest:
    """The same, of a decoded body whose names are made equal."""
    try:
        asked = msgspec.convert(fields, schema.Body)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    if not asked.contents:
        raise InvalidRequest("contents: at least one content is required", param="contents")
    messages: list[Message] = []
    system = read_system(asked.system_instruction, fields.get("systemInstruction"))
    if system is not None:
        messages.append(system)
    for _, read in read_contents(asked.contents, fields["contents"]):
        messages += read
    changes = read_config(asked.generation_config) if asked.generation_config is not None else {}
    searches = any(tool.google_search is not None for tool in asked.tools or ())
    return ChatRequest(
        messages=tuple(messages),
        model=asked.model.removeprefix("models/") or None if asked.model else None,
        tools=read_tools(asked.tools, fields.get("tools") or []),
        tool_choice=read_choice(asked.tool_config),
        web_search_options={} if searches else None,
        service_tier=SERVICE_TIERS.get((asked.service_tier or "").lower()),
        routing=asked.routing,
        extra={name: Raw(_ENCODER.encode(value)) for name, value in fields.items() if name not in ("model", "routing")},
        **changes,
    )


def read_contents(
    contents: list[schema.Content], raw: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], tuple[Message, ...]]]:
    """Each content as it came, and the messages that it is."""
    reader = Reader()
    return [
        (fields, reader.read(place, content, fields))
        for place, (content, fields) in enumerate(zip(contents, raw, strict=True))
    ]
