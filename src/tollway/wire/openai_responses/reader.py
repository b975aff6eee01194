"""Output items, whole or in pieces -> events: what the stream and the whole body of a provider have in common."""

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
from tollway.wire.native_fields import of_format, rest
from tollway.wire.openai_responses.notes import logprobs_to_chat, to_chat
from tollway.wire.openai_responses.usage import read_usage, usage_rest
from tollway.wire.provider_errors import failed_value
from tollway.wire.retry_hints import retry_after_s

ITEMS_MAX = 4096
BEGUN, PROGRESS = "tollway:begun", "tollway:progress"
"""Types of passing NativeDeltas: how an item began which the provider works on, and an event about it; `at` is its id.
The item itself follows when it is done."""
REASONING_FORMAT = "openai-responses-v1"
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that the caller executes, and where their arguments are."""

_ENCODER = msgspec.json.Encoder()
_CONTENT = frozenset({"role", "content", "status", "name", "arguments", "input", "call_id"})
"""What a message or a call says in events; the rest of it goes ahead as its head."""
_REASONS = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "content_filter"}
_OURS = frozenset(
    {
        "id",
        "object",
        "created_at",
        "model",
        "output",
        "status",
        "error",
        "incomplete_details",
        "usage",
        "user",
        "store",
        "background",
        "previous_response_id",
        "conversation",
    }
)
"""Fields of a response that we say ourselves, whatever the provider says."""
_PART = {
    "output_text": frozenset({"type", "text", "annotations", "logprobs"}),
    "refusal": frozenset({"type", "refusal"}),
}
_REASONING = frozenset({"type", "id", "status", "summary", "content", "encrypted_content"})
_PENDING = frozenset({"queued", "in_progress"})
_CALLERS_FAULT = ("invalid_", "image_", "unsupported_", "empty_", "failed_to_download", "bio_policy", "misalignment")


class _Item:
    """An output item of which something has come."""

    __slots__ = ("begun", "call", "details", "head", "id", "kind", "notes", "said", "starts", "told")

    def __init__(self, item: dict[str, Any]) -> None:
        self.kind = _text(item.get("type"))
        self.id = item.get("id") if isinstance(item.get("id"), str) else None
        self.head: dict[str, Any] | None = None
        self.begun: dict[str, Any] | None = None  # How an item began that only this format can say.
        self.told = False  # Whether that has gone out.
        if self.kind not in ("message", "reasoning") and self.kind not in CALLS:
            self.begun = item
        elif self.kind != "reasoning":
            self.head = {name: value for name, value in item.items() if name not in _CONTENT and value is not None}
        self.call: int | None = None
        self.details: dict[tuple[str, int], int] = {}
        self.said: dict[tuple[str, int], int] = {}
        self.starts: dict[int, int] = {}
        self.notes: dict[int, int] = {}


class AnswerReader:
    """What has come of an answer. Pieces first, then each whole item, of which only what is new becomes events."""

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}
        self._done: set[int] = set()
        self._done_ids: set[str] = set()
        self._calls = 0
        self._details = 0
        self._characters = 0
        self._has_reasoned = False
        self._searches = 0
        self._tier: str | None = None
        self._started = False
        self.finished = False

    def start(self, response: Any, events: list[Event]) -> None:
        """The response object, as often as it comes: its ids once, its tier whenever it changes."""
        if not isinstance(response, dict):
            return
        tier = _text(response.get("service_tier"))
        if not self._started:
            self._started = True
            events.append(Started(_text(response.get("id")), _text(response.get("model")), None, service_tier=tier))
        elif tier is not None and tier != self._tier:
            events.append(Started(service_tier=tier))
        self._tier = tier or self._tier

    def add(self, index: int, item: Any, events: list[Event]) -> None:
        """The beginning of an item."""
        if not isinstance(item, dict) or index in self._items or len(self._items) >= ITEMS_MAX:
            return
        started = self._items[index] = _Item(item)
        if started.kind in CALLS:
            self._open_call(started, item, events)

    def text(self, index: int, part: int, text: Any, logprobs: Any, events: list[Event]) -> None:
        item = self._item(index, "message")
        tokens = logprobs_to_chat(logprobs)
        if item is None or not isinstance(text, str) or not (text or tokens):
            return
        self._flush(item, events)
        item.starts.setdefault(part, self._characters)
        self._characters += len(text)
        _grow(item, "text", part, text)
        events.append(TextDelta(text, logprobs=None if tokens is None else Raw(_ENCODER.encode(tokens))))

    def refusal(self, index: int, part: int, text: Any, events: list[Event]) -> None:
        item = self._item(index, "message")
        if item is not None and isinstance(text, str) and text:
            self._flush(item, events)
            _grow(item, "refusal", part, text)
            events.append(RefusalDelta(text))

    def note(self, index: int, part: int, note: Any, events: list[Event]) -> None:
        """An annotation of a text."""
        item = self._item(index, "message")
        if item is None or not isinstance(note, dict):
            return
        self._flush(item, events)
        item.notes[part] = item.notes.get(part, 0) + 1
        known = to_chat(note, item.starts.get(part, self._characters))
        if known is not None:
            events.append(ExtraDelta(annotations=Raw(_ENCODER.encode([known]))))
        else:
            events.append(_native({"type": "annotation", "annotation": note}))

    def reasoning(self, index: int, kind: str, part: int, text: Any, events: list[Event]) -> None:
        """A piece of a `summary` or of the reasoning's own `text`."""
        item = self._item(index, "reasoning")
        if item is None or not isinstance(text, str) or not text:
            return
        place = item.details.get((kind, part))
        readable = text
        if place is None:
            place = item.details[kind, part] = self._details
            self._details += 1
            if self._has_reasoned:
                readable = "\n\n" + text
            self._has_reasoned = True
        _grow(item, kind, part, text)
        detail = {"type": f"reasoning.{kind}", kind: text, **_mark(item.id, place)}
        events.append(ReasoningDelta(readable, details=(Raw(_ENCODER.encode(detail)),)))

    def arguments(self, index: int, text: Any, events: list[Event]) -> None:
        item = self._item(index, "function_call")
        if item is None or item.kind not in CALLS or not isinstance(text, str) or not text:
            return
        if item.call is None:
            self._open_call(item, {}, events)
        _grow(item, "arguments", 0, text)
        events.append(ToolCallDelta(item.call or 0, arguments=text, custom=item.kind == "custom_tool_call"))

    def is_running(self, index: int) -> bool:
        """Whether an item is begun and not done that only this format can say, such as a search of the provider's."""
        item = self._items.get(index)
        return item is not None and item.begun is not None and item.id is not None and index not in self._done

    def progress(self, index: int, value: Any, events: list[Event]) -> None:
        """An event that tells how such an item gets on; how it began goes out with the first."""
        item = self._items[index]
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return
        if not item.told:
            item.told = True
            events.append(_native({"type": BEGUN, "at": item.id, "item": item.begun}, passing=True))
        said = {name: each for name, each in value.items() if name not in ("sequence_number", "output_index")}
        events.append(_native({"type": PROGRESS, "at": item.id, "event": said}, passing=True))

    def whole(self, index: int, value: Any, events: list[Event]) -> None:
        """An item that is complete: what its pieces have not said."""
        if not isinstance(value, dict) or index in self._done:
            return
        self.add(index, value, events)
        item = self._items.get(index)
        if item is None:
            return
        self._done.add(index)
        if item.id is not None:
            self._done_ids.add(item.id)
        match item.kind:
            case "message":
                self._whole_message(index, item, value, events)
            case "reasoning":
                self._whole_reasoning(index, item, value, events)
            case "function_call" | "custom_tool_call" as kind:
                said = item.said.get(("arguments", 0), 0)
                self.arguments(index, _json_text(value.get(CALLS[kind]))[said:], events)
            case _:
                self._searches += item.kind == "web_search_call" and _searches(value)
                if item.kind == "image_generation_call" and (image := _image(value)) is not None:
                    events.append(ExtraDelta(images=Raw(_ENCODER.encode([image]))))
                events.append(_native({**value, "id": item.id} if item.told else value))

    def finish(self, response: Any, status: str | None, events: list[Event]) -> None:
        """The response object of the end: items that have not come yet, how it ended, and usage."""
        response = response if isinstance(response, dict) else {}
        self.start(response, events)
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if index not in self._done and not (isinstance(item, dict) and _text(item.get("id")) in self._done_ids):
                self.whole(index, item, events)
        status = _text(response.get("status")) or status or "completed"
        usage = read_usage(response.get("usage"), web_searches=self._web_searches(response))
        if status in ("failed", "cancelled"):
            if usage is not None:
                events.append(UsageReported(usage))
            events.append(failure(response.get("error"), f"The provider's response is {status}."))
            return
        if status not in _PENDING:
            self.finished = True
            reason, native = self._reason(status, response)
            events.append(Finished(reason, native))
        if usage is not None:
            events.append(UsageReported(usage))
        counts = usage_rest(response.get("usage"))
        fields = {**rest(response, _OURS), **({"usage": counts} if counts else {})}
        if (besides := of_format(WireFormat.OPENAI_RESPONSES, fields)) is not None:
            events.append(besides)

    def _reason(self, status: str, response: dict[str, Any]) -> tuple[str, str]:
        if status == "incomplete":
            details = response.get("incomplete_details")
            why = _text(details.get("reason")) if isinstance(details, dict) else None
            return _REASONS.get(why or "", "stop"), why or status
        return "tool_calls" if self._calls else "stop", status

    def _web_searches(self, response: dict[str, Any]) -> int:
        """OpenAI says how many it bills; where it does not, they are counted."""
        tools = response.get("tool_usage")
        search = tools.get("web_search") if isinstance(tools, dict) else None
        count = search.get("num_requests") if isinstance(search, dict) else None
        return count if isinstance(count, int) and 0 <= count <= ITEMS_MAX else self._searches

    def _item(self, index: int, kind: str) -> _Item | None:
        item = self._items.get(index)
        if item is None and len(self._items) < ITEMS_MAX:
            item = self._items[index] = _Item({"type": kind})
        return item

    def _flush(self, item: _Item, events: list[Event]) -> None:
        """The head of an item goes out with its first content, so that it commits nothing before that."""
        if item.head is not None:
            events.append(_native(item.head))
            item.head = None

    def _open_call(self, item: _Item, value: dict[str, Any], events: list[Event]) -> None:
        self._flush(item, events)
        item.call = self._calls
        self._calls += 1
        # A client must be able to name the call in its next message, so one that has no id gets its item's.
        call_id = _text(value.get("call_id")) or item.id or f"call_{item.call}"
        custom = item.kind == "custom_tool_call"
        arguments = _json_text(value.get(CALLS.get(item.kind or "", "")))
        _grow(item, "arguments", 0, arguments)
        events.append(ToolCallDelta(item.call, 0, call_id, _text(value.get("name")) or "", arguments, custom=custom))

    def _whole_message(self, index: int, item: _Item, value: dict[str, Any], events: list[Event]) -> None:
        for place, part in _parts(value.get("content")):
            known = _PART.get(str(part.get("type")))
            if known is None and "text" not in part:
                self._flush(item, events)
                events.append(_native({"type": "part", "part": part}))
                continue
            if part.get("type") == "refusal":
                said = item.said.get(("refusal", place), 0)
                self.refusal(index, place, (_text(part.get("refusal")) or "")[said:], events)
                continue
            said = item.said.get(("text", place), 0)
            self.text(
                index, place, (_text(part.get("text")) or "")[said:], None if said else part.get("logprobs"), events
            )
            notes = part.get("annotations")
            for note in notes[item.notes.get(place, 0) :] if isinstance(notes, list) else ():
                self.note(index, place, note, events)
            if known is not None and (more := rest(part, known)):
                events.append(_native({"type": "part", "part": {"type": part["type"], **more}}))
        self._flush(item, events)

    def _whole_reasoning(self, index: int, item: _Item, value: dict[str, Any], events: list[Event]) -> None:
        for kind, name in (("summary", "summary"), ("text", "content")):
            for place, part in _parts(value.get(name)):
                said = item.said.get((kind, place), 0)
                self.reasoning(index, kind, place, (_text(part.get("text")) or "")[said:], events)
        sealed = _text(value.get("encrypted_content"))
        if sealed is not None:
            detail = {"type": "reasoning.encrypted", "data": sealed, **_mark(item.id, self._details)}
            self._details += 1
            events.append(ReasoningDelta(details=(Raw(_ENCODER.encode(detail)),)))
        elif not item.said:
            events.append(_native(value))
            return
        if more := rest(value, _REASONING):
            events.append(_native({"type": "reasoning", "more": more}))


def failure(error: Any, otherwise: str) -> Failed:
    """The error of a response that failed, or of an `error` event."""
    failed = failed_value({"error": error} if isinstance(error, (dict, str)) else None)
    if failed is None:
        return Failed(502, otherwise)
    code = failed.code or ""
    status = 400 if failed.status == 502 and code.startswith(_CALLERS_FAULT) else failed.status
    wait = retry_after_s(lambda _: None, _ENCODER.encode(error), now_s=0.0)
    return Failed(status, failed.message, failed.code, wait)


def _grow(item: _Item, kind: str, part: int, text: str) -> None:
    item.said[kind, part] = item.said.get((kind, part), 0) + len(text)


def _native(value: dict[str, Any], *, passing: bool = False) -> NativeDelta:
    return NativeDelta(WireFormat.OPENAI_RESPONSES, Raw(_ENCODER.encode(value)), passing=passing)


def _mark(item_id: str | None, place: int) -> dict[str, Any]:
    return {"id": item_id, "format": REASONING_FORMAT, "index": place}


def _parts(value: Any) -> list[tuple[int, dict[str, Any]]]:
    return (
        [(place, part) for place, part in enumerate(value) if isinstance(part, dict)] if isinstance(value, list) else []
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _json_text(value: Any) -> str:
    """JSON text, but some send the object itself."""
    if isinstance(value, (dict, list)):
        return _ENCODER.encode(value).decode()
    return value if isinstance(value, str) else ""


def _image(value: dict[str, Any]) -> dict[str, Any] | None:
    data = _text(value.get("result"))
    if data is None:
        return None
    form = _text(value.get("output_format")) or "png"
    return {"type": "image_url", "image_url": {"url": f"data:image/{form};base64,{data}"}}


def _searches(value: dict[str, Any]) -> int:
    """Only searches are billed, pages that it opens are not (OpenAI's price list)."""
    action = value.get("action")
    return int(not isinstance(action, dict) or action.get("type") in (None, "search"))
