"""Messages of a ChatRequest -> the format's system blocks, messages and content blocks."""

import base64
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
    FunctionCall,
    FunctionMessage,
    Message,
    NativePart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from tollway.wire.bedrock_converse.families import Manners
from tollway.wire.bedrock_converse.media import Block, Media
from tollway.wire.call_ids import CallIds
from tollway.wire.claude import GO_ON, signed
from tollway.wire.named import named

CALL_ID = "[a-zA-Z0-9_-]{1,64}"
"""What both Bedrock and Claude's server behind it take as a call's id."""
_ATTACHED = "See the attached document."
_SYSTEM = {"text", "cachePoint"}
_FILES = {"document", "video"}
_TAKE_POINTS = ("text", "toolUse", "toolResult", "toolSpec")
"""Blocks that a cache point may follow."""


class Messages:
    """Messages in, the format's `system` and `messages` out, in order; turns of one role in a row are one."""

    def __init__(self, manners: Manners, *, takes_prefill: bool = True) -> None:
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self._manners = manners
        self._takes_prefill = takes_prefill
        self._ids = CallIds(CALL_ID)
        self._media = Media()
        self._functions = 0

    def add(self, messages: Iterable[Message]) -> None:
        """Every message, in order."""
        for message in messages:
            match message:
                case SystemMessage() | DeveloperMessage():
                    said = self._blocks(named(message.name, message.content))
                    blocks = [block for block in said if block.keys() <= _SYSTEM]
                    self.mark(blocks, getattr(message, "cache_control", None))
                    self.system += blocks
                case UserMessage():
                    self._put("user", self._user(message))
                case AssistantMessage():
                    self._put("assistant", self._assistant(message))
                case ToolMessage():
                    self._put("user", self._tool_result(message))
                case FunctionMessage():
                    id_ = f"call_{max(self._functions - 1, 0)}"
                    result = {"toolUseId": id_, "content": [self._said(message.content or "")]}
                    self._put("user", [{"toolResult": result}])

    def end(self) -> None:
        """What only the whole conversation tells: it begins with the user, and its end is no blank."""
        if not self.turns or (self.turns[0]["role"] == "assistant" and not self._manners.begins):
            self.turns.insert(0, {"role": "user", "content": [_text(".")]})
        last = self.turns[-1]
        if last["role"] == "assistant" and not self._takes_prefill:
            self.turns.append({"role": "user", "content": [_text(GO_ON)]})
        elif last["role"] == "assistant" and "text" in (block := last["content"][-1]):
            block["text"] = block["text"].rstrip() or "."
        for turn in self.turns:
            place = next((place for place, block in enumerate(turn["content"]) if "document" in block), None)
            if place is not None and not any("text" in block for block in turn["content"]):
                turn["content"].insert(place, _text(_ATTACHED))  # a document needs words beside it

    @property
    def thoughts_are_missing(self) -> bool:
        """Whether calls are answered whose thoughts have not come back: Claude, while it thinks, wants to see them.

        Source: Anthropic's docs, extended thinking, "Preserving thinking blocks".
        """
        turn: list[Block] = []
        for message in reversed(self.turns):
            if message["role"] == "user" and not any("toolResult" in block for block in message["content"]):
                break
            if message["role"] == "assistant":
                turn = message["content"]
        return any("toolUse" in block for block in turn) and "reasoningContent" not in turn[0]

    def mark(self, blocks: list[Block], cached: CacheControl | None) -> None:
        """A cache point at the end of these blocks; after a thought none can be."""
        if cached is None or not self._manners.caches or not blocks:
            return
        if "cachePoint" in blocks[-1] or "reasoningContent" in blocks[-1]:
            return
        if not any(name in blocks[-1] for name in _TAKE_POINTS):
            blocks.append(_text("\n"))  # directly after a document or an image it is refused (recorded)
        point = {"type": "default"}
        if cached.ttl is not None and self._manners.caches_hour:
            point["ttl"] = cached.ttl
        blocks.append({"cachePoint": point})

    def _user(self, message: UserMessage) -> list[Block]:
        blocks = self._blocks(named(message.name, message.content))
        self.mark(blocks, message.cache_control)
        return blocks

    def _assistant(self, message: AssistantMessage) -> list[Block]:
        blocks = [_thought(text, signature) for text, signature in signed(message.reasoning_details or ())]
        blocks += self._blocks(named(message.name, message.content) if message.content else ())
        if message.refusal:
            blocks.append(_text(message.refusal))
        calls = message.tool_calls or ()
        ids = self._ids.calls(call.id for call in calls)
        blocks += [_tool_use(call.function, call_id) for call, call_id in zip(calls, ids, strict=True)]
        if (called := message.function_call) is not None:
            blocks.append(_tool_use(called, f"call_{self._functions}"))
            self._functions += 1
        self.mark(blocks, message.cache_control)
        return blocks

    def _tool_result(self, message: ToolMessage) -> list[Block]:
        content = message.content
        if isinstance(content, str):
            said = [self._said(content)] if content.strip() else []
        else:
            said = [block for part in content if (block := self._result_part(part)) is not None]
        beside = [] if self._manners.files_in_results else [each for each in said if each.keys() & _FILES]
        said = [block for block in said if block not in beside]
        result: Block = {"toolUseId": self._ids.result(message.tool_call_id)}
        result["content"] = said or [self._said(_ATTACHED if beside else "")]
        if (message.native or {}).get("is_error") is True:  # as Anthropic's callers say it
            result["status"] = "error"
        blocks: list[Block] = [{"toolResult": result}, *beside]
        marks = [getattr(part, "cache_control", None) for part in content if not isinstance(part, str)]
        self.mark(blocks, message.cache_control or next((mark for mark in marks if mark is not None), None))
        return blocks

    def _result_part(self, part: AnyPart) -> Block | None:
        match part:
            case TextPart(text=text) | RefusalPart(refusal=text) | NativePart(text=text):
                return self._said(text) if text.strip() else None
            case AudioPart():
                return self._said("[A recording was left out: tool results hold no sound.]")
            case _:
                return self._media.block(part)

    def _said(self, text: str) -> Block:
        """A tool's answer in words."""
        if not self._manners.json_results:
            return _text(text if text.strip() else ".")
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            value = None
        return {"json": value if isinstance(value, dict) else {"output": text}}

    def _blocks(self, content: Content) -> list[Block]:
        if isinstance(content, str):
            return [_text(content)] if content.strip() else []
        blocks: list[Block] = []
        for part in content:
            match part:
                case TextPart(text=text) | RefusalPart(refusal=text) | NativePart(text=text):
                    block = _text(text) if text.strip() else None
                case _:
                    block = self._media.block(part)
            if block is not None:
                blocks.append(block)
            self.mark(blocks, _mark_of(part))
        return blocks

    def _put(self, role: str, blocks: list[Block]) -> None:
        """Turns of one role in a row are one turn, so that the results of parallel calls come together."""
        if not blocks:
            return
        last = self.turns[-1] if self.turns else None
        if last is None or last["role"] != role:
            self.turns.append({"role": role, "content": blocks})
        elif not self._manners.mixes and "toolResult" in last["content"][-1] and "toolResult" not in blocks[0]:
            self.turns += [{"role": "assistant", "content": [_text(".")]}, {"role": role, "content": blocks}]
        else:
            last["content"].extend(blocks)


def _mark_of(part: AnyPart) -> CacheControl | None:
    if (cached := getattr(part, "cache_control", None)) is not None:
        return cached if isinstance(cached, CacheControl) else None
    if isinstance(part, TextPart) and (point := part.prompt_cache_breakpoint) is not None:
        # OpenAI's explicit breakpoint; what it keeps for longer, we keep for an hour (OPENROUTER.md 9.2).
        return CacheControl(ttl="1h" if point.get("ttl") else None)
    return None


def _thought(text: str, signature: str | None) -> Block:
    if signature is None:
        return {"reasoningContent": {"redactedContent": base64.b64encode(text.encode()).decode()}}
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}


def _tool_use(function: FunctionCall, call_id: str) -> Block:
    return {"toolUse": {"toolUseId": call_id, "name": function.name, "input": _input(function.arguments)}}


def _text(text: str) -> Block:
    return {"text": text}


def _input(arguments: str) -> Any:
    """A call's arguments, which must be an object: what is none is given as text, so that the model sees it."""
    if not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return {"arguments": arguments}
    return value if isinstance(value, dict) else {"arguments": value}
