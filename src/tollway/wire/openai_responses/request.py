"""A ChatRequest -> the bytes that a provider of this format gets: its own parameters, and nothing of ours."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, Message, Reasoning, SystemMessage, Tool, UserMessage
from tollway.domain.quirks import Quirks
from tollway.wire.efforts import efforts_of, nearest
from tollway.wire.named import named
from tollway.wire.never_forwarded import NEVER
from tollway.wire.openai_responses.flat_tools import write_choice, write_format, write_tools
from tollway.wire.openai_responses.history import InputWriter
from tollway.wire.openai_responses.items import AS_TEXT, INSTRUCTIONS
from tollway.wire.reasoning_budget import effort_of, wish_of
from tollway.wire.structured_output import in_words, told, way_of

SEALED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"

_ENCODER = msgspec.json.Encoder()
_ALWAYS = ("temperature", "top_p")
_WHERE_LISTED = ("top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "seed", "stop")
"""Not OpenAI's, but others of this format have them: sent where the endpoint lists them or the caller wrote so."""
_ALONG = ("safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "service_tier")
_SAME_ONLY = ("max_tool_calls",)
_REASONING = ("reasoning", "reasoning_effort", "include_reasoning")


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
    """The body of `POST /responses`, always with `store` false: nothing is left behind at a provider.

    `max_tokens` is what is sent, whatever the request says: it bounds what the hold must cover. `parameters` are the
    endpoint's `supported_parameters` (empty: unknown, all are sent). `user_id` is a hash: the caller's `user` never
    leaves. What only this format knows goes along only where the request came in it (`same_format`).
    """
    if way_of(request, parameters, quirks) in ("words", "json_object"):
        request = _with_words(request)
    extra = request.extra if same_format else {}
    body: dict[str, Any] = {"model": upstream_model}
    _write_input(body, request, same_format, quirks)
    _write_parameters(body, request, parameters, same_format)
    _write_text(body, request, parameters, extra)
    _write_tools(body, request, parameters, same_format)
    asked = _reasoning(request, upstream_model, parameters, quirks, same_format)
    if asked or "reasoning" in extra:
        body["reasoning"] = {**asked, **_leftover(extra, "reasoning")}
    if include := _include(request, parameters, extra, asked, same_format):
        body["include"] = include
    if max_tokens is not None:
        body["max_output_tokens"] = max_tokens
    if user_id is not None:
        body["user"] = user_id
    if stream:
        body["stream"] = True
        if same_format and request.stream_options and request.stream_options.include_obfuscation is not None:
            body["stream_options"] = {"include_obfuscation": request.stream_options.include_obfuscation}
    body["store"] = False
    for name, value in extra.items():
        if name not in body and name not in NEVER and name not in _MERGED:
            body[name] = value
    return _ENCODER.encode(_with_quirks(body, quirks))


_MERGED = frozenset({"reasoning", "text", "include", "tool_choice", "instructions"})


def _write_input(body: dict[str, Any], request: ChatRequest, same: bool, quirks: Quirks) -> None:
    messages: tuple[Message, ...] = request.messages
    if not messages and request.prompt is not None:
        messages = (UserMessage(content=request.prompt),)
    first = messages[0] if messages else None
    if isinstance(first, SystemMessage):
        text = _plain(first)
        marked = first.native is not None and INSTRUCTIONS in first.native
        # A request of nothing but instructions is refused: it goes as a message then.
        if text is not None and (marked if same else len(messages) > 1):
            body["instructions"] = text
            messages = messages[1:]
    only = messages[0] if len(messages) == 1 else None
    if same and isinstance(only, UserMessage) and only.native is not None and AS_TEXT in only.native:
        body["input"] = only.content
    elif messages or "prompt" not in request.extra:
        body["input"] = InputWriter(same_format=same, quirks=quirks).items(messages)


def _plain(message: SystemMessage) -> str | None:
    content = named(message.name, message.content)
    if isinstance(content, str):
        return content
    texts = [getattr(part, "text", None) for part in content]
    return "\n\n".join(text for text in texts if text) if all(isinstance(text, str) for text in texts) else None


def _write_parameters(body: dict[str, Any], request: ChatRequest, parameters: frozenset[str], same: bool) -> None:
    names: Iterable[str] = (*_ALWAYS, *_WHERE_LISTED)
    for name in names:
        listed = name in parameters or (not parameters and (same or name in _ALWAYS))
        if listed and (value := getattr(request, name)) is not None:
            body[name] = value
    for name in (*_ALONG, *(_SAME_ONLY if same else ())):
        if (value := getattr(request, name)) is not None:
            body[name] = value
    if request.top_logprobs is not None and _lists(parameters, "top_logprobs", "logprobs"):
        body["top_logprobs"] = request.top_logprobs


def _with_words(request: ChatRequest) -> ChatRequest:
    form = request.response_format
    if form is None:
        return request
    return replace(request, response_format=None, messages=told(in_words(form), request.messages))


def _write_text(body: dict[str, Any], request: ChatRequest, parameters: frozenset[str], extra: dict[str, Raw]) -> None:
    text: dict[str, Any] = {}
    form = request.response_format
    if form is not None and _lists(parameters, "response_format", "structured_outputs"):
        written = write_format(form)
        if written is not None:
            text["format"] = written
    if request.verbosity is not None and _lists(parameters, "verbosity"):
        # OpenAI's last word is "high"; those above are Claude's.
        wordy = request.verbosity
        text["verbosity"] = "high" if wordy in ("xhigh", "max") else wordy
    text.update(_leftover(extra, "text"))
    if text:
        body["text"] = text


def _write_tools(body: dict[str, Any], request: ChatRequest, parameters: frozenset[str], same: bool) -> None:
    if request.parallel_tool_calls is not None and same and request.tools is None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    tools = request.tools
    if tools is None and request.functions is not None:
        tools = tuple(Tool(function=function) for function in request.functions)
    written = write_tools(tools, same_format=same) if tools is not None and _lists(parameters, "tools") else None
    if request.web_search_options is not None and not same and _lists(parameters, "web_search_options"):
        written = [*(written or ()), _web_search(request.web_search_options)]
    if written or (written is not None and same):
        body["tools"] = written
    elif not same:
        return
    choice: Any = request.extra.get("tool_choice") if same else None
    if choice is None:
        choice = write_choice(request.tool_choice)
    if choice is None and request.function_call is not None:
        named = request.function_call
        choice = named if isinstance(named, str) else {"type": "function", "name": named.name}
    if choice is not None and _lists(parameters, "tool_choice", "tools"):
        body["tool_choice"] = choice
    if request.parallel_tool_calls is not None and _lists(parameters, "parallel_tool_calls", "tools"):
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _web_search(options: dict[str, Any]) -> dict[str, Any]:
    """Chat's `web_search_options` -> the tool that it is here; where the user is lies one level deeper in chat."""
    tool: dict[str, Any] = {"type": "web_search"}
    if (size := options.get("search_context_size")) is not None:
        tool["search_context_size"] = size
    where = options.get("user_location")
    if isinstance(where, dict):
        place = where.get("approximate")
        tool["user_location"] = {"type": "approximate", **(place if isinstance(place, dict) else {})}
    return tool


def _reasoning(
    request: ChatRequest, model: str, parameters: frozenset[str], quirks: Quirks, same: bool
) -> dict[str, Any]:
    """`reasoning` as this format has it, or nothing where the caller did not ask or the endpoint does not reason."""
    wish = wish_of(request)
    if wish is None or not _lists(parameters, *_REASONING):
        return {}
    asked = request.reasoning or Reasoning()
    if quirks.reasoning_style == "object":
        effort = asked.effort or request.reasoning_effort
        written = msgspec.to_builtins(replace(asked, effort=effort, exclude=None))
        return dict(written)
    effort = wish.effort
    if effort is None and wish.budget is not None:
        effort = effort_of(wish.budget, request.output_limit)
    if effort is not None and not same:
        effort = nearest(effort, quirks.efforts or efforts_of(model))
    summary = asked.summary
    if (
        summary is None
        and not same
        and not wish.hidden
        and wish.on is not False
        and "reasoning_summary" not in quirks.drop
    ):
        # Elsewhere reasoning is shown where it is asked for; here only on request.
        summary = "auto"
    values = {"effort": effort, "summary": summary, "context": asked.context, "mode": asked.mode}
    return {name: value for name, value in values.items() if value is not None}


def _include(
    request: ChatRequest, parameters: frozenset[str], extra: dict[str, Raw], asked: dict[str, Any], same: bool
) -> list[str]:
    """What the answer shall hold besides: without seals, no reasoning that nobody stores can be sent back."""
    given = msgspec.json.decode(extra["include"]) if "include" in extra else None
    include: list[str] = list(given) if isinstance(given, list) else []
    reasons = bool(parameters) and not parameters.isdisjoint(_REASONING)
    if (reasons or (not same and asked)) and asked.get("effort") != "none" and SEALED not in include:
        include.append(SEALED)
    if request.logprobs and "include" not in extra and _lists(parameters, "logprobs"):
        include.append(LOGPROBS)
    return include


def _lists(parameters: frozenset[str], *names: str) -> bool:
    """Whether an endpoint takes a parameter, under any of its names. Empty: unknown, all are sent."""
    return not parameters or not parameters.isdisjoint(names)


def _leftover(extra: dict[str, Raw], name: str) -> dict[str, Any]:
    """The fields of an object that we do not know."""
    value = msgspec.json.decode(extra[name]) if name in extra else None
    return value if isinstance(value, dict) else {}


def _with_quirks(body: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    names = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
    dropped = {names.get(name, name) for name in quirks.drop} - {"model", "input"}
    renamed = {
        names.get(name, name): theirs
        for name, theirs in quirks.rename.items()
        # Which of the chat format's two names for the limit it wants is nothing to this one: it has a name of its own.
        if names.get(name, name) in body and theirs not in names
    }
    return {renamed.get(name, name): value for name, value in body.items() if name not in dropped}
