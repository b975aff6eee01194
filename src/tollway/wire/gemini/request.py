"""A ChatRequest -> the bytes that Google gets; for a client of Google's own format, in that client's words."""

from typing import Any

import msgspec
from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, DeveloperMessage, Message, SystemMessage, UserMessage
from tollway.domain.quirks import Quirks
from tollway.wire.free_text import as_functions
from tollway.wire.gemini import schema
from tollway.wire.gemini.contents import Writer
from tollway.wire.gemini.decode import SERVICE_TIERS, read_contents
from tollway.wire.gemini.functions import read_choice, read_tools, write_choice, write_tools
from tollway.wire.gemini.generation_config import read_config, write_config
from tollway.wire.gemini.messages import read_system
from tollway.wire.gemini.names import camel
from tollway.wire.gemini.thinking import thinks_in_levels
from tollway.wire.never_forwarded import NEVER
from tollway.wire.structured_output import in_words, told, way_of

_ENCODER = msgspec.json.Encoder()

_LISTED = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "seed": ("seed",),
    "stop": ("stop",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "logprobs": ("logprobs",),
    "top_logprobs": ("top_logprobs",),
    "response_format": ("response_format", "structured_outputs"),
    "tools": ("tools",),
    "functions": ("tools",),
    "tool_choice": ("tool_choice", "tools"),
    "web_search_options": ("web_search_options",),
    "reasoning": ("reasoning", "reasoning_effort", "include_reasoning"),
    "reasoning_effort": ("reasoning", "reasoning_effort", "include_reasoning"),
    "include_reasoning": ("reasoning", "reasoning_effort", "include_reasoning"),
}
"""Field -> the `supported_parameters` of which one must be listed for it to be sent."""

_WRITTEN = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier"})
_NEVER = frozenset(map(camel, NEVER)) | {"model", "models", "route", "stream"}
"""Orders that other gateways would take, and what the URL says."""


def encode_request(
    request: ChatRequest,
    *,
    upstream_model: str,
    max_tokens: int | None,
    stream: bool,
    parameters: frozenset[str] = frozenset(),
    quirks: Quirks = Quirks(),  # noqa: B008 a frozen value, never changed
    user_id: str | None = None,
    same_format: bool = False,
) -> bytes:
    """The body of generateContent and of streamGenerateContent.

    `max_tokens` is what is sent, whatever the request says. `parameters` are the endpoint's `supported_parameters`
    (empty: unknown, all are sent). `stream` is said by the URL, and Google has no field for `user_id`. `quirks.drop`
    takes our names, and `parametersJsonSchema` or `responseJsonSchema` for an endpoint that knows only the older
    `parameters` and `responseSchema`.
    """
    return _ENCODER.encode(
        request_fields(
            request,
            upstream_model=upstream_model,
            max_tokens=max_tokens,
            parameters=parameters,
            quirks=quirks,
            same_format=same_format,
        )
    )


def request_fields(
    request: ChatRequest,
    *,
    upstream_model: str,
    max_tokens: int | None,
    parameters: frozenset[str],
    quirks: Quirks,
    same_format: bool,
) -> dict[str, Any]:
    """The body as an object."""
    request = as_functions(request)
    request = _supported(_with_words(request, upstream_model, parameters, quirks, same_format), parameters, quirks)
    came = {name: msgspec.json.decode(raw) for name, raw in request.extra.items()} if same_format else {}
    body = {name: value for name, value in came.items() if name not in _WRITTEN | _NEVER | quirks.drop}
    writer = Writer(must_sign=thinks_in_levels(upstream_model), same_format=same_format)
    messages = request.messages or (UserMessage(content=request.prompt or ""),)
    contents = _contents(writer, messages, came.get("contents") or [])
    if instruction := _system(writer, messages, came.get("systemInstruction")):
        if contents:
            body["systemInstruction"] = instruction
        else:
            # Google wants at least one content.
            contents = [{"role": "user", "parts": instruction["parts"]}]
    if quirks.turn_roles:
        contents = [{"role": "user", **turn} for turn in contents]
    body["contents"] = contents or [{"role": "user", "parts": [{"text": ""}]}]
    whole = "parametersJsonSchema" not in quirks.drop
    if tools := _tools(request, came.get("tools"), whole, same_format):
        body["tools"] = tools
        if (choice := _choice(request, came.get("toolConfig"))) is not None:
            body["toolConfig"] = choice
    elif "toolConfig" in came and not came.get("tools"):
        body["toolConfig"] = came["toolConfig"]  # the tools are in a cache of Google's (`cachedContent`)
    whole = "responseJsonSchema" not in quirks.drop
    config = write_config(request, model=upstream_model, max_tokens=max_tokens, whole_schema=whole)
    config = _config(request, config, came.get("generationConfig"))
    if config or "generationConfig" in came:
        body["generationConfig"] = config
    if (tier := _TIERS.get(request.service_tier or "")) is not None and (tier != "standard" or "serviceTier" in came):
        body["serviceTier"] = tier
    return body


_TIERS: dict[str, str] = {ours: theirs for theirs, ours in SERVICE_TIERS.items()}


def _with_words(
    request: ChatRequest, model: str, parameters: frozenset[str], quirks: Quirks, same_format: bool
) -> ChatRequest:
    """The request with its wish for JSON put into words, where the model takes no other.

    Before Gemini 3 JSON and functions exclude each other ("Function calling with a response mime type:
    'application/json' is unsupported").
    """
    way = way_of(request, parameters, quirks)
    functions = bool(request.tools or request.functions) and not thinks_in_levels(model)
    if way is None or request.response_format is None or (way == "native" and (same_format or not functions)):
        return request
    words = in_words(request.response_format)
    return replace(request, response_format=None, messages=told(words, request.messages))


def _supported(request: ChatRequest, parameters: frozenset[str], quirks: Quirks) -> ChatRequest:
    """The request without what the endpoint does not take."""
    names = [name for name in quirks.drop if name in _FIELDS]
    if parameters:
        names += [name for name, any_of in _LISTED.items() if parameters.isdisjoint(any_of)]
    dropped = {name: None for name in names if getattr(request, name) is not None}
    return replace(request, **dropped) if dropped else request


_FIELDS = frozenset(ChatRequest.__struct_fields__) - {"messages", "extra"}


def _contents(writer: Writer, messages: tuple[Message, ...], came: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each content as it came, as long as the messages are the ones that it was read as; the others are written."""
    rest = [message for message in messages if not isinstance(message, SystemMessage | DeveloperMessage)]
    contents: list[dict[str, Any]] = []
    for fields, read in read_contents(msgspec.convert(came, list[schema.Content]), came):
        place = next((at for at in range(len(rest)) if tuple(rest[at : at + len(read)]) == read), None)
        if place is None:
            continue
        contents += [*writer.contents(rest[:place]), fields]
        for message in read:
            writer.see(message)
        rest = rest[place + len(read) :]
    return contents + writer.contents(rest)


def _system(writer: Writer, messages: tuple[Message, ...], came: Any) -> dict[str, Any] | None:
    told = [message for message in messages if isinstance(message, SystemMessage | DeveloperMessage)]
    if came is not None and told == [read_system(msgspec.convert(came, schema.Content | str), came)]:
        return {"parts": [{"text": came}]} if isinstance(came, str) else dict(came)
    parts = writer.system(messages)
    return {"parts": parts} if parts else None


def _tools(request: ChatRequest, came: Any, whole_schema: bool, same_format: bool) -> list[dict[str, Any]]:
    if came:
        tools = msgspec.convert(came, list[schema.Tool])
        searches = any(tool.google_search is not None for tool in tools)
        if read_tools(tools, came) == request.tools and searches == (request.web_search_options is not None):
            return list(came)
    return write_tools(request, whole_schema=whole_schema, same_format=same_format)


def _choice(request: ChatRequest, came: Any) -> dict[str, Any] | None:
    if came is not None:
        if read_choice(msgspec.convert(came, schema.ToolConfig)) == request.tool_choice:
            return dict(came)
        others = {name: value for name, value in came.items() if name != "functionCallingConfig"}
        return {**others, **(write_choice(request) or {})} or None
    return write_choice(request)


def _config(request: ChatRequest, config: dict[str, Any], came: Any) -> dict[str, Any]:
    """What is written, but in the client's own words where they mean the same, and with what we do not know."""
    if came is None:
        return config
    theirs = read_config(msgspec.convert(came, schema.GenerationConfig))
    for field, names in _WORDS.items():
        said = {name: came[name] for name in names if name in came}
        if said and theirs[field] == getattr(request, field):
            config = {name: value for name, value in config.items() if name not in names} | said
    known = {name for names in _WORDS.values() for name in names} | _CAMEL
    return {**{name: value for name, value in came.items() if name not in known}, **config}


_WORDS = {
    "response_format": ("responseMimeType", "responseSchema", "responseJsonSchema"),
    "modalities": ("responseModalities",),
    "reasoning": ("thinkingConfig",),
    "image_config": ("imageConfig",),
    "audio": ("speechConfig",),
    "stop": ("stopSequences",),
    "top_logprobs": ("logprobs",),
}
"""Fields that Google says in more ways than we do."""

_CAMEL = frozenset(schema.GenerationConfig.__struct_encode_fields__)
