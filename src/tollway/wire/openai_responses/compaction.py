"""`POST /responses/compact`, where we answer: a conversation in, its user's messages and a summary of the rest out.

The summary is the model's own, asked for in words, so that every model can make one and every model can read it. It
travels as the `encrypted_content` of a compaction item, as OpenAI's does, but is only packed: it hides nothing.
"""

import base64
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.chat import (
    AssistantMessage,
    ChatRequest,
    Content,
    Message,
    NativePart,
    TextPart,
    ToolMessage,
    UserMessage,
)
from tollway.domain.events import Answer
from tollway.wire.openai_responses import server
from tollway.wire.openai_responses.items import NOTE, PACKED
from tollway.wire.openai_responses.parts import write_content

__all__ = ["EventEncoder", "decode_request", "encode_answer", "usage_json"]

EventEncoder, usage_json = server.EventEncoder, server.usage_json

_ENCODER = msgspec.json.Encoder()
_COMPACTIONS = ("compaction", "context_compaction")
_ASKED = (
    "The conversation ends here for now, and will be continued by a model that sees the user's messages and your "
    "summary, but nothing else of the above. Write that summary: what was asked for and what was decided, what was "
    "done and found (with names, numbers, paths and errors as they are), what is still to do. Write the summary alone."
)


def decode_request(body: bytes) -> ChatRequest:
    """The body of `POST /responses/compact` -> a request for the summary. InvalidRequest: as for a response."""
    request = server.decode_request(body)
    return replace(
        request,
        messages=(*_told(request.messages), _note(_ASKED)),
        stream=None,
        tools=None,
        tool_choice=None,
        response_format=None,
        parallel_tool_calls=None,
        extra={name: value for name, value in request.extra.items() if name not in ("text", "tool_choice", "include")},
    )


def encode_answer(
    answer: Answer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes,
    request: ChatRequest,
    extra_fields: dict[str, Any] | None = None,
) -> bytes:
    """The compacted conversation: what goes into the next request's `input`, before what is new."""
    kept = [m for m in request.messages if isinstance(m, UserMessage) and NOTE not in (m.native or {})]
    output: list[dict[str, Any]] = [
        {"id": f"msg_{id}_{n}", "type": "message", "status": "completed", "role": "user", "content": _parts(m.content)}
        for n, m in enumerate(kept)
    ]
    summary = (answer.choices[0].text if answer.choices else None) or ""
    packed = PACKED + base64.urlsafe_b64encode(summary.encode()).decode()
    output.append({"id": f"cmp_{id}", "type": "compaction", "encrypted_content": packed})
    value: dict[str, Any] = {
        "id": id,
        "object": "response.compaction",
        "created_at": created,
        "model": model,
        "output": output,
        "usage": Raw(usage_json),
    }
    named = {} if provider is None else {"provider": provider}
    return _ENCODER.encode(value | named | (extra_fields or {}))


def _told(messages: tuple[Message, ...]) -> list[Message]:
    """Calls and their results in words: a request that offers no tools may not hold any."""
    told: list[Message] = []
    for message in messages:
        match message:
            case AssistantMessage():
                said = [_text(message.content or ""), message.refusal or ""]
                calls = [f"[I called {c.function.name} with {c.function.arguments}]" for c in message.tool_calls or ()]
                text = "\n\n".join(filter(None, [*said, *calls]))
                parts = (*_sealed(message.content), *((TextPart(text),) if text else ()))
                if parts:
                    told.append(AssistantMessage(content=parts))
            case ToolMessage(tool_call_id=call_id):
                told.append(_note(f"[The result of call {call_id}]\n{_text(message.content)}"))
            case _:
                told.append(message)
    return told


def _sealed(content: Content | None) -> list[NativePart]:
    """Summaries that another company made: only it can open them."""
    parts = content if isinstance(content, tuple) else ()
    return [part for part in parts if isinstance(part, NativePart) and part.native.get("type") in _COMPACTIONS]


def _note(text: str) -> UserMessage:
    """A message that is ours, not the user's."""
    return UserMessage(content=text, native={NOTE: True})


def _text(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(part.text for part in content if isinstance(part, TextPart))


def _parts(content: Content) -> list[Any]:
    written = write_content(content, same_format=True, role="user", keeps=frozenset())
    return [{"type": "input_text", "text": written}] if isinstance(written, str) else written
