"""Tools and the choice among them -> the format's."""

from typing import Any

from tollway.domain.chat import ChatRequest, Tool, ToolChoice, ToolFunction
from tollway.wire.anthropic_messages.request_blocks import marked

_FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def tools_of(request: ChatRequest, *, same_format: bool) -> list[dict[str, Any]]:
    """The tools that the format can say. Other formats' own tools have no counterpart in it."""
    given = request.tools or tuple(Tool(function=function) for function in request.functions or ())
    return [tool for one in given if (tool := _tool(one, same_format=same_format)) is not None]


def _tool(tool: Tool, *, same_format: bool) -> dict[str, Any] | None:
    if tool.function is not None:
        value = _function(tool.function)
        if same_format and tool.function.strict is not None:
            # Elsewhere a habit of OpenAI's clients; here a promise with limits of its own (OPENROUTER.md 1.3).
            value["strict"] = tool.function.strict
    elif tool.type == "custom" and tool.custom is not None:
        value = {"name": str(tool.custom.get("name", "")), "input_schema": _FREE_TEXT}
        if tool.custom.get("description"):
            value["description"] = tool.custom["description"]
    elif same_format and tool.native is not None:
        value = {"type": tool.type}
    else:
        return None
    if tool.eager_input_streaming is not None:
        value["eager_input_streaming"] = tool.eager_input_streaming
    if tool.cache_control is not None:
        value["cache_control"] = marked(tool.cache_control)
    return {**value, **(tool.native or {})} if same_format else value


def _function(function: ToolFunction) -> dict[str, Any]:
    value: dict[str, Any] = {"name": function.name}
    if function.description is not None:
        value["description"] = function.description
    schema = function.parameters or {"type": "object", "properties": {}}
    value["input_schema"] = schema if "type" in schema else {"type": "object", **schema}
    return value


def choice_of(request: ChatRequest, *, same_format: bool) -> dict[str, Any] | None:
    """`tool_choice`, with `parallel_tool_calls` inside it, as the format has it."""
    choice = _choice(request)
    if request.parallel_tool_calls is False:
        choice = choice or {"type": "auto"}
        if choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
    elif request.parallel_tool_calls and same_format and choice is not None:
        choice["disable_parallel_tool_use"] = False
    return choice


def _choice(request: ChatRequest) -> dict[str, Any] | None:
    asked = request.tool_choice
    if asked is None and request.function_call is not None:
        called = request.function_call
        return {"type": called} if isinstance(called, str) else {"type": "tool", "name": called.name}
    match asked:
        case None:
            return None
        case "required" | "any":
            return {"type": "any"}
        case str():
            return {"type": asked}
        case ToolChoice(function=function) if function is not None:
            return {"type": "tool", "name": function.name}
        case ToolChoice(custom=custom) if custom is not None:
            return {"type": "tool", "name": str(custom.get("name", ""))}
        case ToolChoice(allowed_tools=allowed) if allowed is not None:
            return {"type": "any" if allowed.get("mode") == "required" else "auto"}
        case _:
            return {"type": "auto"}
