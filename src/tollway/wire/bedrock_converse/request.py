"""A ChatRequest -> the bytes that Bedrock gets."""

from typing import Any

import msgspec
from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, ResponseFormat, ToolFunction, UserMessage
from tollway.domain.quirks import Quirks
from tollway.wire.bedrock_converse import families
from tollway.wire.bedrock_converse.offered_tools import called_in, choice_of, spec, tools_of
from tollway.wire.bedrock_converse.request_blocks import Messages
from tollway.wire.claude import takes_sampling
from tollway.wire.closed_schema import STRUCTURED_TOOL, fit
from tollway.wire.reasoning_budget import wish_of
from tollway.wire.structured_output import in_words, way_of

POINTS_MAX = 4
"""Cache points in one request (user guide, "Prompt caching")."""

_ENCODER = msgspec.json.Encoder()
_REASONING = ("reasoning", "reasoning_effort", "include_reasoning")
_OWN = ("guardrailConfig", "promptVariables", "requestMetadata", "additionalModelResponseFieldPaths")
"""The format's own fields that a caller of any format may send along. The others could lift the bound on the output
(`additionalModelRequestFields`) or cost what the catalog does not know (`performanceConfig`)."""
_TIERS = frozenset({"default", "flex", "priority"})


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
    """The body of Converse and of ConverseStream.

    `max_tokens` is what is sent; None leaves it to the request, or to the model, whose default is all that it can.
    `parameters` are the endpoint's `supported_parameters` (empty: unknown, all are sent). The URL says the model and
    whether it streams, no field takes `user_id`, and no caller speaks this format.
    """
    body: dict[str, Any] = {}
    _Writer(request, body, upstream_model, parameters, quirks).write(max_tokens or request.output_limit)
    return _ENCODER.encode(body)


class _Writer:
    """One request's fields, written into `body` in turn; what one decides, the next reads there."""

    def __init__(
        self, request: ChatRequest, body: dict[str, Any], model: str, parameters: frozenset[str], quirks: Quirks
    ) -> None:
        self._request = request
        self._body = body
        self._model = model
        self._family = families.family_of(model)
        self._manners = families.manners_of(model)
        if "cache_control" in quirks.drop:
            self._manners = replace(self._manners, caches=False)
        self._parameters = parameters
        self._quirks = quirks
        self._more: dict[str, Any] = {}
        """additionalModelRequestFields."""

    def write(self, max_tokens: int | None) -> None:
        request, body = self._request, self._body
        wish = wish_of(request)
        is_claude = self._family == "claude"
        # Claude's thoughts exclude a prefill (Anthropic's docs: extended thinking, "Feature compatibility").
        can_go_on = self._manners.goes_on and not (is_claude and wish is not None and wish.on)
        messages = Messages(self._manners, takes_prefill=can_go_on)
        messages.add(request.messages or (UserMessage(content=request.prompt or ""),))
        messages.end()
        messages.mark(messages.turns[-1]["content"], request.cache_control)
        body["messages"] = messages.turns
        if messages.system:
            body["system"] = messages.system
        self._write_tools(messages)
        if self._takes("verbosity", *_REASONING):
            self._more |= families.reasoning_fields(request, self._model, max_tokens)
        if messages.thoughts_are_missing and self._more.get("thinking", {}).get("type") == "enabled":
            del self._more["thinking"]
        self._write_format()
        self._write_inference(max_tokens)
        if self._more:
            body["additionalModelRequestFields"] = self._more
        if request.service_tier in _TIERS and "service_tier" not in self._quirks.drop:
            body["serviceTier"] = {"type": request.service_tier}
        for name in _OWN:
            if name in request.extra and name not in self._quirks.drop:
                body[name] = request.extra[name]
        _spare_points(body)

    def _takes(self, *names: str) -> bool:
        """Whether the endpoint takes any of these parameters."""
        if all(name in self._quirks.drop for name in names):
            return False
        return not self._parameters or not self._parameters.isdisjoint(names)

    def _write_tools(self, messages: Messages) -> None:
        request = self._request
        tools: list[dict[str, Any]] = []
        wanted = request.tool_choice != "none" and request.function_call != "none" and self._takes("tools")
        called = called_in(messages.turns)
        for tool, given in tools_of(request) if wanted or called else ():
            tools.append(tool)
            if self._manners.caches_tools:
                messages.mark(tools, given.cache_control)
        if not tools:
            tools = [spec(ToolFunction(name=name)) for name in called]
        if not tools:
            return
        self._body["toolConfig"] = {"tools": tools}
        choice = choice_of(request) if wanted else None
        if choice is not None:
            self._body["toolConfig"]["toolChoice"] = choice
        if request.parallel_tool_calls is False and self._family == "claude" and choice in (None, {"auto": {}}):
            self._more["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}

    def _write_format(self) -> None:
        wanted = self._request.response_format
        way = way_of(self._request, self._parameters, self._quirks)
        if wanted is None or way is None:
            return
        schema = wanted.json_schema.schema if wanted.json_schema is not None else None
        if schema is None or way in ("words", "json_object"):
            self._body.setdefault("system", []).append({"text": in_words(wanted)})  # no mode for any JSON
        elif way == "tool" or not families.knows_schemas(self._model):
            self._demand(wanted, schema)
        else:
            self._body["outputConfig"] = {"textFormat": _text_format(wanted, schema)}

    def _demand(self, wanted: ResponseFormat, schema: dict[str, Any]) -> None:
        """A schema as a tool that must be called; `EventDecoder` makes the call's arguments the answer's text."""
        told = wanted.json_schema.description if wanted.json_schema is not None else None
        tool = spec(ToolFunction(STRUCTURED_TOOL, told or "Give your answer with this tool.", schema))
        config = self._body.setdefault("toolConfig", {"tools": []})
        alone = not config["tools"]
        config["tools"].append(tool)
        if alone:
            config["toolChoice"] = {"tool": {"name": STRUCTURED_TOOL}}
        elif config.get("toolChoice", {"auto": {}}) == {"auto": {}}:
            config["toolChoice"] = {"any": {}}
        self._more.pop("tool_choice", None)

    def _write_inference(self, max_tokens: int | None) -> None:
        request = self._request
        is_claude = self._family == "claude"
        if is_claude and self._is_forced() and self._more.get("thinking", {}).get("type") == "enabled":
            del self._more["thinking"]  # the two exclude each other, and the caller cannot do without the call
        thinks = is_claude and self._more.get("thinking", {}).get("type", "disabled") != "disabled"
        temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
        if not takes_sampling(self._model):
            temperature = top_p = top_k = None
        elif is_claude:
            # Thoughts exclude other values, and newer models refuse both at once (Anthropic's docs).
            temperature = None if thinks else temperature
            top_p = None if top_p is not None and (temperature is not None or (thinks and top_p < 0.95)) else top_p
        stop = (request.stop,) if isinstance(request.stop, str) else request.stop or ()
        stops = [text for text in stop if text.strip()]
        config: dict[str, Any] = {}
        if max_tokens is not None:
            config["maxTokens"] = max_tokens
        if temperature is not None and self._takes("temperature"):
            config["temperature"] = min(temperature, 1.0)
        if top_p is not None and self._takes("top_p"):
            config["topP"] = top_p
        if stops and self._takes("stop"):
            config["stopSequences"] = stops
            if is_claude:
                self._body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
        if config:
            self._body["inferenceConfig"] = config
        if top_k and not thinks and self._takes("top_k"):
            self._more |= families.top_k_fields(self._family, top_k)

    def _is_forced(self) -> bool:
        return not self._body.get("toolConfig", {}).get("toolChoice", {}).keys() <= {"auto"}


def _text_format(wanted: ResponseFormat, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema is JSON inside a string."""
    form: dict[str, Any] = {"schema": _ENCODER.encode(fit(schema)).decode()}
    if wanted.json_schema is not None:
        form["name"] = wanted.json_schema.name
        if wanted.json_schema.description:
            form["description"] = wanted.json_schema.description
    return {"type": "json_schema", "structure": {"jsonSchema": form}}


def _spare_points(body: dict[str, Any]) -> None:
    """More cache points than are allowed: those in the oldest turns go, since later ones cover them."""
    turns = [turn["content"] for turn in body["messages"]]
    places = [*turns, body.get("system", []), body.get("toolConfig", {}).get("tools", [])]
    points = [(blocks, block) for blocks in places for block in blocks if "cachePoint" in block]
    for blocks, block in points[: max(len(points) - POINTS_MAX, 0)]:
        del blocks[next(place for place, each in enumerate(blocks) if each is block)]
