"""functionDeclarations and toolConfig <-> tools and tool_choice."""

from collections.abc import Iterable
from typing import Any, Literal

from tollway.domain.chat import ChatRequest, Tool, ToolChoice, ToolChoiceFunction, ToolFunction
from tollway.wire.gemini import schema
from tollway.wire.gemini.json_schema import from_google, to_google

Choice = Literal["none", "auto", "required", "any"] | ToolChoice


def read_tools(tools: list[schema.Tool] | None, raw: list[dict[str, Any]]) -> tuple[Tool, ...] | None:
    """Functions as tools; what Google runs itself (code, maps ...) as tools that only Google is told of.

    googleSearch is not among them: it is `web_search_options`.
    """
    if not tools:
        return None
    read: list[Tool] = []
    for tool, fields in zip(tools, raw, strict=True):
        read += [_tool(declaration) for declaration in tool.function_declarations or ()]
        read += [
            Tool(type=name, native={name: value})
            for name, value in fields.items()
            if name not in ("functionDeclarations", "googleSearch")
        ]
    return tuple(read) or None


def _tool(declaration: schema.FunctionDeclaration) -> Tool:
    parameters = declaration.parameters_json_schema
    if parameters is None and declaration.parameters is not None:
        parameters = from_google(declaration.parameters)
    function = ToolFunction(declaration.name, declaration.description or None, parameters)
    return Tool(function=function)


def write_tools(request: ChatRequest, *, whole_schema: bool, same_format: bool) -> list[dict[str, Any]]:
    """`whole_schema`: parametersJsonSchema, which takes JSON Schema as it is; otherwise Google's own subset."""
    functions: Iterable[ToolFunction] = request.functions or ()
    if request.tools is not None:
        functions = [tool.function for tool in request.tools if tool.type == "function" and tool.function is not None]
    declarations = [_declaration(function, whole_schema) for function in functions]
    tools: list[dict[str, Any]] = [{"functionDeclarations": declarations}] if declarations else []
    if request.web_search_options is not None:
        tools.append({"googleSearch": {}})
    if same_format:
        tools += [tool.native for tool in request.tools or () if tool.native is not None]
    return tools


def _declaration(function: ToolFunction, whole_schema: bool) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": function.name}
    if function.description:
        declaration["description"] = function.description
    if function.parameters and whole_schema:
        declaration["parametersJsonSchema"] = function.parameters
    elif function.parameters and function.parameters.get("properties"):
        # An object without properties is refused there ("should be non-empty for OBJECT type").
        declaration["parameters"] = to_google(function.parameters)
    return declaration


def read_choice(config: schema.ToolConfig | None) -> Choice | None:
    """ANY with one name is that function, with several it is OpenAI's `allowed_tools`; VALIDATED is auto."""
    calling = config.function_calling_config if config is not None else None
    if calling is None:
        return None
    mode = (calling.mode or "").upper()
    names = calling.allowed_function_names or ()
    if mode == "ANY" and len(names) == 1:
        return ToolChoice(type="function", function=ToolChoiceFunction(names[0]))
    if mode in ("ANY", "VALIDATED") and names:
        tools = [{"type": "function", "function": {"name": name}} for name in names]
        allowed = {"mode": "required" if mode == "ANY" else "auto", "tools": tools}
        return ToolChoice(type="allowed_tools", allowed_tools=allowed)
    words: dict[str, Choice] = {"ANY": "required", "AUTO": "auto", "VALIDATED": "auto", "NONE": "none"}
    return words.get(mode)


def write_choice(request: ChatRequest) -> dict[str, Any] | None:
    """The toolConfig, or None where nothing is asked. Google refuses one without tools, so the caller checks that."""
    choice = request.tool_choice
    if choice is None and request.function_call is not None:
        asked = request.function_call
        choice = asked if isinstance(asked, str) else ToolChoice(type="function", function=asked)
    if isinstance(choice, str):
        modes = {"required": "ANY", "any": "ANY", "auto": "AUTO", "none": "NONE"}
        return {"functionCallingConfig": {"mode": modes[choice]}}
    if choice is None:
        return None
    if choice.function is not None:
        return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice.function.name]}}
    if choice.allowed_tools is not None:
        mode = "ANY" if choice.allowed_tools.get("mode") == "required" else "VALIDATED"
        return {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": _names(choice.allowed_tools)}}
    return None


def _names(allowed: dict[str, Any]) -> list[str]:
    names: list[str] = []
    tools = allowed.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(function, dict) and isinstance(name := function.get("name"), str):
            names.append(name)
    return names
