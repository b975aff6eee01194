"""Events -> the typed events of a response's stream."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.events import CONTENT, Event, Finished, UpstreamBody
from tollway.wire.native_fields import fields_of, written
from tollway.wire.openai_responses.output import Output
from tollway.wire.openai_responses.result import INCOMPLETE, Result

DONE = b"data: [DONE]\n\n"
_ENCODER = msgspec.json.Encoder()

_CODES = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "context_length_exceeded": "invalid_prompt",
    "invalid_request": "invalid_prompt",
    "invalid_prompt": "invalid_prompt",
    "content_policy_violation": "image_content_policy_violation",
}
"""`error_type` -> the format's own code; every other is "server_error" (OPENROUTER.md 12.5)."""
_TOO_LONG = frozenset({"max_tokens_exceeded", "token_limit_exceeded"})
"""Errors of length are no failures here: the response is incomplete (OPENROUTER.md 12.5)."""


class EventEncoder:
    """SSE text for a client, each event numbered (OPENROUTER.md 6.2).

    What ends an answer waits for a durable commit, so it is apart: `encode` writes items and their pieces, only
    `finish` and `error` write the terminal event. The first two events go out with the first content. `named` writes
    each event's name on a line of its own and no `[DONE]`: OpenAI's own manner, where OpenRouter's is data only.
    """

    __slots__ = ("_chunks", "_named", "_number", "_output", "_result")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the format's own word
        created: int,
        model: str,
        provider: str | None,
        request: ChatRequest | None = None,
        extra_fields: dict[str, Any] | None = None,
        named: bool = False,
    ) -> None:
        self._result = Result(
            id=id, created=created, model=model, provider=provider, request=request, extra_fields=extra_fields
        )
        self._named = named
        self._number = 0
        self._chunks: list[bytes] = []
        self._output = Output(id, self._say)

    def encode(self, events: Iterable[Event]) -> bytes:
        """The typed events for these events. UsageReported and Failed write nothing: they are the gateway's."""
        events = list(events)
        if not self._number and any(isinstance(event, (*CONTENT, Finished)) for event in events):
            self._begin()
        for event in events:
            if isinstance(event, UpstreamBody):
                self._say("response.debug", debug={"echo_upstream_body": event.body})
        self._output.take(events)
        return self._taken()

    def finish(
        self,
        usage: bytes | None = None,
        *,
        completed_at: int | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> bytes:
        """`response.completed` or `response.incomplete`. `usage` is `usage_json`'s, `completed_at` Unix seconds."""
        if not self._number:
            self._begin()
        output = self._output
        why = INCOMPLETE.get(output.finish_reason or "")
        status = "incomplete" if why else "completed"
        output.close(status)
        response = self._result.write(
            status,
            output.items,
            usage=usage,
            service_tier=output.service_tier,
            completed_at=None if why else completed_at,
            incomplete=why,
            extra_fields=extra_fields,
        )
        fields = fields_of(WireFormat.OPENAI_RESPONSES, output.native)
        self._say(f"response.{status}", response=Raw(written(_ENCODER.encode(response), fields)))
        return self._ended()

    def error(
        self,
        *,
        code: int,
        message: str,
        metadata: dict[str, Any] | None = None,
        usage: bytes | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> bytes:
        """`response.failed`, for an answer that failed after it began (OPENROUTER.md 12.5).

        `code` is the HTTP status that it would have had; `metadata` holds `error_type`, if given.
        """
        if not self._number:
            self._begin()
        output = self._output
        output.close("incomplete", silently=True)
        error_type = str((metadata or {}).get("error_type") or "server")
        if error_type in _TOO_LONG:
            response = self._result.write(
                "incomplete", output.items, usage=usage, incomplete="max_output_tokens", extra_fields=extra_fields
            )
            self._say("response.incomplete", response=response)
            return self._ended()
        error: dict[str, Any] = {"code": error_code(code, error_type), "message": message}
        extra: dict[str, Any] = {"error_type": error_type, **(extra_fields or {})}
        if metadata:
            extra["error_metadata"] = metadata
        response = self._result.write("failed", output.items, usage=usage, error=error, extra_fields=extra)
        self._say("response.failed", response=response)
        return self._ended()

    @staticmethod
    def comment(text: str) -> bytes:
        """A line that clients skip; it keeps the connection awake (FAULTS.md, "Late commit")."""
        return b": " + " ".join(text.split()).encode() + b"\n\n"

    def _begin(self) -> None:
        response = self._result.write("in_progress", [])
        self._say("response.created", response=response)
        self._say("response.in_progress", response=response)

    def _say(self, kind: str, /, **fields: Any) -> None:
        data = _ENCODER.encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        if self._named:
            self._chunks += (b"event: ", kind.encode(), b"\n")
        self._chunks += (b"data: ", data, b"\n\n")

    def _taken(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken

    def _ended(self) -> bytes:
        return self._taken() if self._named else self._taken() + DONE


def error_code(status: int, error_type: str) -> str:
    """The code of a failed response, of those that OpenAI's clients know."""
    return "rate_limit_exceeded" if status == 429 else _CODES.get(error_type, "server_error")
