"""Google's stream -> events: an object with memory and no I/O."""

import re
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

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
    UsageReported,
)
from tollway.wire.gemini.annotations import read_annotations, read_logprobs
from tollway.wire.gemini.media import image_url, standard_base64
from tollway.wire.gemini.partial_args import PartialArgs
from tollway.wire.gemini.reasons import reason_of
from tollway.wire.gemini.schema import Candidate, Reply
from tollway.wire.gemini.thoughts import signature_detail, thought_detail
from tollway.wire.gemini.usage import read_usage, service_tier, usage_rest
from tollway.wire.native_fields import marked, rest
from tollway.wire.provider_errors import failed_body, failed_value
from tollway.wire.sse import SseEvent
from tollway.wire.sse_answer import SseAnswer

FORMAT = WireFormat.GEMINI.value
CHOICES_MAX = 64
CALLS_MAX = 512

_REPLY = msgspec.json.Decoder(Reply)
_ENCODER = msgspec.json.Encoder()
_NOT_NUMBERS = re.compile(rb"(?<=[:\[,\s])-?(?:NaN|Infinity)(?=[,}\]\s])")

END_FIELDS = {
    "finish_message": "finishMessage",
    "grounding_metadata": "groundingMetadata",
    "citation_metadata": "citationMetadata",
    "safety_ratings": "safetyRatings",
    "avg_logprobs": "avgLogprobs",
    "url_context_metadata": "urlContextMetadata",
}
"""What a candidate says beside its content, kept for callers of this format (`Finished.details`)."""
_CANDIDATE = frozenset(Candidate.__struct_encode_fields__)
_REPLY_FIELDS = frozenset(Reply.__struct_encode_fields__)
_REST = "tollway:rest"
LAST = "tollway:last"
"""In a NativeDelta: fields of the part before it that no event has a place for."""


def repaired(data: bytes) -> bytes:
    """Invalid UTF-8 replaced (FAULTS.md U-13), NaN and Infinity null: protobuf writes an avgLogprobs so."""
    return _NOT_NUMBERS.sub(b"null", data.decode("utf-8", "replace").encode())


def read_reply(data: bytes) -> Reply | list[Reply] | None:
    """A body, or the list that a stream without `alt=sse` is; None: it is neither. Unknown fields are in `rest`."""
    for text in (data, repaired(data)):
        try:
            value = msgspec.json.decode(text)
            return [_reply(item) for item in value] if isinstance(value, list) else _reply(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return None


def _reply(value: Any) -> Reply:
    """A decoded body as a Reply. ValidationError: it is none."""
    if not isinstance(value, dict):
        raise msgspec.ValidationError("not an object")
    known = {name: item for name, item in value.items() if name in _REPLY_FIELDS}
    if isinstance(candidates := value.get("candidates"), list):
        known["candidates"] = [_split(candidate) for candidate in candidates]
    return msgspec.convert({**known, _REST: rest(value, _REPLY_FIELDS)}, Reply)


def _split(candidate: Any) -> Any:
    if not isinstance(candidate, dict):
        return candidate
    known = {name: item for name, item in candidate.items() if name in _CANDIDATE}
    return {**known, _REST: rest(candidate, _CANDIDATE)}


class EventDecoder(SseAnswer):
    """`feed` the bytes of an answer as they come; `end` when they end.

    The format has no word for the end of a stream: `saw_done` is set by `end`, where every choice that spoke has
    finished. After `Failed` nothing more comes.
    """

    __slots__ = ("_choices", "_rest", "_tier", "_upstream_id")

    LINES_MAY_BE_LONG = True

    def __init__(self) -> None:
        super().__init__()
        self._upstream_id: str | None = None
        self._tier: str | None = None
        self._choices: dict[int, _Choice] = {}
        self._rest: dict[str, Any] = {}

    def end(self) -> list[Event]:
        """What the end of the bytes says. An answer that was cut says nothing: it lacks its `Finished`."""
        events = super().end()
        self.saw_done = not self._failed and self._is_over()
        return events

    def take(self, reply: Reply, events: list[Event]) -> None:
        """One decoded chunk, or a whole body."""
        self._start(reply, events)
        for candidate in reply.candidates or ():
            if 0 <= candidate.index < CHOICES_MAX:
                self._choice(candidate.index).take(candidate, events)
        if not reply.candidates and isinstance(reply.prompt_feedback, dict):
            self._take_block(reply.prompt_feedback, events)
        if (usage := read_usage(reply.usage_metadata)) is not None:
            events.append(UsageReported(usage))
        self._keep(reply)
        # Most of it comes with each chunk, and counts when the last one has come.
        if self._rest and self._is_over():
            events.append(NativeFields(FORMAT, Raw(_ENCODER.encode(self._rest))))
            self._rest = {}

    def _keep(self, reply: Reply) -> None:
        """The fields of the whole that only this format has."""
        said = {
            "usageMetadata": usage_rest(reply.usage_metadata),
            **(reply.rest or {}),
        }
        if reply.candidates:
            said["promptFeedback"] = reply.prompt_feedback
        self._rest |= {name: value for name, value in said.items() if value}

    def take_whole(self, events: list[Event]) -> None:
        """The end of a body that is whole: a choice that spoke and gave no reason has stopped."""
        for choice in self._choices.values():
            choice.stop(events)
        if self._rest:
            events.append(NativeFields(FORMAT, Raw(_ENCODER.encode(self._rest))))
            self._rest = {}

    def _take_event(self, event: SseEvent, events: list[Event]) -> None:
        data = event.data
        if not data.strip() or data.strip() == b"[DONE]":
            return
        try:
            reply = _REPLY.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            read = read_reply(data)
            if isinstance(read, list) or read is None:
                self._take_odd(data, events)
                return
            reply = read
        if reply.error is not None or event.name == "error":
            self._take_odd(data, events)
        else:
            self.take(reply, events)

    def _take_odd(self, data: bytes, events: list[Event]) -> None:
        """An error, in Google's words or another's, or broken."""
        try:
            value = msgspec.json.decode(repaired(data))
        except (msgspec.MsgspecError, RecursionError):
            value = None
        if isinstance(value, dict | list) and (failed := failed_value(value)) is not None:
            self._fail(failed, events)
            return
        self._skip(events)

    def _take_body(self, body: bytes, events: list[Event]) -> None:
        """No event stream: one JSON body, a list of chunks, or a page."""
        read = read_reply(body)
        replies = read if isinstance(read, list) else [read] if read is not None else []
        if not replies or any(reply.error is not None or not says_something(reply) for reply in replies):
            self._fail(failed_body(body, 502), events)
            return
        for reply in replies:
            self.take(reply, events)
        self.take_whole(events)

    def _take_block(self, feedback: dict[str, Any], events: list[Event]) -> None:
        """Google refused the prompt itself, so there are no candidates."""
        reason = feedback.get("blockReason")
        choice = self._choice(0)
        if isinstance(reason, str) and not choice.finished:
            if isinstance(message := feedback.get("blockReasonMessage"), str) and message:
                events.append(RefusalDelta(message))
            choice.finished = True
            events.append(Finished("content_filter", reason, details=marked(FORMAT, {"promptFeedback": feedback})))

    def _choice(self, index: int) -> "_Choice":
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self._upstream_id or "")
        return choice

    def _start(self, reply: Reply, events: list[Event]) -> None:
        tier = service_tier(reply.usage_metadata)
        if not self._started:
            self._started = True
            self._upstream_id, self._tier = reply.response_id or None, tier
            events.append(Started(self._upstream_id, reply.model_version or None, service_tier=tier))
        elif tier is not None and tier != self._tier:
            self._tier = tier
            events.append(Started(service_tier=tier))

    def _is_over(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())


def more_of(part: dict[str, Any]) -> dict[str, Any]:
    """What a part says besides what becomes events. A part of which nothing does goes along whole."""
    if not isinstance(part.get("text"), str) and not any(isinstance(part.get(name), dict) for name in _INNER):
        return {}
    found = rest(part, _PART)
    for name, known in _INNER.items():
        if isinstance(inner := part.get(name), dict) and (more := rest(inner, known)):
            found[name] = more
    return found


_INNER = {
    "functionCall": frozenset({"id", "name", "args", "partialArgs", "willContinue"}),
    "inlineData": frozenset({"mimeType", "data"}),
}
_PART = frozenset({"text", "thought", "thoughtSignature", *_INNER})


def says_something(reply: Reply) -> bool:
    """Whether an object is an answer at all: `{}` and other people's JSON are not."""
    return reply.candidates is not None or reply.prompt_feedback is not None or reply.usage_metadata is not None


class _Choice:
    """One candidate, in the making."""

    __slots__ = ("_block", "_ids", "_index", "_partial", "_said", "_seed", "_text", "_thinking", "finished", "spoke")

    def __init__(self, index: int, seed: str) -> None:
        self._index = index
        self._seed = seed
        self._text: list[str] = []
        self._block = 0  # Which item of reasoning_details comes next.
        self._thinking = False  # The last part was a thought, which the next may continue.
        self._ids: list[str] = []
        self._partial: tuple[dict[str, Any], PartialArgs] | None = None
        self._said: dict[str, Any] = {}  # What was said beside the content, of which some comes before the end.
        self.finished = False
        self.spoke = False

    def take(self, candidate: Candidate, events: list[Event]) -> None:
        if self.finished:
            return
        before = len(events)
        parts = candidate.content.get("parts") if isinstance(candidate.content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                self._part(part, events)
        if (logprobs := read_logprobs(candidate.logprobs_result)) is not None:
            events.append(TextDelta("", self._index, logprobs))
        if candidate.grounding_metadata or candidate.citation_metadata:
            text = "".join(self._text)
            annotations = read_annotations(candidate.grounding_metadata, candidate.citation_metadata, text)
            if annotations is not None:
                events.append(ExtraDelta(self._index, annotations=annotations))
        self.spoke = self.spoke or len(events) > before
        self._said |= {theirs: value for ours, theirs in END_FIELDS.items() if (value := getattr(candidate, ours))}
        if candidate.rest:
            self._said |= candidate.rest
        if native := candidate.finish_reason:
            self._end(reason_of(native, bool(self._ids)), native, marked(FORMAT, self._said), events)

    def stop(self, events: list[Event]) -> None:
        if (self.spoke or self._said) and not self.finished:
            self._end("tool_calls" if self._ids else "stop", None, marked(FORMAT, self._said), events)

    def _end(self, reason: str, native: str | None, details: Raw | None, events: list[Event]) -> None:
        self.finished = True
        events.append(Finished(reason, native, self._index, details))

    def _part(self, part: dict[str, Any], events: list[Event]) -> None:
        self._known_part(part, events)
        if more := more_of(part):
            events.append(NativeDelta(FORMAT, Raw(_ENCODER.encode({LAST: more})), self._index))

    def _known_part(self, part: dict[str, Any], events: list[Event]) -> None:
        given = part.get("thoughtSignature")
        signature = given if isinstance(given, str) and given else None
        text, call, blob = part.get("text"), part.get("functionCall"), part.get("inlineData")
        if part.get("thought") is True and isinstance(text, str):
            self._think(text, signature, events)
            return
        if self._thinking:
            self._thinking = False
            self._block += 1
        call_id: str | None = None
        made: Event | None = None
        if isinstance(call, dict):
            made = self._call(call, signature)
            call_id = made.id if made is not None else None
        elif isinstance(text, str):
            self._text.append(text)
            made = TextDelta(text, self._index) if text else None
        elif isinstance(blob, dict) and isinstance(data := blob.get("data"), str):
            made = self._media(str(blob.get("mimeType", "")), data, part)
        else:
            events.append(NativeDelta(FORMAT, Raw(_ENCODER.encode(part)), self._index))
            return
        if made is not None and call_id is None:
            events.append(made)
        if signature is not None:
            # In front of a call, as its thought was; behind text, which it closes.
            detail = signature_detail(signature, call_id, self._block)
            self._block += 1
            events.append(ReasoningDelta(None, self._index, (detail,)))
        if made is not None and call_id is not None:
            events.append(made)

    def _think(self, text: str, signature: str | None, events: list[Event]) -> None:
        events.append(ReasoningDelta(text, self._index, (thought_detail(text, signature, self._block),)))
        self._thinking = signature is None
        self._block += signature is not None

    def _call(self, call: dict[str, Any], signature: str | None) -> ToolCallDelta | None:
        args = call.get("args")
        if self._partial is not None or call.get("willContinue") or "partialArgs" in call:
            first, partial = self._partial or (call, PartialArgs())
            partial.add(call.get("partialArgs"))
            if call.get("willContinue"):
                self._partial = (first, partial)
                return None
            self._partial = None
            call, args = first, partial.whole
        if len(self._ids) >= CALLS_MAX:
            return None
        index = len(self._ids)
        call_id = call.get("id")
        if not isinstance(call_id, str) or not call_id or call_id in self._ids:
            # A client must be able to name the call in its next message.
            seed = f"{self._seed}:{self._index}:{index}".encode()
            call_id = "call_" + blake2b(seed, digest_size=12).hexdigest()
        self._ids.append(call_id)
        arguments = _ENCODER.encode(args if isinstance(args, dict) else {}).decode()
        extra = Raw(_ENCODER.encode({"google": {"thought_signature": signature}})) if signature is not None else None
        return ToolCallDelta(index, self._index, call_id, str(call.get("name", "")), arguments, extra)

    def _media(self, mime: str, data: str, part: dict[str, Any]) -> Event:
        if mime.startswith("image/"):
            image = {"type": "image_url", "image_url": {"url": image_url(mime, data)}}
            return ExtraDelta(self._index, images=Raw(_ENCODER.encode([image])))
        if mime.startswith("audio/"):
            audio = {"data": standard_base64(data), "mime_type": mime}
            return ExtraDelta(self._index, audio=Raw(_ENCODER.encode(audio)))
        return NativeDelta(FORMAT, Raw(_ENCODER.encode(part)), self._index)
