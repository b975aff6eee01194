"""Events -> the chunks of a chat stream, in OpenRouter's manner."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tollway.domain.catalog import WireFormat
from tollway.domain.events import (
    Event,
    ExtraDelta,
    Finished,
    NativeDelta,
    NativeFields,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UpstreamBody,
)
from tollway.wire.native_fields import both, fields_of, written

_ENCODER = msgspec.json.Encoder()
_NOTHING_YET = b'},"finish_reason":null,"native_finish_reason":null,"logprobs":'
_PLAIN_END = _NOTHING_YET + b"null}]}\n\n"
_THOUGHT = (
    b'"content":"","reasoning":%b,'
    b'"reasoning_details":[{"type":"reasoning.text","text":%b,"format":"unknown","index":0}]'
)
"""Thoughts of which there is only the text: it is their one detail, too (recorded: openrouter.jsonl)."""
DONE = b"data: [DONE]\n\n"
_DATA = b"data: "
FORMAT = WireFormat.OPENAI_CHAT.value


class EventEncoder:
    """SSE text for a client, every chunk with the same envelope (OPENROUTER.md 3.4).

    What ends an answer waits for a durable commit, so it is apart: `encode` writes deltas and finish reasons, only
    `finish` and `error` write usage and `[DONE]`.
    """

    __slots__ = ("_about", "_envelope", "_fields", "_heads", "_text_head")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the format's own word
        created: int,
        model: str,
        provider: str | None,
        extra_fields: dict[str, Any] | None = None,
    ) -> None:
        encode = _ENCODER.encode
        envelope = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b' % (
            encode(id),
            created,
            encode(model),
        )
        if provider is not None:
            envelope += b',"provider":' + encode(provider)
        if extra_fields:
            envelope += b"," + encode(extra_fields)[1:-1]
        self._envelope = envelope
        self._about: dict[str, Any] = {}
        self._fields: NativeFields | None = None
        self._heads: dict[int, bytes] = {}
        self._text_head = self._head(0) + b'"content":'

    def encode(self, events: Iterable[Event]) -> bytes:
        """Chunks for these events; what is said of the whole answer waits for its end.

        UsageReported and Failed write nothing: they are the gateway's.
        """
        chunks: list[bytes] = []
        for event in events:
            if type(event) is TextDelta:
                if event.logprobs is None and not event.choice:
                    chunks += (self._text_head, _ENCODER.encode(event.text), _PLAIN_END)
                else:
                    end = b"null" if event.logprobs is None else bytes(event.logprobs)
                    chunks += (
                        self._head(event.choice),
                        b'"content":',
                        _ENCODER.encode(event.text),
                        _NOTHING_YET,
                        end,
                        b"}]}\n\n",
                    )
            elif type(event) is ReasoningDelta and event.text and not event.details:
                text = _ENCODER.encode(event.text)
                chunks += (self._head(event.choice), _THOUGHT % (text, text), _PLAIN_END)
            elif isinstance(event, Finished):
                chunks.append(self._finished(event))
            elif isinstance(event, (ReasoningDelta, RefusalDelta, ToolCallDelta, ExtraDelta)):
                chunks += (self._head(event.choice), _delta(event), _PLAIN_END)
            elif isinstance(event, NativeDelta):
                chunks.append(self._native(event))
            elif isinstance(event, UpstreamBody):
                chunks += (self._envelope, b',"choices":[],"debug":{"echo_upstream_body":', event.body, b"}}\n\n")
            else:
                self._note(event)
        return b"".join(chunks)

    def finish(self, usage: bytes | None, *, extra_fields: dict[str, Any] | None = None) -> bytes:
        """The chunk without choices that carries usage, `extra_fields` and what was said of the whole, and `[DONE]`.

        Without any of them, only that.
        """
        fields, native = {**self._about, **(extra_fields or {})}, fields_of(FORMAT, self._fields)
        if usage is None and not fields and not native:
            return DONE
        chunk = self._envelope + b',"choices":[]'
        if usage is not None:
            chunk += b',"usage":' + usage
        if fields:
            chunk += b"," + _ENCODER.encode(fields)[1:-1]
        if native:
            chunk = _DATA + written(chunk[len(_DATA) :] + b"}", native)[:-1]
        return chunk + b"}\n\n" + DONE

    def error(
        self,
        *,
        code: int,
        message: str,
        metadata: dict[str, Any] | None = None,
        usage: bytes | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> bytes:
        """The chunk that ends an answer that failed after it began (OPENROUTER.md 12.5), and `[DONE]`.

        `metadata` must hold `error_type`, if given. `code` is an integer: the official clients refuse anything else.
        """
        error: dict[str, Any] = {"code": code, "message": message}
        if metadata:
            error["metadata"] = metadata
        chunk = b"".join(
            (
                self._envelope[len(_DATA) :],
                b',"error":',
                _ENCODER.encode(error),
                b',"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"error",'
                b'"native_finish_reason":null,"logprobs":null}]',
                b"" if usage is None else b',"usage":' + usage,
                b"," + _ENCODER.encode(extra_fields)[1:] if extra_fields else b"}",
            )
        )
        return _DATA + written(chunk, {**fields_of(FORMAT, self._fields), **self._about}) + b"\n\n" + DONE

    @staticmethod
    def comment(text: str) -> bytes:
        """A line that clients skip; it keeps the connection awake (FAULTS.md, "Late commit")."""
        return b": " + " ".join(text.split()).encode() + b"\n\n"

    def _head(self, choice: int) -> bytes:
        head = self._heads.get(choice)
        if head is None:
            head = self._envelope + b',"choices":[{"index":%d,"delta":{"role":"assistant",' % choice
            self._heads[choice] = head
        return head

    def _native(self, event: NativeDelta) -> bytes:
        """The chunk of what only this format can say, and a provider of it said."""
        if event.format != FORMAT or event.value is None:
            return b""
        choice = msgspec.json.decode(event.value)
        delta = {"role": "assistant", "content": "", **choice.pop("message", {})}
        choice = {"index": event.choice, "delta": delta, "finish_reason": None, "logprobs": None, **choice}
        return self._envelope + b',"choices":[' + _ENCODER.encode(choice) + b"]}\n\n"

    def _note(self, event: Event) -> None:
        if isinstance(event, NativeFields):
            self._fields = both(self._fields, event)
        elif isinstance(event, Started):
            said = {"system_fingerprint": event.system_fingerprint, "service_tier": event.service_tier}
            self._about |= {name: value for name, value in said.items() if value is not None}

    def _finished(self, event: Finished) -> bytes:
        return b'%b"content":""},"finish_reason":%b,"native_finish_reason":%b,"logprobs":null}]}\n\n' % (
            self._head(event.choice),
            _ENCODER.encode(event.reason),
            _ENCODER.encode(event.native),
        )


def _delta(event: ReasoningDelta | RefusalDelta | ToolCallDelta | ExtraDelta) -> bytes:
    """The inside of a delta, behind the role."""
    value: dict[str, Any]
    match event:
        case ReasoningDelta():
            value = {"content": "", "reasoning": event.text}
            if event.details:
                value["reasoning_details"] = event.details
        case RefusalDelta():
            value = {"content": None, "refusal": event.text}
        case ToolCallDelta():
            call: dict[str, Any] = {"index": event.index}
            function: dict[str, Any] = {"input" if event.custom else "arguments": event.arguments}
            if event.id is not None:
                call |= {"id": event.id, "type": "custom" if event.custom else "function"}
            if event.name is not None:
                function = {"name": event.name, **function}
            call["custom" if event.custom else "function"] = function
            if event.extra_content is not None:
                call["extra_content"] = event.extra_content
            value = {"content": None, "tool_calls": [call]}
        case ExtraDelta():
            value = {"content": ""}
            for name, raw in (("images", event.images), ("audio", event.audio), ("annotations", event.annotations)):
                if raw is not None:
                    value[name] = raw
    return _ENCODER.encode(value)[1:-1]
