"""A provider's chat stream -> events: an object with memory and no I/O."""

import re
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.catalog import WireFormat
from tollway.domain.events import (
    Event,
    ExtraDelta,
    Failed,
    Finished,
    NativeDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from tollway.wire.native_fields import of_format
from tollway.wire.openai_chat.envelope import Envelope, envelope_of
from tollway.wire.openai_chat.schema import Body, Choice, ContentPiece, Function, Message, ToolCallPiece
from tollway.wire.openai_chat.unknown import decoded, taken_off, usage_rest
from tollway.wire.openai_chat.usage import read_usage
from tollway.wire.provider_errors import failed_body, failed_value, plain_text
from tollway.wire.sse import SseEvent
from tollway.wire.sse_answer import SseAnswer

FORMAT = WireFormat.OPENAI_CHAT.value
CHOICES_MAX = 64
CALLS_MAX = 512
LESSONS = 3
"""How many events of a stream are looked at for what its events have in common: some share nothing."""

_BODY = msgspec.json.Decoder(Body)
_ENCODER = msgspec.json.Encoder()
_NOT_NUMBERS = re.compile(rb"(?<=[:\[,\s])-?(?:NaN|Infinity)(?=[,}\]\s])")

_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",  # Mistral: the context is full.
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "spii": "content_filter",
    "sensitive": "content_filter",  # Z.ai
    "refusal": "content_filter",
    "error": "error",
    "network_error": "error",  # Z.ai
    "insufficient_system_resource": "error",  # DeepSeek
    "abort": "error",  # vLLM, SGLang
}
"""What providers call an end, in lower case -> what we call it. Any other word is "stop"."""


def repaired(data: bytes) -> bytes:
    """JSON as some servers write it, made readable: invalid UTF-8 replaced (FAULTS.md U-13), NaN and Infinity null."""
    return _NOT_NUMBERS.sub(b"null", data.decode("utf-8", "replace").encode())


class EventDecoder(SseAnswer):
    """`feed` the bytes of an answer as they come; `end` when they end.

    After `Failed` nothing more comes. Nothing is read after `[DONE]` but usage, and nothing of a choice after it
    finished (FAULTS.md U-18, U-19); an error that comes when every choice has finished takes nothing back.
    A choice that spoke and has no finish when `[DONE]` comes finishes then: Snowflake never sends one.
    """

    __slots__ = ("_calls", "_envelope", "_finished", "_lessons", "_spoke", "_tier", "_upstream_id")

    def __init__(self) -> None:
        super().__init__()
        self._upstream_id: str | None = None
        self._tier: str | None = None
        self._spoke: set[int] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, _Calls] = {}
        self._envelope: Envelope | None = None
        self._lessons = LESSONS

    def _take_event(self, event: SseEvent, events: list[Event]) -> None:
        envelope = self._envelope
        if envelope is not None and not (event.name or self.saw_done or envelope.choice in self._finished):
            text = envelope.text_of(event.data)
            if text is not None:
                if text:
                    events.append(TextDelta(text, envelope.choice))
                return
        before = len(events)
        try:
            body = _BODY.decode(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._take_odd(event, events)
        else:
            if body.error is None and body.choices is not None and not event.name:
                self.take(body, events)
                if self._lessons and len(events) == before + 1:
                    self._learn(event.data, events[-1])
            else:
                self._take_other(body, event, events)

    def _learn(self, data: bytes, said: Event) -> None:
        """An event that said nothing but a text shows what the next ones are expected to look like."""
        if type(said) is TextDelta and said.logprobs is None:
            self._lessons -= 1
            self._envelope = envelope_of(data, said.choice)

    def _take_body(self, body: bytes, events: list[Event]) -> None:
        head = repaired(body)
        try:
            whole = decoded(head)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._fail(failed_body(head, 502), events)
            return
        if whole.choices is None or whole.error is not None:
            self._fail(failed_body(head, 502), events)
        else:
            self.take(whole, events)
            self.take_done(events)

    def take(self, body: Body, events: list[Event]) -> None:
        """One decoded chunk, or a whole body."""
        if not self._started:
            self._start(body, events)
        elif body.service_tier and body.service_tier != self._tier:
            self._tier, self._envelope = body.service_tier, None
            events.append(Started(service_tier=body.service_tier))
        if body.choices and not self.saw_done:
            for choice in body.choices:
                self._take_choice(choice, events)
                if self._failed:
                    break
        if body.rest and (native := of_format(FORMAT, body.rest)) is not None:
            self._before_the_end(native, events)
        if body.usage is not None or body.x_groq is not None:
            self._take_usage(body, events)

    def take_done(self, events: list[Event]) -> None:
        """`[DONE]`, or the end of a body that is whole."""
        self.saw_done = True
        for index in sorted(self._spoke - self._finished):
            self._finished.add(index)
            events.append(Finished(reason="tool_calls" if index in self._calls else "stop", choice=index))

    def _take_odd(self, event: SseEvent, events: list[Event]) -> None:
        """An event that is not of the format: `[DONE]`, an error in other words, or broken."""
        data = event.data.strip()
        if data == b"[DONE]":
            self.take_done(events)
            return
        if not data or self.saw_done:
            return
        data = repaired(data)
        value: Any = None
        try:
            value = msgspec.json.decode(data)
            body = taken_off(value)
        except (msgspec.MsgspecError, RecursionError):
            if event.name == "error":
                self._fail_with(value if value is not None else plain_text(data), events)
                return
            if isinstance(value, dict) and "choices" not in value and failed_value(value) is not None:
                self._fail_with(value, events)
                return
            self._skip(events)
            return
        if body.error is None and body.choices is not None and not event.name:
            self.take(body, events)
        else:
            self._take_other(body, SseEvent(data, event.name), events)

    def _take_other(self, body: Body, event: SseEvent, events: list[Event]) -> None:
        """A chunk with an error inside, one without choices, or an event with a name (FAULTS.md U-22)."""
        value = msgspec.json.decode(event.data)
        is_error = body.error is not None or event.name == "error" or body.object == "error"
        if not is_error and body.choices is None and body.usage is None:
            is_error = ("code" in value or "detail" in value) and failed_value(value) is not None
        if not is_error:
            # Some name all their events, and usage may come without choices.
            self.take(body, events)
            return
        if body.usage is not None:
            self._take_usage(body, events)
        if not self.saw_done:
            self._fail_with(value, events)

    def _start(self, body: Body, events: list[Event]) -> None:
        self._started = True
        self._upstream_id = body.id or None
        self._tier = body.service_tier or None
        events.append(
            Started(
                upstream_id=self._upstream_id,
                model=body.model or None,
                system_fingerprint=body.system_fingerprint or None,
                service_tier=self._tier,
            )
        )

    def _take_choice(self, choice: Choice, events: list[Event]) -> None:
        index = choice.index
        if index in self._finished or not 0 <= index < CHOICES_MAX:
            return
        message = choice.delta or choice.message
        if message is not None:
            before = len(events)
            self._take_message(message, index, _logprobs(choice.logprobs) if choice.logprobs else None, events)
            if len(events) > before:
                self._spoke.add(index)
        if choice.rest:
            events.append(NativeDelta(FORMAT, Raw(_ENCODER.encode(choice.rest)), index))
        if choice.error:
            self._fail_with({"error": choice.error}, events)
        elif choice.finish_reason:
            native = choice.native_finish_reason or choice.finish_reason
            reason = _REASONS.get(choice.finish_reason.lower(), "stop")
            if reason == "error":
                self._fail(Failed(502, f"The provider ended its answer with {choice.finish_reason!r}."), events)
                return
            self._finished.add(index)
            events.append(Finished(reason=reason, native=native, choice=index))

    def _take_message(self, message: Message, index: int, logprobs: Raw | None, events: list[Event]) -> None:
        if message.reasoning or message.reasoning_content or message.reasoning_details:
            events.append(
                ReasoningDelta(
                    text=message.reasoning or message.reasoning_content or None,
                    choice=index,
                    details=tuple([Raw(_ENCODER.encode(detail)) for detail in message.reasoning_details or ()]),
                )
            )
        content = message.content
        if isinstance(content, list):
            content = _take_pieces(content, index, events)
        if content or logprobs is not None:
            events.append(TextDelta(content or "", index, logprobs))
        if message.refusal:
            events.append(RefusalDelta(message.refusal, index))
        if message.tool_calls:
            for piece in message.tool_calls:
                self._take_call(piece, index, events)
        if (function := message.function_call) is not None and (function.name or function.arguments):
            self._take_call(ToolCallPiece(index=0, function=function), index, events)
        if message.images or message.annotations or message.audio:
            _take_extras(message, index, events)

    def _take_call(self, piece: ToolCallPiece, choice: int, events: list[Event]) -> None:
        calls = self._calls.get(choice)
        if calls is None:
            calls = self._calls[choice] = _Calls()
        function = piece.function or Function()
        name, arguments = function.name, function.arguments or ""
        given = piece.custom
        # Snowflake sends an empty one beside each function.
        custom = given is not None and bool(given.name or given.input or piece.type == "custom")
        if given is not None and custom:
            name, arguments = given.name, given.input or ""
        if isinstance(arguments, dict):
            arguments = _ENCODER.encode(arguments).decode()
        index = calls.place(piece, name)
        extra = Raw(_ENCODER.encode(piece.extra_content)) if piece.extra_content is not None else None
        if index is not None:
            if arguments or extra is not None:
                events.append(ToolCallDelta(index, choice, arguments=arguments, extra_content=extra, custom=custom))
            return
        index = len(calls.ids)
        if index >= CALLS_MAX:
            return
        # A client must be able to name the call in its next message, so one that has no id gets one.
        call_id = piece.id or _call_id(self._upstream_id, choice, index)
        calls.add(piece.index, call_id)
        events.append(ToolCallDelta(index, choice, call_id, name or "", arguments, extra, custom))

    def _take_usage(self, body: Body, events: list[Event]) -> None:
        usage, counts = read_usage(body.usage), usage_rest(body.usage)
        native: dict[str, Any] = {"usage": counts} if counts else {}
        if isinstance(body.x_groq, dict):
            native["x_groq"] = body.x_groq
            usage = usage or read_usage(body.x_groq.get("usage"))
        for event in (of_format(FORMAT, native), None if usage is None else UsageReported(usage)):
            if event is not None:
                self._before_the_end(event, events)

    @staticmethod
    def _before_the_end(event: Event, events: list[Event]) -> None:
        """`Failed` is the last of all events, so what comes in the same chunk goes before it."""
        failed = bool(events) and type(events[-1]) is Failed
        events.insert(len(events) - failed, event)

    def _fail_with(self, value: Any, events: list[Event]) -> None:
        self._fail(failed_value(value) or Failed(502, "The provider sent an error without a message."), events)

    def _is_over(self) -> bool:
        return bool(self._finished) and self._spoke <= self._finished


class _Calls:
    """The tool calls of one choice: which piece belongs to which."""

    __slots__ = ("_by_upstream_index", "ids")

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._by_upstream_index: dict[int, int] = {}

    def place(self, piece: ToolCallPiece, name: str | None) -> int | None:
        """The index of the call that a piece continues, or None: it starts one.

        Some send no index at all, others the same index for every call of an answer.
        """
        if piece.index is None:
            if piece.id and piece.id in self.ids:
                return self.ids.index(piece.id)
            return None if piece.id or name or not self.ids else len(self.ids) - 1
        index = self._by_upstream_index.get(piece.index)
        if index is not None and piece.id and name and piece.id != self.ids[index]:
            return None
        return index

    def add(self, upstream_index: int | None, call_id: str) -> None:
        if upstream_index is not None:
            self._by_upstream_index[upstream_index] = len(self.ids)
        self.ids.append(call_id)


def _call_id(upstream_id: str | None, choice: int, index: int) -> str:
    return "call_" + blake2b(f"{upstream_id}:{choice}:{index}".encode(), digest_size=12).hexdigest()


def _logprobs(value: Any) -> Raw | None:
    """OpenAI's logprobs object, or None where it holds nothing (Snowflake sends its fields, all null)."""
    return Raw(_ENCODER.encode(value)) if isinstance(value, dict) and any(value.values()) else None


def _take_pieces(pieces: list[Any], index: int, events: list[Event]) -> str:
    """Mistral's list of pieces: thoughts become reasoning, what is neither they nor text an annotation; -> the text."""
    text: list[str] = []
    notes: list[Any] = []
    for value in pieces:
        try:
            piece = msgspec.convert(value, ContentPiece)
        except msgspec.ValidationError:
            piece = ContentPiece(type="unknown")
        if piece.thinking:
            thoughts = (
                piece.thinking if isinstance(piece.thinking, str) else "".join(p.text or "" for p in piece.thinking)
            )
            if thoughts:
                events.append(ReasoningDelta(text=thoughts, choice=index))
        elif piece.text:
            text.append(piece.text)
        elif piece.type == "image_url":
            events.append(ExtraDelta(index, images=Raw(_ENCODER.encode([value]))))
        elif piece.type not in ("text", "thinking"):
            notes.append(value)
    if notes:
        # Behind the text, which is what they are about.
        whole = "".join(text)
        if whole:
            events.append(TextDelta(whole, index))
        events.append(ExtraDelta(index, annotations=Raw(_ENCODER.encode(notes))))
        return ""
    return "".join(text)


def _take_extras(message: Message, index: int, events: list[Event]) -> None:
    audio = message.audio
    if isinstance(audio, dict) and not any(audio.values()):  # Snowflake sends an empty one.
        audio = None
    if message.images or audio or message.annotations:
        events.append(
            ExtraDelta(
                choice=index,
                images=Raw(_ENCODER.encode(message.images)) if message.images else None,
                audio=Raw(_ENCODER.encode(audio)) if audio else None,
                annotations=Raw(_ENCODER.encode(message.annotations)) if message.annotations else None,
            )
        )
