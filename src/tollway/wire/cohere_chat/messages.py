"""Messages of a ChatRequest -> Cohere's messages."""

import base64
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    AudioPart,
    Content,
    DeveloperMessage,
    DocumentPart,
    FilePart,
    FunctionCall,
    FunctionMessage,
    ImagePart,
    LegacyVideoPart,
    Message,
    NativePart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
    VideoPart,
)
from tollway.wire.call_ids import CallIds
from tollway.wire.cohere_chat.citations import citations_of
from tollway.wire.cohere_chat.reader import THINKING, TOOL_PLAN
from tollway.wire.named import named

Block = dict[str, Any]
_TEXTS = ("application/json", "application/xml")


def messages_of(messages: tuple[Message, ...], call_ids: str) -> list[dict[str, Any]]:
    """Every message, in order. Cohere wants one that is not an instruction. `call_ids`: see `Quirks`."""
    written: list[dict[str, Any]] = []
    functions = 0
    ids = CallIds(call_ids)
    for message in messages:
        match message:
            case SystemMessage() | DeveloperMessage():
                written.append({"role": "system", "content": _words(named(message.name, message.content))})
            case UserMessage():
                content = named(message.name, message.content)
                said = content if isinstance(content, str) else _blocks(content, images=True)
                written.append({"role": "user", "content": said})
            case AssistantMessage():
                written.append(_assistant(message, ids, functions))
                functions += message.function_call is not None
            case ToolMessage():
                written.append(_result(ids.result(message.tool_call_id), _words(message.content)))
            case FunctionMessage():
                written.append(_result(_call_id(max(functions - 1, 0)), message.content or ""))
    if all(message["role"] == "system" for message in written):
        written.append({"role": "user", "content": "."})
    return written


def _assistant(message: AssistantMessage, ids: CallIds, functions: int) -> dict[str, Any]:
    written: dict[str, Any] = {"role": "assistant"}
    given = message.tool_calls or ()
    sent = ids.calls([call.id for call in given])
    calls = [_call(call_id, call.function) for call_id, call in zip(sent, given, strict=True)]
    if message.function_call is not None:
        calls.append(_call(_call_id(functions), message.function_call))
    thoughts, plan = _thoughts(message.reasoning_details or ())
    if not message.reasoning_details and calls:
        plan = message.reasoning or message.reasoning_content or ""
    content = _words(named(message.name, message.content) if message.content else "")
    blocks = [{"type": "thinking", "thinking": thought} for thought in thoughts]
    if blocks or message.refusal:
        blocks += [_text(content)] if isinstance(content, str) and content else content or []
        if message.refusal:
            blocks.append(_text(message.refusal))
        written["content"] = blocks
    elif content or not calls:
        written["content"] = content
    if calls:
        written["tool_calls"] = calls
        if plan:
            written["tool_plan"] = plan
    if citations := citations_of(message.annotations):
        written["citations"] = citations
    return written


def _thoughts(details: tuple[Raw, ...]) -> tuple[list[str], str]:
    """What Cohere thought, block by block, and its plan. Other models' reasoning stays behind."""
    thoughts: list[str] = []
    plan = ""
    for raw in details:
        detail = msgspec.json.decode(raw)
        if not isinstance(detail, dict) or not isinstance(text := detail.get("text"), str):
            continue
        if detail.get("id") == THINKING:
            thoughts.append(text)
        elif detail.get("id") == TOOL_PLAN:
            plan += text
    return thoughts, plan


def _call(id: str, function: FunctionCall) -> dict[str, Any]:  # noqa: A002 - the format's own word
    said = {"name": function.name, "arguments": function.arguments or "{}"}
    return {"id": id, "type": "function", "function": said}


def _call_id(number: int) -> str:
    """For calls of the first form, which had none."""
    return f"call_{number}"


def _result(call_id: str, content: str | list[Block]) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _words(content: Content) -> str | list[Block]:
    """Content where Cohere takes text alone."""
    return content if isinstance(content, str) else _blocks(content, images=False)


def _blocks(content: tuple[AnyPart, ...], *, images: bool) -> list[Block]:
    return [block for part in content if (block := _block(part, images=images)) is not None]


def _block(part: AnyPart, *, images: bool) -> Block | None:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text) | NativePart(text=text):
            return _text(text) if text else None
        case ImagePart(image_url=image):
            if not images:
                return _text("[An image was left out: this model takes images from users only.]")
            url: dict[str, Any] = {"url": image.url}
            # It knows "auto", "low" and "high".
            return {"type": "image_url", "image_url": {**url, "detail": image.detail} if image.detail else url}
        case FilePart(file=file):
            return _file(file.file_data or "", file.filename, images=images)
        case DocumentPart():
            return _file(part.document_url, part.document_name, images=images)
        case AudioPart():
            return _text("[A recording was left out: this model does not hear.]")
        case VideoPart() | LegacyVideoPart():
            return _text("[A video was left out: this model does not watch videos.]")


def _file(data: str, name: str | None, *, images: bool) -> Block:
    """A file as a data URL (RFC 2397): an image, or a text, which is told; others Cohere does not read."""
    head, comma, rest = data.partition(",")
    kind, *options = head.removeprefix("data:").split(";")
    if images and data.startswith("data:image/"):
        return {"type": "image_url", "image_url": {"url": data}}
    if comma and data.startswith("data:") and (kind.startswith("text/") or kind in _TEXTS or not kind):
        try:
            text = base64.b64decode(rest, validate=True).decode() if "base64" in options else unquote(rest)
        except ValueError:  # not base64, or no text
            pass
        else:
            return _text(f"{name}:\n{text}" if name else text)
    return _text(f"[The file {name or ''} was left out: this model reads texts and images only.]".replace("  ", " "))


def _text(text: str) -> Block:
    return {"type": "text", "text": text}
