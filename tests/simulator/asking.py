"""The same question in each wire format of the simulator, as raw requests; and what comes back, taken apart."""

import json
import struct
from typing import Any
from zlib import crc32

from msgspec import Struct

from tests.simulator.scene import exchange, parts, post
from tollway.simulator import Simulator

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
PROMPT = "Hello there"


class Asking(Struct, frozen=True):
    """How a format is asked: URLs, a body, what is added to it for a stream, and to be thought about."""

    path: str
    body: dict[str, Any]
    streams: dict[str, Any] = {}
    path_stream: str = ""
    thinks: dict[str, Any] = {}
    headers: dict[str, str] = {}
    key_header: str = "authorization"


_FUNCTION = {"name": "look", "description": "Looks.", "parameters": SCHEMA}
_CHAT_TOOL = {"type": "function", "function": _FUNCTION}
_MESSAGES = [{"role": "user", "content": PROMPT}]
_GEMINI = {
    "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
    "tools": [{"functionDeclarations": [{"name": "look", "description": "Looks.", "parametersJsonSchema": SCHEMA}]}],
}
_THOUGHTS = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}

ASKED: dict[str, Asking] = {
    "openai_chat": Asking(
        "/v1/chat/completions",
        {"model": "m", "messages": _MESSAGES, "tools": [_CHAT_TOOL]},
        {"stream": True, "stream_options": {"include_usage": True}},
    ),
    "openai_responses": Asking(
        "/v1/responses",
        {"model": "m", "input": PROMPT, "tools": [{"type": "function", "strict": True, **_FUNCTION}]},
        {"stream": True},
        thinks={"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
    ),
    "anthropic_messages": Asking(
        "/v1/messages",
        {
            "model": "m",
            "max_tokens": 4000,
            "messages": _MESSAGES,
            "tools": [{"name": "look", "description": "Looks.", "input_schema": SCHEMA}],
        },
        {"stream": True},
        thinks={"thinking": {"type": "enabled", "budget_tokens": 1024}},
        headers={"anthropic_version": "2023-06-01"},
        key_header="x-api-key",
    ),
    "gemini": Asking(
        "/v1beta/models/m:generateContent",
        _GEMINI,
        path_stream="/v1beta/models/m:streamGenerateContent?alt=sse",
        thinks=_THOUGHTS,
        key_header="x-goog-api-key",
    ),
    "gemini array": Asking(
        "/v1beta/models/m:generateContent",
        _GEMINI,
        path_stream="/v1beta/models/m:streamGenerateContent",
        thinks=_THOUGHTS,
        key_header="x-goog-api-key",
    ),
    "bedrock_converse": Asking(
        "/model/m/converse",
        {
            "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": SCHEMA}}}]
            },
        },
        path_stream="/model/m/converse-stream",
        thinks={"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    ),
    "cohere_chat": Asking(
        "/v2/chat",
        {"model": "m", "messages": _MESSAGES, "tools": [_CHAT_TOOL]},
        {"stream": True},
        thinks={"thinking": {"type": "enabled"}},
    ),
}

OF_API = {
    "messages": "anthropic_messages",
    "responses": "openai_responses",
    "generate_content": "gemini",
    "converse": "bedrock_converse",
    "cohere_chat": "cohere_chat",
}
"""What the recordings call an api -> our name of the format."""


async def ask(
    simulator: Simulator,
    name: str,
    told: str,
    *,
    stream: bool = False,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> tuple[int, dict[str, str], bytes]:
    """One request in a format, told so and so -> status, headers, body. It asks for thoughts if it is told of them."""
    asking = ASKED[name]
    sent = {
        **asking.body,
        **(asking.thinks if "reasoning=" in told else {}),
        **(asking.streams if stream else {}),
        **body,
    }
    path = asking.path_stream if stream and asking.path_stream else asking.path
    given = {**asking.headers, **(headers or {})}
    answer, _ = await exchange(simulator, post(sent, path, connection="close", x_simulate=told, **given))
    return parts(answer)


async def answer_of(simulator: Simulator, name: str, told: str, **body: Any) -> Any:
    """The JSON of a good answer."""
    status, _, answer = await ask(simulator, name, told, **body)
    assert status == 200, answer
    return json.loads(answer)


async def frames_of(simulator: Simulator, name: str, told: str, **body: Any) -> list[tuple[str, Any]]:
    """The events of a good stream, each with its type."""
    status, headers, answer = await ask(simulator, name, told, stream=True, **body)
    assert status == 200, answer
    return frames(headers["content-type"], answer)


def frames(content_type: str, body: bytes) -> list[tuple[str, Any]]:
    """A stream's events, each with its type, however it is framed. AssertionError: a frame is not whole."""
    if content_type.startswith("application/vnd.amazon.eventstream"):
        return list(event_stream(body))
    if content_type.startswith("application/json"):
        return [("", each) for each in json.loads(body)]
    found: list[tuple[str, Any]] = []
    blocks = body.decode().split("\n\n")
    assert blocks[-1] == "", "the last event is not whole"
    for block in blocks[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields.get("data") == "[DONE]":
            found.append(("[DONE]", None))
        elif fields:
            found.append((fields.get("event", ""), json.loads(fields["data"])))
    return found


def event_stream(data: bytes) -> list[tuple[str, Any]]:
    """AWS's messages, read by their specification: both checksums, headers of type string, a JSON payload."""
    found: list[tuple[str, Any]] = []
    while data:
        total, header_bytes, prelude = struct.unpack(">III", data[:12])
        assert prelude == crc32(data[:8])
        assert struct.unpack(">I", data[total - 4 : total])[0] == crc32(data[: total - 4])
        raw, headers = data[12 : 12 + header_bytes], {}
        while raw:
            end = 1 + raw[0]
            assert raw[end] == 7
            length = struct.unpack(">H", raw[end + 1 : end + 3])[0]
            headers[raw[1:end].decode()] = raw[end + 3 : end + 3 + length].decode()
            raw = raw[end + 3 + length :]
        kind = headers[f":{headers[':message-type']}-type"]
        assert headers[":content-type"] == "application/json"
        found.append((kind, json.loads(data[12 + header_bytes : total - 4])))
        data = data[total:]
    return found


def said(found: list[tuple[str, Any]]) -> str:
    """The text of a stream of any format."""
    return "".join(filter(None, (_piece(kind, event) for kind, event in found)))


def _piece(kind: str, event: Any) -> str | None:
    match kind, event:
        case "", {"choices": [{"delta": {"content": str() as text}}]}:
            return text
        case "response.output_text.delta", {"delta": text}:
            return str(text)
        case "content_block_delta", {"delta": {"text": text}}:
            return str(text)
        case "", {"candidates": [{"content": {"parts": [part]}}]} if not part.get("thought"):
            return str(part.get("text", ""))
        case "contentBlockDelta", {"delta": {"text": text}}:
            return str(text)
        case "content-delta", {"delta": {"message": {"content": {"text": text}}}}:
            return str(text)
    return None
