"""Input items of a caller -> messages: a turn's items become one message, which remembers how they came."""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    CustomCall,
    DeveloperMessage,
    FunctionCall,
    Message,
    MessageToolCall,
    NativePart,
    SystemMessage,
    TextPart,
    Tool,
    ToolMessage,
    UserMessage,
)
from tollway.wire.openai_responses.flat_tools import ADDITIONAL, read_tool
from tollway.wire.openai_responses.parts import read_content, rest, text_of, text_or_none, wrong
from tollway.wire.openai_responses.reader import REASONING_FORMAT

ITEMS = "openai_responses:items"
"""In a message's `native`: its items in their order, each with the fields that we have no place for."""
INSTRUCTIONS = "openai_responses:instructions"
"""Marks the system message that came as `instructions`."""
AS_TEXT = "openai_responses:text"
"""Marks the user's message that was the whole input."""
NOTE = "openai_responses:note"
"""Marks a user's message that the user did not write."""
MARKS = frozenset({ITEMS, INSTRUCTIONS, AS_TEXT, NOTE})
PACKED = "tollway1:"
"""How the `encrypted_content` of a compaction item begins that holds a summary of ours, in base64."""
_ENCODER = msgspec.json.Encoder()
_BUILT_IN_ENDS = ("_call", "_output", "_request", "_response", "_list_tools", "_trigger", "_update")
_BUILT_IN = frozenset({"compaction", "additional_tools", "program", "context_compaction"})


class InputReader:
    """Takes items one after the other; `messages` is what they say."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.tools: list[Tool] = []
        """Tools that came in the middle of the conversation."""
        self._turn: _Turn | None = None

    def take(self, item: Any, path: str) -> None:
        if not isinstance(item, dict):
            raise wrong(path, "expected an object")
        kind = item.get("type") or ("message" if "role" in item else None)
        if not isinstance(kind, str):
            raise wrong(f"{path}.type", "is required")
        match kind:
            case "message":
                self._take_message(item, path)
            case "compaction" if (summary := _summary(item)) is not None:
                self._close()
                self.messages.append(UserMessage(f"[A summary of what came before]\n{summary}", native={NOTE: True}))
            case "reasoning":
                self._open().reasoning(item, path)
            case "item_reference":
                _check_reference(item, path)
            case "function_call" | "custom_tool_call":
                self._open().call(item, path)
            case "function_call_output" | "custom_tool_call_output":
                self._close()
                content = read_content(item.get("output"), f"{path}.output")
                call_id = text_of(item, "call_id", path)
                known = ("call_id", "output", *(("type",) if kind == "function_call_output" else ()))
                self.messages.append(ToolMessage(content, call_id, native=rest(item, *known)))
            case _:
                self._take_native(kind, item, path)

    def end(self) -> tuple[Message, ...]:
        self._close()
        return tuple(self.messages)

    def _take_message(self, item: dict[str, Any], path: str) -> None:
        role = text_of(item, "role", path)
        content = read_content(item.get("content"), f"{path}.content")
        native = rest(item, "role", "content")
        if role == "assistant":
            self._open().message(content, native)
            return
        self._close()
        match role:
            case "user":
                self.messages.append(UserMessage(content, native=native))
            case "system":
                self.messages.append(SystemMessage(content, native=native))
            case "developer":
                self.messages.append(DeveloperMessage(content, native=native))
            case _:
                raise wrong(f"{path}.role", f'"{role[:80]}" is none of user, assistant, system, developer')

    def _take_native(self, kind: str, item: dict[str, Any], path: str) -> None:
        """An item that only this format has. Its place in the conversation is kept, and it goes out as it came."""
        if not (kind in _BUILT_IN or kind.endswith(_BUILT_IN_ENDS) or kind.startswith("openrouter:")):
            raise wrong(f"{path}.type", f'"{kind[:80]}" is not a type of item that we know')
        if kind == ADDITIONAL:
            tools = item.get("tools")
            for index, value in enumerate(tools if isinstance(tools, list) else ()):
                tool = read_tool(value, f"{path}.tools[{index}]")
                if tool.function is not None:
                    self.tools.append(replace(tool, native={ADDITIONAL: True}))
        self._open().native(item)

    def _open(self) -> "_Turn":
        if self._turn is None:
            self._turn = _Turn()
        return self._turn

    def _close(self) -> None:
        if self._turn is not None:
            self.messages.append(self._turn.whole())
            self._turn = None


class _Turn:
    """The items of an assistant between two others."""

    def __init__(self) -> None:
        self._items: list[dict[str, Any]] = []
        self._parts: list[AnyPart] = []
        self._calls: list[MessageToolCall] = []
        self._details: list[Raw] = []
        self._reasoning: list[str] = []

    def message(self, content: Any, native: dict[str, Any] | None) -> None:
        plain = isinstance(content, str)
        parts = [TextPart(content)] if plain else content
        self._parts.extend(parts)
        item: dict[str, Any] = {"parts": len(parts)}
        if plain:
            item["plain"] = True
        self._items.append({**item, "rest": native} if native else item)

    def native(self, item: dict[str, Any]) -> None:
        self._parts.append(NativePart(native=item))
        self._items.append({"native": True})

    def call(self, item: dict[str, Any], path: str) -> None:
        call_id, name = text_of(item, "call_id", path), text_of(item, "name", path)
        if item["type"] == "custom_tool_call":
            custom = CustomCall(name, text_of(item, "input", path))
            native = rest(item, "type", "call_id", "name", "input")
            self._calls.append(MessageToolCall(call_id, type="custom", native=native, custom=custom))
        else:
            arguments = text_of(item, "arguments", path)
            native = rest(item, "type", "call_id", "name", "arguments")
            self._calls.append(MessageToolCall(call_id, FunctionCall(name, arguments), native=native))
        self._items.append({"call": True})

    def reasoning(self, item: dict[str, Any], path: str) -> None:
        """Into `reasoning_details`, whose pieces share the item's id (OPENROUTER.md 3.3)."""
        item_id, form = text_or_none(item, "id", path), text_or_none(item, "format", path) or REASONING_FORMAT
        signature, sealed = text_or_none(item, "signature", path), text_or_none(item, "encrypted_content", path)
        before = len(self._details)
        for kind, name in (("summary", "summary"), ("text", "content")):
            parts = item.get(name)
            if parts is not None and not isinstance(parts, list):
                raise wrong(f"{path}.{name}", "expected a list")
            for index, part in enumerate(parts or ()):
                if not isinstance(part, dict):
                    raise wrong(f"{path}.{name}[{index}]", "expected an object")
                text = text_of(part, "text", f"{path}.{name}[{index}]")
                detail = {"type": f"reasoning.{kind}", kind: text}
                if kind == "text" and signature is not None and index == len(parts or ()) - 1:
                    detail["signature"] = signature
                self._add(detail, item_id, form)
                self._reasoning.append(text)
        if sealed is not None:
            self._add({"type": "reasoning.encrypted", "data": sealed}, item_id, form)
        known = ("type", "id", "summary", "content", "encrypted_content", "signature", "format")
        marks = {name: True for name in ("summary", "content") if item.get(name) == []}
        skeleton = {"details": len(self._details) - before, "id": item_id, **marks}
        native = rest(item, *known)
        self._items.append({**skeleton, "rest": native} if native else skeleton)

    def _add(self, detail: dict[str, Any], item_id: str | None, form: str) -> None:
        whole = {**detail, "id": item_id, "format": form, "index": len(self._details)}
        self._details.append(Raw(_ENCODER.encode(whole)))

    def whole(self) -> AssistantMessage:
        items = self._items
        plain = len(items) > 0 and sum("parts" in item or "native" in item for item in items) == 1 and self._plain()
        content: Any = plain if isinstance(plain, str) else (tuple(self._parts) or None)
        return AssistantMessage(
            content=content,
            tool_calls=tuple(self._calls) or None,
            reasoning="\n\n".join(self._reasoning) or None,
            reasoning_details=tuple(self._details) or None,
            native={ITEMS: items},
        )

    def _plain(self) -> str | None:
        """The text of a turn that has one message, sent as a string."""
        part = self._parts[0] if self._parts else None
        is_plain = any(item.get("plain") for item in self._items)
        return part.text if is_plain and isinstance(part, TextPart) else None


def _check_reference(item: dict[str, Any], path: str) -> None:
    """What a reference leads to is stored nowhere. Thoughts may be missing from a conversation, all else may not.

    The AI SDK refers to earlier items where it believes that they are stored: `store: false` has it send them.
    """
    if not text_of(item, "id", path).startswith("rs_"):
        raise wrong(path, "nothing is stored here; set `store` to false and send the item itself")


def _summary(item: dict[str, Any]) -> str | None:
    """The summary in a compaction item of ours; None: it is another company's, and only they can open it."""
    packed = item.get("encrypted_content")
    if not isinstance(packed, str) or not packed.startswith(PACKED):
        return None
    try:
        return base64.b64decode(packed[len(PACKED) :], altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
