"""Events -> the events of a Messages stream, as Anthropic names and orders them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tollway.domain.events import Event, Finished, NativeFields, Started
from tollway.wire.anthropic_messages.answer_writer import Step, Writer
from tollway.wire.anthropic_messages.errors import error_body
from tollway.wire.anthropic_messages.words import FORMAT, stop_reason, tier_word
from tollway.wire.native_fields import both, fields_of, said_by, written

_ENCODER = msgspec.json.Encoder()
_NO_USAGE = b'{"input_tokens":0,"output_tokens":0}'


class EventEncoder:
    """SSE text for a client: `message_start`, the blocks, and once the charge is durable how it ended.

    What ends an answer waits for a durable commit, so it is apart: `encode` writes blocks, only `finish` writes the
    reason, the usage and the end, and only `error` writes an error. `extra_fields` stand in the message.
    """

    __slots__ = ("_end", "_fields", "_head", "_tier", "_writer")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the format's own word
        created: int,
        model: str,
        provider: str | None,
        extra_fields: dict[str, Any] | None = None,
    ) -> None:
        self._head: dict[str, Any] | None = {
            **message_of(id, model, provider, extra_fields),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        self._writer = Writer()
        self._end: Finished | None = None
        self._tier: str | None = None
        self._fields: NativeFields | None = None

    def encode(self, events: Iterable[Event]) -> bytes:
        """The blocks of these events. UsageReported and Failed write nothing: they are the gateway's."""
        chunks: list[bytes] = []
        for event in events:
            if type(event) is Started:
                self._tier = event.service_tier or self._tier
            elif type(event) is NativeFields:
                self._fields = both(self._fields, event)
            elif type(event) is Finished:
                if not event.choice:
                    self._end = self._end or event
                    chunks += map(_event, self._writer.close())
            else:
                chunks += map(_event, self._writer.steps((event,)))
        if not chunks:
            return b""
        return self._started() + b"".join(chunks)

    def finish(self, usage: bytes | None, *, extra_fields: dict[str, Any] | None = None) -> bytes:
        """`message_delta` with the reason and `usage` (from `usage_json`), and `message_stop` with `extra_fields`."""
        end = self._end or Finished("stop")
        delta: dict[str, Any] = {"stop_reason": stop_reason(end.reason, end.native), "stop_sequence": None}
        details = said_by(FORMAT, end.details)
        managed = details.pop("context_management", None)
        value = {"type": "message_delta", "delta": {**delta, **details}}
        if managed is not None:
            value["context_management"] = managed
        data = _ENCODER.encode(value)[:-1] + b',"usage":' + with_tier(usage or _NO_USAGE, self._tier) + b"}"
        data = written(data, fields_of(FORMAT, self._fields))
        return b"".join(
            (
                self._started(),
                *map(_event, self._writer.close()),
                b"event: message_delta\ndata: " + data + b"\n\n",
                _event({"type": "message_stop", **(extra_fields or {})}),
            )
        )

    def error(
        self,
        *,
        code: int,
        message: str,
        metadata: dict[str, Any] | None = None,
        usage: bytes | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> bytes:
        """The event that ends an answer that failed after it began (OPENROUTER.md 12.5). Its usage has no place."""
        kind = (metadata or {}).get("error_type")
        return _event(error_body(code, kind if isinstance(kind, str) else None, message) | (extra_fields or {}))

    @staticmethod
    def comment(text: str) -> bytes:
        """A line that clients skip; it keeps the connection awake (FAULTS.md, "Late commit")."""
        return b": " + " ".join(text.split()).encode() + b"\n\n"

    def _started(self) -> bytes:
        if self._head is None:
            return b""
        head, self._head = self._head, None
        data = _ENCODER.encode({"type": "message_start", "message": head})
        # What was read is only known at the end, where `message_delta` says all of it.
        data = data[:-2] + b',"usage":' + with_tier(_NO_USAGE, self._tier) + b"}}"
        return b"event: message_start\ndata: " + data + b'\n\nevent: ping\ndata: {"type":"ping"}\n\n'


def message_of(
    id: str,  # noqa: A002 - the format's own word
    model: str,
    provider: str | None,
    extra_fields: dict[str, Any] | None,
) -> dict[str, Any]:
    """The fields of a message that are known from the start."""
    message: dict[str, Any] = {"id": id, "type": "message", "role": "assistant", "model": model}
    if provider is not None:
        message["provider"] = provider
    return {**message, **(extra_fields or {})}


def with_tier(usage: bytes, tier: str | None) -> bytes:
    """A usage object, with the tier that served."""
    return usage[:-1] + b',"service_tier":"%b"}' % tier_word(tier).encode()


def _event(step: Step) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (step["type"].encode(), _ENCODER.encode(step))
