"""contents and systemInstruction -> messages."""

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    Content,
    FunctionCall,
    Message,
    MessageToolCall,
    NativePart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest
from tollway.wire.gemini import schema
from tollway.wire.gemini.media import image_url, read_blob, read_file
from tollway.wire.gemini.thoughts import signature_detail, thought_detail, unwrapped

_ENCODER = msgspec.json.Encoder()
_USER_ROLES = frozenset({None, "", "user", "function", "tool"})


class Reader:
    """Reads contents one by one, since a function's answer belongs to a call that came before it."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []
        """(id, name) of calls without an answer yet."""
        self._ids: set[str] = set()

    def read(self, place: int, content: schema.Content, raw: dict[str, Any]) -> tuple[Message, ...]:
        """The messages of one content: answers of functions first, as every chat format wants them.

        `raw` is the same content as it came. InvalidRequest: a role that is neither user nor model.
        """
        pieces = list(zip(content.parts or (), raw.get("parts") or (), strict=True))
        if content.role == "model":
            return (self._answer(place, pieces),)
        if content.role not in _USER_ROLES:
            raise InvalidRequest(
                f'contents[{place}].role: "{(content.role or "")[:80]}" is not a role; use "user" or "model"',
                param=f"contents[{place}].role",
            )
        messages: list[Message] = []
        parts: list[AnyPart] = []
        for index, (part, part_raw) in enumerate(pieces):
            if part.function_response is not None:
                messages.append(self._result(place, index, part.function_response))
            else:
                parts.append(_part(part, part_raw))
        if parts or not messages:
            messages.append(UserMessage(content=_content(parts)))
        return tuple(messages)

    def _answer(self, place: int, pieces: list[tuple[schema.Part, dict[str, Any]]]) -> AssistantMessage:
        parts: list[AnyPart] = []
        calls: list[MessageToolCall] = []
        images: list[dict[str, Any]] = []
        thoughts = _Thoughts()
        for index, (part, raw) in enumerate(pieces):
            signature = part.thought_signature
            if part.thought:
                thoughts.add(part.text or "", signature)
            elif part.function_call is not None:
                call = self._call(place, index, part.function_call, signature)
                calls.append(call)
                if signature is not None:
                    thoughts.sign(signature, call.id)
            elif part.inline_data is not None and part.inline_data.mime_type.startswith("image/"):
                url = image_url(part.inline_data.mime_type, part.inline_data.data)
                images.append({"type": "image_url", "image_url": {"url": url}})
                if signature is not None:
                    thoughts.sign(signature, None)
            else:
                if part.text != "" or len(raw) > 1 + (signature is not None):
                    parts.append(_part(part, raw))
                if signature is not None:
                    thoughts.sign(signature, None)
        details = thoughts.details()
        return AssistantMessage(
            content=_content(parts) if parts else ("" if not calls and not images else None),
            tool_calls=tuple(calls) or None,
            reasoning=thoughts.text or None,
            reasoning_details=details or None,
            images=images or None,
        )

    def _call(self, place: int, index: int, call: schema.FunctionCall, signature: str | None) -> MessageToolCall:
        call_id = self._unused(call.id or "", f"{place}:{index}:{call.name}")
        self._open.append((call_id, call.name))
        return MessageToolCall(
            id=call_id,
            function=FunctionCall(name=call.name, arguments=_ENCODER.encode(call.args or {}).decode()),
            extra_content={"google": {"thought_signature": signature}} if signature is not None else None,
        )

    def _result(self, place: int, index: int, result: schema.FunctionResponse) -> ToolMessage:
        text = _result_text(result.response)
        content: Content = text
        if result.parts:
            files = [read_blob(part.inline_data) for part in result.parts if part.inline_data is not None]
            files += [read_file(part.file_data) for part in result.parts if part.file_data is not None]
            content = (TextPart(text), *files)
        return ToolMessage(content=content, tool_call_id=self._answered(place, index, result), name=result.name)

    def _answered(self, place: int, index: int, result: schema.FunctionResponse) -> str:
        """The id of the call that a result belongs to: its own, or the first open one of its name."""
        known = next((pair for pair in self._open if pair[0] == result.id), None)
        if known is None and not result.id:
            known = next((pair for pair in self._open if pair[1] == result.name), None)
        if known is None:
            return result.id or self._unused("", f"{place}:{index}:{result.name}")
        self._open.remove(known)
        return known[0]

    def _unused(self, call_id: str, seed: str) -> str:
        """An id that no call of this conversation has. The same conversation gives the same ids again."""
        while not call_id or call_id in self._ids:
            call_id = "call_" + blake2b(seed.encode(), digest_size=12).hexdigest()
            seed += "'"
        self._ids.add(call_id)
        return call_id


class _Thoughts:
    """The thoughts of one message, in the making."""

    def __init__(self) -> None:
        self.text = ""
        self._details: list[Raw] = []
        self._unsigned: list[str] = []

    def add(self, text: str, signature: str | None) -> None:
        self.text += text
        foreign = unwrapped(signature, "".join([*self._unsigned, text])) if signature is not None else None
        if foreign is not None:
            # The thoughts before it, which a stream brought in pieces, are what it signs.
            self._unsigned.clear()
            self._details.append(foreign)
        elif signature is not None:
            self._settle()
            self._details.append(thought_detail(text, signature, len(self._details)))
        else:
            self._unsigned.append(text)

    def sign(self, signature: str, call_id: str | None) -> None:
        self._settle()
        self._details.append(unwrapped(signature, "") or signature_detail(signature, call_id, len(self._details)))

    def details(self) -> tuple[Raw, ...]:
        self._settle()
        return tuple(self._details)

    def _settle(self) -> None:
        if self._unsigned:
            self._details.append(thought_detail("".join(self._unsigned), None, len(self._details)))
            self._unsigned.clear()


def read_system(content: schema.Content | str | None, raw: Any) -> SystemMessage | None:
    """systemInstruction -> a system message."""
    if content is None:
        return None
    if isinstance(content, str):
        return SystemMessage(content=content)
    pieces = zip(content.parts or (), raw.get("parts") or (), strict=True)
    parts = [_part(part, part_raw) for part, part_raw in pieces]
    return SystemMessage(content=_content(parts)) if parts else None


def _part(part: schema.Part, raw: dict[str, Any]) -> AnyPart:
    if part.text is not None:
        return TextPart(part.text)
    if part.inline_data is not None:
        return read_blob(part.inline_data)
    if part.file_data is not None:
        return read_file(part.file_data)
    return NativePart(native=raw, text=_in_words(raw))


def _in_words(raw: dict[str, Any]) -> str:
    """What a model elsewhere is told of code that Google ran."""
    code, result = raw.get("executableCode"), raw.get("codeExecutionResult")
    if isinstance(code, dict):
        return f"```{str(code.get('language', '')).lower()}\n{code.get('code', '')}\n```"
    return f"```\n{result.get('output', '')}\n```" if isinstance(result, dict) else ""


def _content(parts: list[AnyPart]) -> Content:
    """Text alone as a string, which every provider takes."""
    if all(isinstance(part, TextPart) for part in parts) and len(parts) < 2:
        return "".join(part.text for part in parts if isinstance(part, TextPart))
    return tuple(parts)


def _result_text(response: dict[str, Any] | None) -> str:
    """The text under "output", if there is nothing else (ai.google.dev, FunctionResponse.response), or JSON."""
    response = response or {}
    if len(response) == 1 and isinstance(output := response.get("output"), str):
        return output
    return _ENCODER.encode(response).decode()
