"""Events of one choice -> Google's parts, which hold whole calls and nothing in between."""

from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.catalog import WireFormat
from tollway.domain.events import (
    ExtraDelta,
    Finished,
    NativeDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from tollway.wire.gemini.annotations import write_grounding, write_logprobs
from tollway.wire.gemini.media import write_images
from tollway.wire.gemini.reasons import native_of
from tollway.wire.gemini.stream import LAST
from tollway.wire.gemini.thoughts import call_signatures, decoded, text_of, thought_parts
from tollway.wire.native_fields import merged, said_by

Piece = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | ExtraDelta | NativeDelta | Finished

FORMAT = WireFormat.GEMINI.value
_AUDIO_TYPE = "audio/wav"


class _Call:
    """A call in the making."""

    __slots__ = ("arguments", "id", "name", "signature")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = ""
        self.signature: str | None = None


class Pieces:
    """One choice: `take` gives the parts that an event completes, `candidate` how the choice ended."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.finished: Finished | None = None
        self._calls: dict[int, _Call] = {}
        self._signatures: dict[str | None, str] = {}
        self._text: list[str] = []
        self._annotations: list[Any] = []
        self._broken: str | None = None  # A call whose arguments are no JSON.

    def take(self, event: Piece) -> list[dict[str, Any]]:
        """The parts that are whole now."""
        match event:
            case TextDelta(text=text):
                self._text.append(text)
                return [*self._whole_calls(), {"text": text}] if text else []
            case RefusalDelta(text=text):
                return [{"text": text}]
            case ReasoningDelta():
                return self._thoughts(event)
            case ToolCallDelta():
                self._add(event)
                return []
            case ExtraDelta():
                return self._extras(event)
            case NativeDelta(format=WireFormat.GEMINI.value, value=Raw() as value):
                part = msgspec.json.decode(value)
                return [*self._whole_calls(), part] if isinstance(part, dict) else []
            case NativeDelta():
                return []
            case Finished():
                self.finished = self.finished or event
                return self._whole_calls()

    def end(self) -> dict[str, Any]:
        """The fields of the candidate beside its content: why it ended, what it stands on, what it was rated."""
        finished = self.finished or Finished("stop")
        fields = said_by(FORMAT, finished.details)
        if "groundingMetadata" not in fields and "citationMetadata" not in fields and self._annotations:
            grounding = write_grounding(Raw(msgspec.json.encode(self._annotations)), "".join(self._text))
            if grounding is not None:
                fields["groundingMetadata"] = grounding
        reason = native_of(finished.reason, finished.native)
        if self._broken is not None and reason == "STOP":
            reason = "MALFORMED_FUNCTION_CALL"
            fields["finishMessage"] = f"Malformed function call: {self._broken}"
        return {"finishReason": reason, "index": self.index, **fields}

    def _thoughts(self, event: ReasoningDelta) -> list[dict[str, Any]]:
        details = decoded(event.details)
        parts = thought_parts(details, wrap=True)
        if event.text and not any(text_of(detail) for detail in details):
            parts.insert(0, {"text": event.text, "thought": True})
        signatures = call_signatures(details)
        if (signature := signatures.pop(None, None)) is not None:
            parts.append({"text": "", "thoughtSignature": signature})
        self._signatures |= signatures
        return parts

    def _add(self, piece: ToolCallDelta) -> None:
        call = self._calls.setdefault(piece.index, _Call())
        call.id = call.id or piece.id or ""
        call.name = call.name or piece.name or ""
        call.arguments += piece.arguments
        extra = msgspec.json.decode(piece.extra_content) if piece.extra_content is not None else None
        google = extra.get("google") if isinstance(extra, dict) else None
        if isinstance(google, dict) and isinstance(signature := google.get("thought_signature"), str):
            call.signature = signature

    def _whole_calls(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for index in sorted(self._calls):
            call = self._calls[index]
            try:
                args = msgspec.json.decode(call.arguments) if call.arguments.strip() else {}
            except (msgspec.MsgspecError, RecursionError):
                self._broken = f"{call.name}({call.arguments})"
                continue
            function: dict[str, Any] = {"name": call.name, "args": args if isinstance(args, dict) else {"value": args}}
            part: dict[str, Any] = {"functionCall": {"id": call.id, **function} if call.id else function}
            if signature := call.signature or self._signatures.get(call.id):
                part["thoughtSignature"] = signature
            parts.append(part)
        self._calls.clear()
        return parts

    def _extras(self, event: ExtraDelta) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        if event.images is not None:
            parts += write_images(msgspec.json.decode(event.images))
        if event.audio is not None:
            audio = msgspec.json.decode(event.audio)
            if isinstance(audio, dict) and isinstance(data := audio.get("data"), str):
                parts.append({"inlineData": {"mimeType": audio.get("mime_type") or _AUDIO_TYPE, "data": data}})
            if isinstance(audio, dict) and isinstance(transcript := audio.get("transcript"), str):
                parts.append({"text": transcript})
        if event.annotations is not None:
            notes = msgspec.json.decode(event.annotations)
            self._annotations += notes if isinstance(notes, list) else []
        return parts


def block_of(event: Piece) -> dict[str, Any] | None:
    """The promptFeedback of a prompt that Google refused, if that is what an event tells."""
    if not isinstance(event, Finished) or event.details is None:
        return None
    feedback = said_by(FORMAT, event.details).get("promptFeedback")
    return feedback if isinstance(feedback, dict) else None


def logprobs_of(event: Piece) -> dict[str, Any] | None:
    """The logprobsResult that comes with a piece of text."""
    return write_logprobs(event.logprobs) if isinstance(event, TextDelta) else None


def joined(parts: list[dict[str, Any]], *, whole: bool) -> list[dict[str, Any]]:
    """Parts with every signature where Google has it: on text that came before it.

    `whole`: of an answer, where a signature may also stand before its text, and pieces of text are one part.
    """
    signed: list[dict[str, Any]] = []
    waiting: str | None = None
    for part in parts:
        last = signed[-1] if signed else {}
        if (more := part.get(LAST)) is not None:
            signed[-1:] = [merged(more, last or {"text": ""})]
        elif part.get("text") == "" and "thoughtSignature" in part and "thought" not in part:
            if _is_plain(last):
                last["thoughtSignature"] = part["thoughtSignature"]
            elif whole:
                waiting = part["thoughtSignature"]
            else:
                signed.append(part)
        elif whole and _is_plain(last) and _is_plain(part):
            last["text"] += part["text"]
        else:
            signed.append(dict(part))
    if waiting is not None:
        text = next((part for part in reversed(signed) if _is_plain(part)), None)
        if text is None:
            signed.append(text := {"text": ""})
        text["thoughtSignature"] = waiting
    return signed


def _is_plain(part: dict[str, Any]) -> bool:
    return part.keys() == {"text"}
