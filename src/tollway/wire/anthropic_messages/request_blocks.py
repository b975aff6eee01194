"""Messages of a ChatRequest -> the format's messages and content blocks."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    AudioPart,
    CacheControl,
    Content,
    DeveloperMessage,
    DocumentPart,
    FilePart,
    FunctionMessage,
    ImagePart,
    LegacyVideoPart,
    Message,
    MessageToolCall,
    NativePart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
    VideoPart,
)
from tollway.wire.anthropic_messages.body_blocks import AS_TURN
from tollway.wire.anthropic_messages.details import blocks_of
from tollway.wire.anthropic_messages.sources import document_source, image_source, is_image
from tollway.wire.call_ids import CallIds
from tollway.wire.claude import GO_ON
from tollway.wire.named import named

Block = dict[str, Any]

CALL_ID = "[a-zA-Z0-9_-]{1,64}"
"""What the format takes as a call's id (its refusal: "String should match pattern '^[a-zA-Z0-9_-]+$'")."""
_ORDERED = frozenset({"thinking", "redacted_thinking", "tool_use"})
"""Natives of these types are there only for their order: such a message's content is all that it says."""


class Messages:
    """Messages in, the format's `system` and `messages` out, in order.

    `same_format`: what the format alone can say is kept. Otherwise what it would refuse is left out: empty texts, the
    space after a prefill, reasoning that is not Claude's.
    """

    def __init__(self, *, same_format: bool, takes_prefill: bool = True) -> None:
        self.system: list[Block] = []
        self.system_text: str | None = None
        """The whole system prompt, where it is one string."""
        self.turns: list[dict[str, Any]] = []
        self._same = same_format
        self._takes_prefill = takes_prefill
        self._ids = CallIds(CALL_ID)
        self._functions = 0

    def add(self, messages: Iterable[Message]) -> None:
        """Every message, in order."""
        for message in messages:
            match message:
                case SystemMessage() | DeveloperMessage():
                    self._add_system(message)
                case UserMessage():
                    self._put("user", self._user(message))
                case AssistantMessage():
                    self._put("assistant", self._assistant(message))
                case ToolMessage():
                    self._put("user", [self._tool_result(message)])
                case FunctionMessage():
                    result: Block = {"type": "tool_result", "tool_use_id": f"call_{max(self._functions - 1, 0)}"}
                    self._put("user", [{**result, "content": message.content} if message.content else result])

    def end(self) -> None:
        """What only the whole conversation tells (docs: messages)."""
        if self._same:
            return
        if not self.turns or self.turns[0]["role"] == "assistant":
            self.turns.insert(0, {"role": "user", "content": [{"type": "text", "text": "."}]})
        last = self.turns[-1]
        if last["role"] != "assistant":
            return
        if not self._takes_prefill:
            self.turns.append({"role": "user", "content": [_text(GO_ON)]})
        elif last["content"][-1]["type"] == "text":
            block = last["content"][-1]
            block["text"] = block["text"].rstrip() or "."

    @property
    def thoughts_are_missing(self) -> bool:
        """Whether calls are answered whose thoughts have not come back: a model that thinks wants to see them.

        Source: docs, extended thinking, "Preserving thinking blocks".
        """
        turn: list[str] = []
        for message in reversed(self.turns):
            kinds = [block["type"] for block in message["content"]]
            if message["role"] == "user" and "tool_result" not in kinds:
                break
            if message["role"] == "assistant":
                turn = kinds
        return "tool_use" in turn and turn[0] not in ("thinking", "redacted_thinking")

    def _add_system(self, message: SystemMessage | DeveloperMessage) -> None:
        """Before the first turn, or of another format: part of the prompt. Else a turn, which new models take."""
        content = named(message.name, message.content)
        blocks = self._blocks(content)
        mark(blocks, getattr(message, "cache_control", None))
        if self._same and (self.turns or AS_TURN in (message.native or {})):
            self._put("system", blocks)
            return
        alone = isinstance(content, str) and not self.system and blocks == [_text(content)]
        self.system_text = content if alone and isinstance(content, str) else None
        self.system.extend(blocks)

    def _user(self, message: UserMessage) -> list[Block]:
        blocks = self._blocks(named(message.name, message.content))
        mark(blocks, message.cache_control)
        return blocks

    def _assistant(self, message: AssistantMessage) -> list[Block]:
        blocks = self._blocks(named(message.name, message.content or ()) if message.content else ())
        if self._same and any(block["type"] in _ORDERED for block in blocks):
            mark(blocks, message.cache_control)
            return blocks
        blocks = [*blocks_of(message.reasoning_details or ()), *blocks]
        if message.refusal:
            blocks.append(_text(message.refusal))
        calls = message.tool_calls or ()
        for call, call_id in zip(calls, self._call_ids(calls), strict=True):
            blocks.append(self._tool_use(call, call_id))
        if (called := message.function_call) is not None:
            call = MessageToolCall(id=f"call_{self._functions}", function=called)
            self._functions += 1
            blocks.append(self._tool_use(call, call.id))
        mark(blocks, message.cache_control)
        return blocks

    def _call_ids(self, calls: Iterable[MessageToolCall]) -> list[str]:
        given = [call.id for call in calls]
        return given if self._same else self._ids.calls(given)

    def _tool_use(self, call: MessageToolCall, call_id: str) -> Block:
        block = {
            "type": "tool_use",
            "id": call_id,
            "name": call.function.name,
            "input": _input(call.function.arguments),
        }
        return {**block, **(call.native or {})} if self._same else block

    def _tool_result(self, message: ToolMessage) -> Block:
        given = message.tool_call_id
        block: Block = {"type": "tool_result", "tool_use_id": given if self._same else self._ids.result(given)}
        content = message.content
        if isinstance(content, str):
            if content:
                block["content"] = content
        elif blocks := self._blocks(content):
            block["content"] = blocks
        if self._same:
            block |= message.native or {}
        mark([block], message.cache_control)
        return block

    def _blocks(self, content: Content) -> list[Block]:
        if isinstance(content, str):
            return [_text(content)] if content else []
        return [block for part in content if (block := self._block(part)) is not None]

    def _block(self, part: AnyPart) -> Block | None:
        if isinstance(part, NativePart):
            if self._same:
                return dict(part.native)
            return _text(part.text) if part.text else None
        block = _of_part(part)
        if block is None:
            return None
        if (cached := getattr(part, "cache_control", None)) is not None:
            block["cache_control"] = marked(cached)
        elif isinstance(part, TextPart) and (point := part.prompt_cache_breakpoint) is not None:
            # OpenAI's explicit breakpoint; what it keeps for longer, we keep for an hour (OPENROUTER.md 9.2).
            block["cache_control"] = marked(CacheControl(ttl="1h" if point.get("ttl") else None))
        if self._same and (native := getattr(part, "native", None)):
            block |= native
        return block

    def _put(self, role: str, blocks: list[Block]) -> None:
        """Turns of one role in a row are one turn, so that the results of parallel calls come together."""
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role and role != "system":
            self.turns[-1]["content"].extend(blocks)
        else:
            self.turns.append({"role": role, "content": blocks})


def marked(cached: CacheControl) -> dict[str, Any]:
    """A cache mark as JSON."""
    return {"type": "ephemeral"} if cached.ttl is None else {"type": "ephemeral", "ttl": cached.ttl}


def _of_part(part: AnyPart) -> Block | None:
    """A part of any format -> a block, without its cache mark."""
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return _text(text) if text else None
        case ImagePart():
            return {"type": "image", "source": image_source(part.image_url.url)}
        case FilePart():
            return _document(part)
        case DocumentPart():
            block: Block = {"type": "document", "source": document_source(part.document_url)}
            return {**block, "title": part.document_name} if part.document_name else block
        case AudioPart():
            return _text("[A recording was left out: this model does not hear.]")
        case VideoPart() | LegacyVideoPart():
            return _text("[A video was left out: this model does not watch videos.]")
        case NativePart():
            return None


def _document(part: FilePart) -> Block | None:
    file = part.file
    if file.file_data is not None and is_image(file.file_data):
        return {"type": "image", "source": image_source(file.file_data)}
    if file.file_data is not None:
        source = document_source(file.file_data)
    elif file.file_id is not None:
        source = {"type": "file", "file_id": file.file_id}
    else:
        return None
    block: Block = {"type": "document", "source": source}
    return {**block, "title": file.filename} if file.filename else block


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _input(arguments: str) -> Any:
    """A call's arguments, which must be an object: what is none is given as text, so that the model sees it."""
    if not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return {"arguments": arguments}
    return value if isinstance(value, dict) else {"arguments": value}


def mark(blocks: list[Block], cached: CacheControl | None) -> None:
    """A message's own cache mark goes on its last block that can have one."""
    if cached is None:
        return
    for block in reversed(blocks):
        if block.get("type") not in ("thinking", "redacted_thinking"):
            block["cache_control"] = marked(cached)
            return
