"""Tools, the choice among them and the format of the answer's text, both ways: flat here, nested in ours."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.chat import (
    JsonSchema,
    ResponseFormat,
    Tool,
    ToolChoice,
    ToolChoiceFunction,
    ToolFunction,
)
from tollway.domain.errors import InvalidRequest
from tollway.wire.json_body import invalid
from tollway.wire.openai_responses.parts import rest, text_of, wrong

ADDITIONAL = "additional_tools"
"""Marks a tool that came among the input's items, where the same format writes it again."""
_FUNCTION = ("type", "name", "description", "parameters", "strict")
_ENCODER = msgspec.json.Encoder()


def read_tool(value: Any, path: str) -> Tool:
    """A tool of any type. What is neither a function, nor custom, nor OpenRouter's stays whole in `native`."""
    if not isinstance(value, dict):
        raise wrong(path, "expected an object")
    kind = text_of(value, "type", path)
    if kind == "function":
        function = converted({name: value[name] for name in _FUNCTION[1:] if name in value}, ToolFunction, path)
        return Tool(function=function, native=rest(value, *_FUNCTION))
    if kind == "custom":
        text_of(value, "name", path)
        custom = {name: item for name, item in value.items() if name != "type"}
        if isinstance(form := custom.get("format"), dict) and form.get("type") == "grammar":
            custom["format"] = {"type": "grammar", "grammar": {n: item for n, item in form.items() if n != "type"}}
        return Tool(type="custom", custom=custom)
    if kind.startswith("openrouter:") and rest(value, "type", "parameters") is None:
        parameters = value.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            raise wrong(f"{path}.parameters", "expected an object")
        return Tool(type=kind, parameters=parameters)
    return Tool(type=kind, native=value)


def write_tools(tools: Iterable[Tool], *, same_format: bool) -> list[dict[str, Any]]:
    """The tools that this format can say; what another format alone knows is left out."""
    return [value for tool in tools if (value := _write_tool(tool, same_format)) is not None]


def _write_tool(tool: Tool, same: bool) -> dict[str, Any] | None:
    if tool.function is not None:
        if same and tool.native is not None and ADDITIONAL in tool.native:
            return None
        function = tool.function
        value: dict[str, Any] = {"type": "function", "name": function.name}
        if function.description is not None:
            value["description"] = function.description
        if function.parameters is not None or not same:
            value["parameters"] = function.parameters or {"type": "object", "properties": {}}
        if function.strict is not None or not same:
            # Left out, it would mean true here and false in chat (OpenAI, "Migrate to the Responses API").
            value["strict"] = bool(function.strict)
        return {**value, **(tool.native or {})} if same else value
    if tool.custom is not None:
        custom = dict(tool.custom)
        if isinstance(form := custom.get("format"), dict) and isinstance(grammar := form.get("grammar"), dict):
            custom["format"] = {"type": "grammar", **grammar}
        return {"type": "custom", **custom}
    if tool.native is not None:
        return tool.native if same else None
    return {"type": tool.type} if tool.parameters is None else {"type": tool.type, "parameters": tool.parameters}


def shown_tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """The tools as a result repeats them: functions with every field that OpenAI's clients insist on."""
    return [
        {"strict": None, "description": None, **tool} if tool.get("type") == "function" else tool
        for tool in write_tools(tools, same_format=True)
    ]


def read_choice(value: Any, tools: Iterable[Tool]) -> Any:
    """`tool_choice` -> ours, or the Raw of a choice that only this format knows."""
    if value is None or value in ("none", "auto", "required"):
        return value
    if not isinstance(value, dict):
        raise wrong("tool_choice", 'expected "none", "auto", "required" or an object')
    kind = text_of(value, "type", "tool_choice")
    if kind == "function":
        name = text_of(value, "name", "tool_choice")
        if not any(tool.function is not None and tool.function.name == name for tool in tools):
            raise wrong("tool_choice.name", f'"{name[:80]}" is not among the tools')
        return ToolChoice(type="function", function=ToolChoiceFunction(name))
    if kind == "custom":
        return ToolChoice(type="custom", custom={"name": text_of(value, "name", "tool_choice")})
    if kind == "allowed_tools":
        allowed = value.get("tools")
        if not isinstance(allowed, list) or not all(isinstance(tool, dict) for tool in allowed):
            raise wrong("tool_choice.tools", "expected a list of objects")
        nested = [_nested(tool) for tool in allowed]
        return ToolChoice(type=kind, allowed_tools={"mode": value.get("mode", "auto"), "tools": nested})
    return Raw(_ENCODER.encode(value))


def write_choice(choice: Any) -> Any:
    """Ours -> `tool_choice`. None: nothing is sent."""
    if not isinstance(choice, ToolChoice):
        return "required" if choice == "any" else choice
    if choice.function is not None:
        return {"type": "function", "name": choice.function.name}
    if choice.custom is not None:
        return {"type": "custom", "name": choice.custom.get("name")}
    if choice.allowed_tools is not None:
        tools = choice.allowed_tools.get("tools")
        flat = [_flat(tool) for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
        return {"type": "allowed_tools", "mode": choice.allowed_tools.get("mode", "auto"), "tools": flat}
    return {"type": choice.type}


def _nested(tool: dict[str, Any]) -> dict[str, Any]:
    kind = tool.get("type")
    return {"type": kind, kind: {"name": tool["name"]}} if kind in ("function", "custom") and "name" in tool else tool


def _flat(tool: dict[str, Any]) -> dict[str, Any]:
    inside = tool.get(str(tool.get("type")))
    return {"type": tool["type"], **inside} if isinstance(inside, dict) else tool


def read_format(value: Any) -> ResponseFormat | None:
    """`text.format` -> ours."""
    if value is None:
        return None
    path = "text.format"
    if not isinstance(value, dict):
        raise wrong(path, "expected an object")
    kind = text_of(value, "type", path)
    if kind != "json_schema":
        return ResponseFormat(converted({"type": kind}, ResponseFormat, path).type)
    schema = converted({name: item for name, item in value.items() if name != "type"}, JsonSchema, path)
    if schema.schema is None:
        raise wrong(f"{path}.schema", "is required")
    return ResponseFormat(type="json_schema", json_schema=schema)


def write_format(form: ResponseFormat) -> dict[str, Any] | None:
    """Ours -> `text.format`; None: this format has no such one."""
    if form.type not in ("text", "json_object", "json_schema"):
        return None
    if form.json_schema is None:
        return {"type": form.type}
    schema = form.json_schema
    fields = {"description": schema.description, "schema": schema.schema, "strict": schema.strict}
    known = {name: item for name, item in fields.items() if item is not None}
    return {"type": "json_schema", "name": schema.name, **known}


def converted(value: Any, to: Any, path: str) -> Any:
    """A decoded value -> a Struct. InvalidRequest names the field inside `path`."""
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        wrong_field = invalid(str(error))
        inside = f"{path}.{wrong_field.param}" if wrong_field.param else path
        text = wrong_field.message.partition(": ")[2]
        raise InvalidRequest(f"{inside}: {text}", param=inside) from None
