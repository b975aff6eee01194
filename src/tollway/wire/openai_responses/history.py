"""Messages -> input items: a turn's message becomes the items that it came from, or those that it would be."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.chat import (
    AssistantMessage,
    Content,
    DeveloperMessage,
    FunctionMessage,
    Message,
    MessageToolCall,
    NativePart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from tollway.domain.quirks import Quirks
from tollway.wire.call_ids import CallIds
from tollway.wire.named import named
from tollway.wire.openai_responses.items import ITEMS, MARKS
from tollway.wire.openai_responses.parts import write_content

CALL_ID = ".{1,64}"
"""What OpenAI takes as a call's id ("Expected a string with maximum length 64")."""
OURS = "responses-v1"
"""How the formats of reasoning end whose seals a provider of this format may open; it refuses all others."""


class InputWriter:
    """Writes messages as items; `same` where they came in this format."""

    def __init__(self, *, same_format: bool, quirks: Quirks) -> None:
        self._same = same_format
        self._quirks = quirks
        self._ids = CallIds(quirks.call_ids or CALL_ID)
        self._custom: set[str] = set()
        """Ids of calls of custom tools, whose results are items of another type."""

    def items(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        return [item for message in messages for item in self._message(message)]

    def _message(self, message: Message) -> Iterator[dict[str, Any]]:
        match message:
            case AssistantMessage():
                skeletons = (message.native or {}).get(ITEMS) if self._same else None
                if isinstance(skeletons, list) and _fits(skeletons, message):
                    yield from self._as_it_came(message, skeletons)
                else:
                    yield from self._assistant(message)
            case ToolMessage():
                yield self._tool(message)
            case FunctionMessage():
                yield {
                    "type": "function_call_output",
                    "call_id": _legacy_id(message.name),
                    "output": message.content or "",
                }
            case SystemMessage():
                yield self._said("system", named(message.name, message.content), message.native)
            case DeveloperMessage():
                knows = self._same or self._quirks.developer_role
                role = "developer" if knows else "system"
                yield self._said(role, named(message.name, message.content), message.native)
            case UserMessage():
                yield self._said("user", named(message.name, message.content), message.native)

    def _content(self, content: Content, role: str) -> str | list[Any]:
        return write_content(content, same_format=self._same, role=role, keeps=self._quirks.keeps)

    def _said(self, role: str, content: Content, native: dict[str, Any] | None) -> dict[str, Any]:
        item = {"role": role, "content": self._content(content, role)}
        if not self._same or not native:
            return item
        return {**item, **{name: value for name, value in native.items() if name not in MARKS}}

    def _tool(self, message: ToolMessage) -> dict[str, Any]:
        item = {
            "type": "custom_tool_call_output" if message.tool_call_id in self._custom else "function_call_output",
            "call_id": message.tool_call_id if self._same else self._ids.result(message.tool_call_id),
            "output": self._content(message.content, "tool"),
        }
        return {**item, **message.native} if self._same and message.native else item

    def _assistant(self, message: AssistantMessage) -> Iterator[dict[str, Any]]:
        """Reasoning, then what was said, then the calls: the order in which OpenAI's own models answer."""
        yield from _reasoning(self._known(message.reasoning_details or ()))
        content = named(message.name, message.content) if message.content else message.content
        if isinstance(content, tuple) and self._same:
            # Items of this format among the parts stand for themselves.
            parts: list[Any] = []
            for part in content:
                if isinstance(part, NativePart):
                    yield from self._spoken(tuple(parts))
                    parts = []
                    yield part.native
                else:
                    parts.append(part)
            content = tuple(parts)
        yield from self._spoken(content)
        if message.refusal:
            yield {"role": "assistant", "content": [{"type": "refusal", "refusal": message.refusal}]}
        calls = message.tool_calls or ()
        given = [call.id for call in calls]
        for call, call_id in zip(calls, given if self._same else self._ids.calls(given), strict=True):
            yield self._call(call, call_id)
        if (legacy := message.function_call) is not None:
            call_id = _legacy_id(legacy.name)
            yield {"type": "function_call", "call_id": call_id, "name": legacy.name, "arguments": legacy.arguments}

    def _spoken(self, content: Content | None) -> Iterator[dict[str, Any]]:
        written = self._content(content, "assistant") if content else None
        if written:
            yield {"role": "assistant", "content": written}

    def _call(self, call: MessageToolCall, call_id: str) -> dict[str, Any]:
        function, native = call.function, (call.native or {}) if self._same else {}
        if call.custom is not None:
            self._custom.add(call.id)
            said = {"type": "custom_tool_call", "call_id": call_id, "name": call.custom.name}
            return {**said, "input": call.custom.input, **native}
        item = {"type": "function_call", "call_id": call_id, "name": function.name, "arguments": function.arguments}
        return {**item, **native}

    def _as_it_came(self, message: AssistantMessage, skeletons: list[Any]) -> Iterator[dict[str, Any]]:
        content = message.content
        parts = (TextPart(content),) if isinstance(content, str) else content or ()
        details, calls = list(message.reasoning_details or ()), iter(message.tool_calls or ())
        part_at = detail_at = 0
        for skeleton in skeletons:
            if "call" in skeleton:
                call = next(calls)
                yield self._call(call, call.id)
            elif "native" in skeleton:
                part = parts[part_at]
                part_at += 1
                yield part.native if isinstance(part, NativePart) else {}
            elif "details" in skeleton:
                count = skeleton["details"]
                mine = details[detail_at : detail_at + count]
                detail_at += count
                if mine and not self._known(mine):
                    continue
                empty: dict[str, Any] = {name: [] for name in ("summary", "content") if name in skeleton}
                yield {**empty, **_item(mine, skeleton["id"]), **skeleton.get("rest", {})}
            else:
                count = skeleton["parts"]
                said: Content = parts[part_at : part_at + count]
                part_at += count
                if skeleton.get("plain") and isinstance(first := said[0], TextPart):
                    said = first.text
                yield self._said("assistant", said, skeleton.get("rest"))

    def _known(self, details: Iterable[Raw]) -> list[Raw]:
        """Without what another company's model thought: OpenAI refuses seals that are not its own."""
        if "reasoning_details" in self._quirks.keeps:
            return list(details)
        return [detail for detail in details if _is_ours(msgspec.json.decode(detail))]


def _is_ours(detail: Any) -> bool:
    if not isinstance(detail, dict):
        return False
    form = detail.get("format")
    # Without a format: only what one of its items can have been, which has an id.
    return str(form).endswith(OURS) if form is not None else bool(detail.get("id"))


def _fits(skeletons: list[Any], message: AssistantMessage) -> bool:
    """Whether the message still has as many pieces as it came with: a plugin may have changed it."""
    content = message.content
    parts = 1 if isinstance(content, str) else len(content or ())
    return (
        sum(item.get("parts", "native" in item) for item in skeletons) == parts
        and sum(item.get("details", 0) for item in skeletons) == len(message.reasoning_details or ())
        and sum("call" in item for item in skeletons) == len(message.tool_calls or ())
    )


def _reasoning(details: Iterable[Raw]) -> Iterator[dict[str, Any]]:
    """`reasoning_details` -> reasoning items: neighbours of one id are one item."""
    group: list[Raw] = []
    key: Any = None
    for raw in details:
        value = msgspec.json.decode(raw)
        if not isinstance(value, dict):
            continue
        mine = value.get("id") or ("index", value.get("index"))
        if group and mine != key:
            yield _item(group, _text(key))
            group = []
        key = mine
        group.append(raw)
    if group:
        yield _item(group, _text(key))


def _item(details: Iterable[Raw], item_id: str | None) -> dict[str, Any]:
    """The details of one item -> the item; the pieces of one part, which share its index, become that part again."""
    summary: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    item: dict[str, Any] = {"type": "reasoning"}
    if item_id is not None:
        item["id"] = item_id
    last: Any = None
    for raw in details:
        value = msgspec.json.decode(raw)
        kind = value.get("type")
        if kind == "reasoning.encrypted":
            item["encrypted_content"] = value.get("data")
        elif kind in ("reasoning.summary", "reasoning.text"):
            name = str(kind).removeprefix("reasoning.")
            parts = summary if name == "summary" else content
            place, text = (kind, value.get("index")), value.get(name) or ""
            if parts and place == last and value.get("index") is not None:
                parts[-1]["text"] += text
            else:
                parts.append({"type": "summary_text" if name == "summary" else "reasoning_text", "text": text})
            last = place
            if value.get("signature"):
                item["signature"] = value["signature"]
        form = value.get("format")
        if form and not str(form).endswith(OURS):
            item["format"] = form
    item["summary"] = summary
    if content:
        item["content"] = content
    return item


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _legacy_id(name: str) -> str:
    """OpenAI's first form of tool calls had no ids: a name stands for its last call."""
    return "call_" + blake2b(name.encode(), digest_size=12).hexdigest()
