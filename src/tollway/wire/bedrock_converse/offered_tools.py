"""Tools and the choice among them -> toolConfig."""

from collections.abc import Iterable
from typing import Any

from tollway.domain.chat import ChatRequest, Tool, ToolChoice, ToolFunction

_FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def tools_of(request: ChatRequest) -> list[tuple[dict[str, Any], Tool]]:
    """The tools that the format can say, each with what the caller gave. Others have no counterpart in it.

    `strict` is not among what is said: it is a habit of OpenAI's clients, and a promise with limits of its own here.
    """
    given = request.tools or tuple(Tool(function=function) for function in request.functions or ())
    return [(spec, tool) for tool in given if (spec := _spec_of(tool)) is not None]


def _spec_of(tool: Tool) -> dict[str, Any] | None:
    if tool.function is not None:
        return spec(tool.function)
    if tool.type == "custom" and tool.custom is not None:
        custom = tool.custom
        described = custom.get("description")
        return spec(
            ToolFunction(
                name=str(custom.get("name", "")),
                description=described if isinstance(described, str) else None,
                parameters=_FREE_TEXT,
            )
        )
    return None


def spec(function: ToolFunction) -> dict[str, Any]:
    """One tool. An empty description is refused."""
    schema = function.parameters or {"type": "object", "properties": {}}
    value: dict[str, Any] = {"name": function.name}
    if function.description:
        value["description"] = function.description
    value["inputSchema"] = {"json": schema if "type" in schema else {"type": "object", **schema}}
    return {"toolSpec": value}


def called_in(turns: Iterable[dict[str, Any]]) -> list[str]:
    """The names of the tools that were called in a conversation, each once: Bedrock refuses calls of no tool."""
    names = [block["toolUse"]["name"] for turn in turns for block in turn["content"] if "toolUse" in block]
    return list(dict.fromkeys(names))


def choice_of(request: ChatRequest) -> dict[str, Any] | None:
    """`toolChoice`; None: nothing is asked. `none`, which the format lacks, is the caller's to see to."""
    asked = request.tool_choice
    if asked is None and request.function_call is not None:
        called = request.function_call
        asked = called if isinstance(called, str) else ToolChoice(type="function", function=called)
    match asked:
        case "required" | "any":
            return {"any": {}}
        case "auto":
            return {"auto": {}}
        case ToolChoice(function=function) if function is not None:
            return {"tool": {"name": function.name}}
        case ToolChoice(custom=custom) if custom is not None:
            return {"tool": {"name": str(custom.get("name", ""))}}
        case ToolChoice(allowed_tools=allowed) if allowed is not None:
            return {"any" if allowed.get("mode") == "required" else "auto": {}}
        case _:
            return None
