"""A ChatRequest -> the bytes that a provider of this format gets."""

from typing import Any

import msgspec

from tollway.domain.chat import CacheControl, ChatRequest, ResponseFormat, UserMessage
from tollway.domain.quirks import Quirks
from tollway.wire.anthropic_messages import thinking
from tollway.wire.anthropic_messages.offered_tools import choice_of, tools_of
from tollway.wire.anthropic_messages.request_blocks import Messages, mark, marked
from tollway.wire.claude import BUDGET_MAX, ask, fitted, takes_prefill, takes_sampling, takes_schemas
from tollway.wire.closed_schema import STRUCTURED_TOOL, fit
from tollway.wire.never_forwarded import NEVER
from tollway.wire.reasoning_budget import wish_of
from tollway.wire.structured_output import in_words, way_of

MAX_TOKENS = 4096
"""The format needs a bound: this one where neither the caller nor the endpoint has any."""
MARKS_MAX = 4
"""Cache marks in one request (docs: prompt caching)."""

_ENCODER = msgspec.json.Encoder()
_REASONING = frozenset({"reasoning", "reasoning_effort", "include_reasoning"})
_FIELDS = frozenset(ChatRequest.__struct_fields__)
_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"}


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
    """The body of `POST /messages`.

    `max_tokens` is what is sent; None leaves it to the request, or to MAX_TOKENS. `parameters` are the endpoint's
    `supported_parameters` (empty: unknown, all are sent). `user_id` is a hash: the caller's `user` never leaves.
    `same_format`: the request came in this format, so that unknown fields and what only this format knows go along.
    """
    body: dict[str, Any] = {"model": upstream_model}
    body["max_tokens"] = max_tokens or request.output_limit or MAX_TOKENS
    if stream:
        body["stream"] = True
    _Writer(request, body, parameters, quirks, same_format).write(user_id)
    if quirks.version_in_body is not None:
        del body["model"]
        body["anthropic_version"] = quirks.version_in_body
    return _ENCODER.encode(body)


def encode_count_request(
    request: ChatRequest,
    *,
    upstream_model: str,
    quirks: Quirks = Quirks(),  # noqa: B008 a frozen value, never changed
    same_format: bool = False,
) -> bytes:
    """The body of `POST /messages/count_tokens`: what a message would be, without what only its answer needs."""
    body: dict[str, Any] = {"model": upstream_model, "max_tokens": request.output_limit or BUDGET_MAX}
    _Writer(request, body, frozenset(), quirks, same_format).write(None)
    counted = {name: value for name, value in body.items() if name not in _NOT_COUNTED}
    return _ENCODER.encode(counted)


_NOT_COUNTED = frozenset(
    {"max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"}
)


class _Writer:
    """One request's fields, written into `body` in turn; what one decides, the next reads there."""

    def __init__(
        self,
        request: ChatRequest,
        body: dict[str, Any],
        parameters: frozenset[str],
        quirks: Quirks,
        same_format: bool,
    ) -> None:
        self._request = request
        self._body = body
        self._parameters = parameters
        self._quirks = quirks
        self._same = same_format
        self._extra: dict[str, Any] = {}
        if same_format:
            self._extra = {name: value for name, value in request.extra.items() if self._may_leave(name)}

    def write(self, user_id: str | None) -> None:
        request, body = self._request, self._body
        wish = wish_of(request)
        # Thoughts exclude a prefill (docs: extended thinking, "Feature compatibility").
        can_go_on = takes_prefill(body["model"]) and not (wish is not None and wish.on)
        messages = Messages(same_format=self._same, takes_prefill=can_go_on)
        messages.add(request.messages or (UserMessage(content=request.prompt or ""),))
        messages.end()
        if messages.system:
            body["system"] = messages.system if messages.system_text is None else messages.system_text
        body["messages"] = messages.turns
        if self._takes("tools"):
            self._write_tools()
        self._write_thinking()
        if not self._same and messages.thoughts_are_missing and body.get("thinking", {}).get("type") == "enabled":
            del body["thinking"]
        self._write_format()
        self._write_sampling()
        if request.cache_control is not None:
            self._mark_all(request.cache_control)
        if user_id is not None and "user" not in self._quirks.drop:
            body["metadata"] = {"user_id": user_id}
        if (tier := _TIERS.get(request.service_tier or "")) is not None and "service_tier" not in self._quirks.drop:
            body["service_tier"] = tier
        for name, value in self._extra.items():
            body.setdefault(name, value)
        if not self._same:
            _spare_marks(body)

    def _mark_all(self, cached: CacheControl) -> None:
        """The mark of the whole request; on its last block, where the provider does not know such."""
        body = self._body
        if "cache_control" not in self._quirks.drop:
            body["cache_control"] = marked(cached)
            return
        blocks = [block for turn in body["messages"] for block in turn["content"]]
        mark([*body.get("tools", ()), *blocks], cached)

    def _takes(self, *names: str) -> bool:
        """Whether the endpoint takes any of these parameters."""
        if all(name in self._quirks.drop for name in names):
            return False
        return not self._parameters or not self._parameters.isdisjoint(names)

    def _may_leave(self, name: str) -> bool:
        return name not in NEVER and name not in self._quirks.drop and name not in _FIELDS

    def _write_tools(self) -> None:
        tools = tools_of(self._request, same_format=self._same)
        if tools or (self._same and self._request.tools is not None):
            self._body["tools"] = tools
        choice = choice_of(self._request, same_format=self._same)
        if choice is not None and (tools or self._same):
            self._body["tool_choice"] = choice

    def _write_thinking(self) -> None:
        request, body = self._request, self._body
        max_tokens = body["max_tokens"]
        own, output = self._own("thinking"), self._own("output_config")
        self._extra.pop("thinking", None)
        self._extra.pop("output_config", None)
        asked, effort = ask(request, body["model"], max_tokens)
        if output:
            # Written in this format: its values are the provider's to judge, and what we do not know is kept.
            effort = output.pop("effort", None)
            output.pop("format", None)
        if own is not None and thinking.read(own, self._own_effort())[0] == request.reasoning:
            asked = fitted(own, max_tokens) if max_tokens < (request.output_limit or 0) else own
        elif not self._same and asked is not None and asked["type"] == "enabled" and self._is_forced():
            asked = None  # the two exclude each other, and the caller cannot do without the call
        if asked is not None and self._takes(*_REASONING):
            body["thinking"] = asked
        if effort is not None and self._takes("verbosity", *_REASONING):
            output = {"effort": effort, **(output or {})}
        if output:
            body["output_config"] = output

    def _own(self, name: str) -> dict[str, Any] | None:
        """An object of the caller's in this format, as it came."""
        raw = self._extra.get(name)
        value = None if raw is None else msgspec.json.decode(raw)
        return value if isinstance(value, dict) else None

    def _own_effort(self) -> Any:
        raw = self._request.extra.get("output_config")
        value = None if raw is None else msgspec.json.decode(raw)
        return value.get("effort") if isinstance(value, dict) else None

    def _is_forced(self) -> bool:
        return self._body.get("tool_choice", {}).get("type") in ("any", "tool")

    def _write_format(self) -> None:
        wanted = self._request.response_format
        way = way_of(self._request, self._parameters, self._quirks)
        if wanted is None or way is None:
            return
        schema = wanted.json_schema.schema if wanted.json_schema is not None else None
        if schema is None or way in ("words", "json_object"):
            # The format has no mode for any JSON.
            self._instruct(in_words(wanted))
        elif "output_format" in self._extra:
            return
        elif way == "tool" or not takes_schemas(self._body["model"]):
            self._demand(wanted, schema)
        else:
            form = {"type": "json_schema", "schema": schema if self._same else fit(schema)}
            self._body["output_config"] = {**self._body.get("output_config", {}), "format": form}

    def _demand(self, wanted: ResponseFormat, schema: dict[str, Any]) -> None:
        """A schema as a tool that must be called; `EventDecoder` makes the call's arguments the answer's text."""
        body = self._body
        told = wanted.json_schema.description if wanted.json_schema is not None else None
        tool = {
            "name": STRUCTURED_TOOL,
            "description": told or "Give your answer with this tool.",
            "input_schema": schema,
        }
        others = body.get("tools", [])
        body["tools"] = [*others, tool]
        if not others:
            body["tool_choice"] = {"type": "tool", "name": STRUCTURED_TOOL}
        elif body.get("tool_choice", {}).get("type", "auto") == "auto":
            body["tool_choice"] = {**body.get("tool_choice", {}), "type": "any"}
        if body.get("thinking", {}).get("type") == "enabled":
            del body["thinking"]  # which a call that is forced excludes

    def _instruct(self, words: str) -> None:
        """An instruction behind the system prompt."""
        system = self._body.get("system", [])
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        self._body["system"] = [*blocks, {"type": "text", "text": words}]

    def _write_sampling(self) -> None:
        request, body = self._request, self._body
        thinks = body.get("thinking", {}).get("type", "disabled") != "disabled"
        temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
        if not self._same and not takes_sampling(body["model"]):
            temperature = top_p = top_k = None
        elif not self._same:
            # Its range ends at 1; thoughts exclude other values (docs: extended thinking, "Feature compatibility"),
            # newer models refuse both at once, and 0 is no top_k.
            temperature = None if temperature is None or thinks else min(temperature, 1.0)
            top_p = None if top_p is not None and (temperature is not None or (thinks and top_p < 0.95)) else top_p
            top_k = None if thinks else (top_k or None)
        for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
            if value is not None and self._takes(name):
                body[name] = value
        stop = (request.stop,) if isinstance(request.stop, str) else request.stop or ()
        # Blank ones are refused.
        stops = [text for text in stop if self._same or text.strip()]
        if stops and self._takes("stop"):
            body["stop_sequences"] = stops


def _spare_marks(body: dict[str, Any]) -> None:
    """More cache marks than the format allows: those on the oldest turns go, since later ones cover them."""
    turns = [block for turn in body["messages"] for block in turn["content"]]
    inner = [block for result in turns if isinstance(result.get("content"), list) for block in result["content"]]
    system = body.get("system")
    firm = [*body.get("tools", ()), *(system if isinstance(system, list) else ())]
    marks = [block for block in [*inner, *turns, *firm] if "cache_control" in block]
    allowed = MARKS_MAX - ("cache_control" in body)
    for block in marks[: max(len(marks) - allowed, 0)]:
        del block["cache_control"]
