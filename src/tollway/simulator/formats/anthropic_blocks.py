"""Anthropic's messages and their blocks: which there are, and what must follow what."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tollway.simulator import signatures, text
from tollway.simulator.formats.base import Refused
from tollway.simulator.formats.strictly import Closed, converted

_Id = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+$")]
_Cache = dict[str, Any] | None


class _Text(Closed, tag="text"):
    text: str
    citations: list[dict[str, Any]] | None = None
    cache_control: _Cache = None


class _Base64(Closed, tag="base64"):
    media_type: str
    data: str


class _Url(Closed, tag="url"):
    url: str


class _File(Closed, tag="file"):
    file_id: str


class _PlainText(Closed, tag="text"):
    media_type: Literal["text/plain"]
    data: str


class _Content(Closed, tag="content"):
    content: str | list[dict[str, Any]]


class _Image(Closed, tag="image"):
    source: _Base64 | _Url | _File
    cache_control: _Cache = None


class _Document(Closed, tag="document"):
    source: _Base64 | _Url | _File | _PlainText | _Content
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None
    cache_control: _Cache = None


class _SearchResult(Closed, tag="search_result"):
    source: str
    title: str
    content: list[_Text]
    citations: dict[str, Any] | None = None
    cache_control: _Cache = None


class _ToolReference(Closed, tag="tool_reference"):
    tool_name: str
    cache_control: _Cache = None


class _Thinking(Closed, tag="thinking"):
    thinking: str
    signature: str


class _Redacted(Closed, tag="redacted_thinking"):
    data: str


class _ToolUse(Closed, tag="tool_use"):
    id: _Id
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    input: dict[str, Any]
    caller: dict[str, Any] | None = None
    cache_control: _Cache = None


class _ToolResult(Closed, tag="tool_result"):
    tool_use_id: _Id
    content: str | list[_Text | _Image | _Document | _SearchResult | _ToolReference] | None = None
    is_error: bool | None = None
    cache_control: _Cache = None


_Block = _Text | _Image | _Document | _SearchResult | _Thinking | _Redacted | _ToolUse | _ToolResult
_STRICT = frozenset(
    {"text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result"}
)
_OTHERS = frozenset(
    (
        *("server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result"),
        *("bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result"),
        *("mcp_tool_use", "mcp_tool_result", "container_upload", "compaction", "advisor_tool_result"),
        *("tool_addition", "tool_removal"),
    )
)
"""Blocks that belong to the provider's own doings: known by name."""


class _Message(Closed):
    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class Prompt(Struct):
    """What a prompt amounts to."""

    characters: int = 0
    messages: int = 0
    last_user: str = ""
    after_tool: bool = False


def read_messages(raw: list[dict[str, Any]], system: str | list[dict[str, Any]] | None) -> Prompt:
    """Messages and system prompt, checked. Refused: they are out of order. Wrong: they are ill-typed."""
    prompt = Prompt()
    if system is not None:
        prompt.messages += 1
        parts = [{"type": "text", "text": system}] if isinstance(system, str) else system
        for index, each in enumerate(parts):
            prompt.characters += len(converted(each, _Text, f"system[{index}]").text)
    if not raw:
        raise Refused(400, "messages: at least one message is required")
    waiting: set[str] = set()
    role = ""
    for index, each in enumerate(raw):
        message = converted(each, _Message, f"messages[{index}]")
        blocks = _blocks(message, index, last=index == len(raw) - 1)
        goes_on = message.role == role  # messages of one role in a row are one
        role = message.role
        waiting = (waiting if goes_on else set()) | _paired(role, blocks, set() if goes_on else waiting, index)
        prompt.messages += 1
        words = ""
        for block in blocks:
            said, characters = _weight(block)
            words += said
            prompt.characters += characters
        if message.role == "user":
            prompt.last_user = words or prompt.last_user
            prompt.after_tool = any(isinstance(block, _ToolResult) for block in blocks)
    if waiting:
        raise _unanswered(len(raw) - 1, waiting)
    return prompt


def _blocks(message: _Message, index: int, *, last: bool) -> list[_Block | None]:
    """A message's blocks; None for one that only the provider's own tools write."""
    if isinstance(message.content, str):
        if not message.content and not (last and message.role == "assistant"):
            raise Refused(400, f"messages.{index}: user messages must have non-empty content")
        blocks: list[_Block | None] = [_Text(message.content)]
    else:
        if not message.content and not (last and message.role == "assistant"):
            raise Refused(400, f"messages.{index}: all messages must have non-empty content")
        blocks = [_block(each, f"messages[{index}].content[{at}]") for at, each in enumerate(message.content)]
        if any(isinstance(block, _Text) and not block.text for block in blocks):
            raise Refused(400, "messages: text content blocks must be non-empty")
    for at, block in enumerate(blocks):
        if isinstance(block, _Thinking) and not signatures.is_signed("anthropic", block.signature, block.thinking):
            raise Refused(400, f"messages.{index}.content.{at}: Invalid `signature` in `thinking` block")
    final = blocks[-1] if last and message.role == "assistant" and blocks else None
    if isinstance(final, _Text) and final.text != final.text.rstrip():
        raise Refused(400, "messages: final assistant content cannot end with trailing whitespace")
    return blocks


def _block(raw: dict[str, Any], path: str) -> _Block | None:
    kind = raw.get("type")
    if kind in _OTHERS:
        return None
    if kind not in _STRICT:
        raise Refused(400, f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    return converted(raw, _Block, f"{path}.{kind}")  # type: ignore[arg-type]  # a union is a type to msgspec


def _paired(role: str, blocks: list[_Block | None], waiting: set[str], index: int) -> set[str]:
    """The calls that wait for their results after this message. Refused: results without calls, or calls without."""
    results = {block.tool_use_id for block in blocks if isinstance(block, _ToolResult)}
    calls = [block.id for block in blocks if isinstance(block, _ToolUse)]
    if unexpected := sorted(results - waiting):
        words = f"unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(unexpected)}. Each `tool_result` "
        words += "block must have a corresponding `tool_use` block in the previous message."
        raise Refused(400, f"messages.{index}.content.0: {words}")
    if waiting - results:
        raise _unanswered(index - 1, waiting - results)
    if len(set(calls)) < len(calls):
        raise Refused(400, f"messages.{index}: `tool_use` ids must be unique")
    if calls and role != "assistant":
        raise Refused(400, f"messages.{index}: `tool_use` blocks can only be in `assistant` messages")
    return set(calls)


def _unanswered(index: int, ids: set[str]) -> Refused:
    words = f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(sorted(ids))}. Each "
    words += "`tool_use` block must have a corresponding `tool_result` block in the next message."
    return Refused(400, f"messages.{index}: {words}")


def _weight(block: _Block | None) -> tuple[str, int]:
    """A block's text, and its characters as the simulator counts them."""
    match block:
        case _Text():
            return block.text, len(block.text)
        case _ToolUse():
            return "", len(str(block.input))
        case _ToolResult():
            if isinstance(block.content, str):
                return "", len(block.content)
            return "", sum(_weight(each)[1] for each in block.content or () if not isinstance(each, _ToolReference))
        case _Thinking() | _Redacted() | None:
            return "", 0
        case _:
            return "", text.PART_CHARACTERS
