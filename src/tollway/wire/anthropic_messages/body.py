"""The body of `POST /messages` -> a ChatRequest."""

from typing import Any

import msgspec

from tollway.domain.chat import (
    ChatRequest,
    JsonSchema,
    Message,
    ResponseFormat,
    Tool,
    ToolChoice,
    ToolChoiceFunction,
    ToolFunction,
)
from tollway.domain.errors import InvalidRequest
from tollway.wire.anthropic_messages import body_schema as schema
from tollway.wire.anthropic_messages import thinking
from tollway.wire.anthropic_messages.body_blocks import (
    assistant_message,
    converted,
    system_message,
    user_messages,
)
from tollway.wire.json_body import check_printable, decode_body, unknown_fields

_DECODER = msgspec.json.Decoder(schema.Body)
_KNOWN = frozenset(schema.Body.__struct_fields__) - schema.OWN
_ROUTERS = (
    "model", "provider", "plugins", "preset", "session_id", "trace", "routing", "stop_server_tools_when",
    "deferred_tools", "cache_control", "stream", "max_tokens", "temperature", "top_p", "top_k",
)  # fmt: skip
"""Fields that we name alike."""
_TIERS = {"auto": "auto", "standard_only": "default"}
_CHOICES: dict[str, Any] = {"auto": "auto", "any": "required", "none": "none"}
_TOOL_FIELDS = frozenset(schema.Tool.__struct_fields__)


def decode_request(body: bytes) -> ChatRequest:
    """The body of `POST /messages`. Fields that we do not know are kept in `extra`.

    InvalidRequest, with `param` set to the field's path: not JSON, a wrong type, out of bounds, or fields that
    contradict each other (OPENROUTER.md 6.3).
    """
    given = decode_body(body, _DECODER)
    if not given.messages:
        raise InvalidRequest("messages: at least one message is required", param="messages")
    extra = unknown_fields(body, _KNOWN)
    if "thread" in extra:
        _refuse_thread(extra["thread"])
    if given.service_tier is not None and given.service_tier not in _TIERS:
        raise InvalidRequest('service_tier: expected "auto" or "standard_only"', param="service_tier")
    output = given.output_config or schema.OutputConfig()
    asked, verbosity = thinking.read(None if given.thinking is None else _plain(given.thinking), output.effort)
    form = output.format or given.output_format
    fields: dict[str, Any] = {name: getattr(given, name) for name in _ROUTERS}
    fields["models"] = _models(given)
    fields["user"] = given.user or (given.metadata.user_id if given.metadata is not None else None)
    for name in ("model", "session_id"):
        check_printable(name, fields[name])
    check_printable("user" if given.user else "metadata.user_id", fields["user"])
    for index, name in enumerate(fields["models"] or ()):
        check_printable(f"models[{index}]", name)
    return ChatRequest(
        **fields,
        messages=tuple(_messages(given)),
        stop=given.stop_sequences,
        tools=None if given.tools is None else tuple(_tool(tool, f"tools[{n}]") for n, tool in enumerate(given.tools)),
        tool_choice=_choice(given),
        parallel_tool_calls=_parallel(given.tool_choice),
        reasoning=asked,
        verbosity=None if verbosity == "none" or verbosity == "minimal" else verbosity,
        response_format=None
        if form is None
        else ResponseFormat("json_schema", JsonSchema(name="answer", schema=form.schema, strict=True)),
        service_tier=_TIERS.get(given.service_tier or ""),  # type: ignore[arg-type]  # two of its words
        extra=extra,
    )


def decode_count_request(body: bytes) -> ChatRequest:
    """The body of `POST /messages/count_tokens`: a request whose answer nobody wants."""
    return decode_request(body)


def _refuse_thread(thread: msgspec.Raw) -> None:
    """Conversations that the server holds (beta message-threads-2026-08-12): the SDK goes on without, if told so."""
    if bytes(thread) not in (b"null", b"false"):
        raise InvalidRequest(
            "thread: no conversation is held here; leave it out and send all messages each time",
            param="thread",
            metadata={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
        )


def _messages(given: schema.Body) -> list[Message]:
    messages: list[Message] = []
    if given.system:
        messages.append(system_message(given.system, "system"))
    for index, turn in enumerate(given.messages):
        path = f"messages[{index}].content"
        match turn.role:
            case "user":
                messages += user_messages(turn.content, path)
            case "assistant":
                messages.append(assistant_message(turn.content, path))
            case "system":
                messages.append(system_message(turn.content, path, turn=True))
    return messages


def _models(given: schema.Body) -> tuple[str, ...] | None:
    if given.fallbacks is None:
        return given.models
    if given.models is not None:
        raise InvalidRequest("fallbacks: cannot stand beside models; send one of them", param="fallbacks")
    return tuple(fallback.model for fallback in given.fallbacks) or None


def _tool(value: dict[str, Any], path: str) -> Tool:
    tool: schema.Tool = converted(value, schema.Tool, path)
    native = {name: item for name, item in value.items() if name not in _TOOL_FIELDS and item is not None} or None
    if tool.type not in (None, "custom"):
        # A tool of the provider's own: nothing in it is ours to read but the mark.
        own = {name: item for name, item in value.items() if name not in ("type", "cache_control") and item is not None}
        return Tool(type=str(tool.type), cache_control=tool.cache_control, native=own)
    if tool.name is None:
        raise InvalidRequest(f"{path}.name: is required", param=f"{path}.name")
    if tool.type == "custom":
        native = {"type": "custom", **(native or {})}
    return Tool(
        function=ToolFunction(tool.name, tool.description, tool.input_schema, tool.strict),
        cache_control=tool.cache_control,
        eager_input_streaming=tool.eager_input_streaming,
        native=native,
    )


def _choice(given: schema.Body) -> Any:
    choice = given.tool_choice
    if choice is None:
        return None
    if choice.type != "tool":
        return _CHOICES[choice.type]
    if choice.name is None:
        raise InvalidRequest('tool_choice.name: is required with type "tool"', param="tool_choice.name")
    if not any(tool.get("name") == choice.name for tool in given.tools or ()):
        raise InvalidRequest(f'tool_choice.name: "{choice.name[:80]}" is not among the tools', param="tool_choice.name")
    return ToolChoice(type="function", function=ToolChoiceFunction(choice.name))


def _parallel(choice: schema.ToolChoice | None) -> bool | None:
    if choice is None or choice.disable_parallel_tool_use is None:
        return None
    return not choice.disable_parallel_tool_use


def _plain(value: schema.Thinking) -> dict[str, Any]:
    return {name: item for name, item in msgspec.structs.asdict(value).items() if item is not None}
