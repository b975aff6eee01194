"""Events -> the chunks of streamGenerateContent, as server-sent events or as one JSON list."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.events import Event, Failed, NativeFields, RefusalDelta, Started, UpstreamBody, UsageReported
from tollway.domain.generation import Usage
from tollway.wire.gemini.errors import error_body
from tollway.wire.gemini.pieces import FORMAT, Piece, Pieces, block_of, joined, logprobs_of
from tollway.wire.gemini.usage import write_usage
from tollway.wire.native_fields import both, fields_of, written

_ENCODER = msgspec.json.Encoder()


def envelope(*, id: str, model: str, provider: str | None) -> dict[str, Any]:  # noqa: A002 - the format's own word
    """What every chunk and every answer says of itself. The Gemini API has no time in it."""
    fields = {"modelVersion": model, "responseId": id}
    return fields if provider is None else {**fields, "provider": provider}


class EventEncoder:
    """Text for a client, every chunk with the same envelope.

    What ends an answer waits for a durable commit, so it is apart: `encode` writes parts, only `finish` writes finish
    reasons and usage. `array`: the list that a client without `alt=sse` gets, `application/json`. `created` is for
    formats that have a place for it.
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the format's own word
        created: int,
        model: str,
        provider: str | None,
        extra_fields: dict[str, Any] | None = None,
        array: bool = False,
    ) -> None:
        self._envelope = envelope(id=id, model=model, provider=provider) | (extra_fields or {})
        self._array = array
        self._begun = False
        self._choices: dict[int, Pieces] = {}
        self._block: dict[str, Any] | None = None
        self._fields: NativeFields | None = None

    def encode(self, events: Iterable[Event]) -> bytes:
        """Chunks for these events; parts of one choice that come together are one chunk.

        Started, UsageReported and Failed write nothing: they are the gateway's.
        """
        chunks: list[bytes] = []
        parts: list[dict[str, Any]] = []
        open_choice = 0
        pieces: list[Piece] = []
        for event in events:
            if isinstance(event, NativeFields):
                self._fields = both(self._fields, event)
            elif not isinstance(event, Started | UpstreamBody | UsageReported | Failed):
                pieces.append(event)
        for event in pieces:
            self._block = block_of(event) or self._block
        for event in pieces:
            if self._block is not None and isinstance(event, RefusalDelta):
                continue  # Google's words about a prompt that it refused, which `finish` writes.
            if event.choice != open_choice:
                chunks.append(self._parts(open_choice, parts))
                parts, open_choice = [], event.choice
            parts += self._choice(event.choice).take(event)
            if (logprobs := logprobs_of(event)) is not None:
                chunks.append(self._parts(open_choice, parts, {"logprobsResult": logprobs}))
                parts = []
        chunks.append(self._parts(open_choice, parts))
        return b"".join(chunks)

    def finish(
        self,
        usage: Usage | bytes | None,
        *,
        cost_usd_json: bytes | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> bytes:
        """The last chunk: finish reasons and usage. `cost_usd_json`, if given, stands beside them as `cost`."""
        last: dict[str, Any] = {}
        if self._block is not None:
            last["promptFeedback"] = self._block
        else:
            last["candidates"] = [
                {"content": {"parts": [{"text": ""}], "role": "model"}, **choice.end()}
                for _, choice in sorted((self._choices or {0: Pieces(0)}).items())
            ]
        if usage is not None:
            last["usageMetadata"] = Raw(usage) if isinstance(usage, bytes) else write_usage(usage)
        if cost_usd_json is not None:
            last["cost"] = Raw(cost_usd_json)
        text = _ENCODER.encode(last | self._envelope | (extra_fields or {}))
        return self._framed(written(text, fields_of(FORMAT, self._fields))) + self._close()

    def error(
        self,
        *,
        code: int,
        message: str,
        metadata: dict[str, Any] | None = None,
        usage: Usage | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> bytes:
        """The chunk that ends an answer that failed after it began: Google's clients raise where one has `error`."""
        error_type = str((metadata or {}).get("error_type") or "server")
        body = error_body(code, error_type, message, metadata=metadata)
        if usage is not None:
            body["usageMetadata"] = write_usage(usage)
        return self._chunk(body | (extra_fields or {})) + self._close()

    @staticmethod
    def comment(text: str) -> bytes:
        """An empty line, which clients skip; it keeps the connection awake.

        No comment: Google's own SDK reads any line without `data: ` as the beginning of an error.
        """
        return b"\n"

    def _choice(self, index: int) -> Pieces:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Pieces(index)
        return choice

    def _parts(self, choice: int, parts: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
        if not parts and not more:
            return b""
        content = {"parts": joined(parts, whole=False) or [{"text": ""}], "role": "model"}
        return self._chunk({"candidates": [{"content": content, "index": choice, **(more or {})}], **self._envelope})

    def _chunk(self, value: dict[str, Any]) -> bytes:
        return self._framed(_ENCODER.encode(value))

    def _framed(self, text: bytes) -> bytes:
        if not self._array:
            return b"data: " + text + b"\n\n"
        start = b",\r\n" if self._begun else b"["
        self._begun = True
        return start + text

    def _close(self) -> bytes:
        return b"]" if self._array else b""
