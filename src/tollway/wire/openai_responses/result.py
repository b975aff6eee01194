"""The response object that callers get, with every field that the official clients insist on."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.chat import ChatRequest, Content, SystemMessage, TextPart
from tollway.wire.openai_responses.flat_tools import shown_tools, write_choice, write_format
from tollway.wire.openai_responses.items import INSTRUCTIONS

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is incomplete, by how its choice finished; every other end is "completed"."""

_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
"""Those that OpenAI's clients know; Groq's "on_demand" is none of them."""
_NOBODY = ChatRequest()


class Result:
    """What stays the same of a response while it is written: who it is, and the request that it repeats.

    `provider` None leaves the field out (OpenAI's own manner); `extra_fields` are added at the top level.
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the format's own word
        created: int,
        model: str,
        provider: str | None,
        request: ChatRequest | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self._ids: dict[str, Any] = {"id": id, "object": "response", "created_at": created, "model": model}
        self._provider = provider
        self._repeated = _repeated(request or _NOBODY)
        self._extra_fields = extra_fields or {}

    def write(
        self,
        status: str,
        output: list[dict[str, Any]],
        *,
        usage: bytes | None = None,
        service_tier: str | None = None,
        completed_at: int | None = None,
        error: dict[str, Any] | None = None,
        incomplete: str | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """OPENROUTER.md 6.2: the fields that it marks R are always there."""
        value: dict[str, Any] = {
            **self._ids,
            "status": status,
            "completed_at": completed_at,
            "error": error,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "output": output,
            **self._repeated,
        }
        if self._provider is not None:
            value["provider"] = self._provider
        if service_tier in _TIERS:
            value["service_tier"] = service_tier
        value["usage"] = None if usage is None else Raw(usage)
        return {**value, **self._extra_fields, **(extra_fields or {})}


def _repeated(request: ChatRequest) -> dict[str, Any]:
    """What a response repeats of its request; null where the caller said nothing and each provider has its own way."""
    form = request.response_format
    text: dict[str, Any] = {"format": (write_format(form) if form is not None else None) or {"type": "text"}}
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    reasoning: dict[str, Any] = {"effort": request.reasoning_effort, "summary": None}
    if request.reasoning is not None:
        reasoning |= msgspec.to_builtins(request.reasoning)
    extra = request.extra
    choice: Any = extra.get("tool_choice") or write_choice(request.tool_choice) or "auto"
    return {
        "instructions": _instructions(request),
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "tool_choice": choice,
        "tools": shown_tools(request.tools or ()),
        "max_output_tokens": request.output_limit,
        "max_tool_calls": request.max_tool_calls,
        "top_logprobs": request.top_logprobs or 0,
        "previous_response_id": None,
        "prompt_cache_key": request.prompt_cache_key,
        "safety_identifier": request.safety_identifier,
        "reasoning": reasoning,
        "text": text,
        "truncation": extra.get("truncation") or "disabled",
        "user": request.user,
        "store": False,
        "background": False,
    }


def _instructions(request: ChatRequest) -> str | None:
    for message in request.messages:
        if isinstance(message, SystemMessage) and message.native is not None and INSTRUCTIONS in message.native:
            return _plain(message.content)
    return None


def _plain(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content if isinstance(part, TextPart))
