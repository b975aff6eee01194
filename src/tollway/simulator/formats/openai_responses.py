"""OpenAI's Responses, as a server that keeps nothing: answers and streams in the shapes of recorded ones."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from tollway.simulator import signatures
from tollway.simulator.answer import Answer, Question
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats import openai_shapes
from tollway.simulator.formats.base import Format, Frame, Kind, Refused
from tollway.simulator.formats.openai_responses_request import read
from tollway.simulator.hints import Said
from tollway.simulator.usage import counts

_encode = msgspec.json.encode
_Json = dict[str, Any]


class _Grows(Struct, frozen=True):
    """How an output item grows in a stream: the events of its part and of its text, and what they are about."""

    part: str
    text: str
    place: dict[str, int]
    field: str
    """Where the words are when they are complete."""


_GROWS = {
    "reasoning": _Grows(
        "response.reasoning_summary_part", "response.reasoning_summary_text", {"summary_index": 0}, "text"
    ),
    "function_call": _Grows("", "response.function_call_arguments", {}, "arguments"),
    "message": _Grows("response.content_part", "response.output_text", {"content_index": 0}, "text"),
}
_REFUSES = _Grows("response.content_part", "response.refusal", {"content_index": 0}, "refusal")
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


class _Output(Struct):
    """One item of the output."""

    begun: _Json
    pieces: Iterable[str]
    tokens: int
    """Those that its start stands for."""
    grows: _Grows

    def part(self, words: str) -> _Json:
        """The part that holds the words."""
        if self.begun["type"] == "reasoning":
            return {"type": "summary_text", "text": words}
        if self.grows is _REFUSES:
            return {"type": "refusal", "refusal": words}
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": words}

    def done(self, words: str) -> _Json:
        """The item at its end."""
        if self.begun["type"] == "reasoning":
            return {**self.begun, "summary": [self.part(words)] if words else []}
        if self.begun["type"] == "function_call":
            return {**self.begun, "status": "completed", "arguments": words}
        return {**self.begun, "status": "completed", "content": [self.part(words)]}


def _outputs(question: Question, answer: Answer) -> Iterator[_Output]:
    """Reasoning, then calls or a message."""
    choice, mark = answer.choices[0], answer.id.removeprefix("resp_")
    if choice.reasoning:
        item: _Json = {"id": f"rs_{mark}", "type": "reasoning", "summary": []}
        if question.native["encrypted"]:
            item["encrypted_content"] = signatures.sign("responses")
        shown, hidden = (choice.reasoning, 0) if question.shows_reasoning else ((), len(choice.reasoning))
        yield _Output(item, shown, hidden, _GROWS["reasoning"])
    for number, call in enumerate(choice.calls):
        item = {"id": f"fc_{mark}{number:02d}", "type": "function_call", "status": "in_progress", "arguments": ""}
        yield _Output({**item, "call_id": call.id, "name": call.name}, call.arguments, 1, _GROWS["function_call"])
    if not choice.calls:
        item = {"id": f"msg_{mark}", "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
        yield _Output(item, choice.pieces, 0, _REFUSES if choice.refusal else _GROWS["message"])


def whole(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """A response."""
    output = [item.done("".join(item.pieces)) for item in _outputs(question, answer)]
    return _encode(_response(question, answer, behaviour, output))


def _response(question: Question, answer: Answer, behaviour: Behaviour, output: list[_Json] | None) -> _Json:
    """The response object at its end; with no output it is at its start."""
    finish, ended = answer.choices[0].finish, output is not None
    reason = _REASONS.get(finish or "")
    status = "in_progress" if not ended else "incomplete" if reason or finish is None else "completed"
    reported = counts(answer, behaviour) if ended else None
    body: _Json = {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created_s,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if ended and reason else None,
        "model": answer.model,
        "output": output or [],
        "service_tier": "default" if ended else "auto",
        "usage": None,
        **question.native["echoed"],
    }
    if reported is not None:
        body["usage"] = {
            "input_tokens": reported.prompt,
            "input_tokens_details": {"cached_tokens": reported.cached},
            "output_tokens": reported.completion,
            "output_tokens_details": {"reasoning_tokens": reported.reasoning},
            "total_tokens": reported.total,
        }
    return body


class _Events:
    """Typed events, numbered as they go."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, kind: Kind, name: str, fields: _Json, tokens: int = 0) -> Frame:
        data = _encode({"type": name, **fields, "sequence_number": self._count})
        self._count += 1
        return Frame(kind, data, tokens, name)


def frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """The events of a streamed response: each item begins, grows and is done; the response comes at both ends."""
    event = _Events()
    begun = _response(question, answer, behaviour, None)
    yield event(Kind.START, "response.created", {"response": begun})
    yield event(Kind.START, "response.in_progress", {"response": begun})
    output: list[_Json] = []
    for index, item in enumerate(_outputs(question, answer)):
        yield from _growing(event, item, index, output, behaviour)
    ended = _response(question, answer, behaviour, output)
    yield event(Kind.DONE, f"response.{ended['status']}", {"response": ended})


def _growing(event: _Events, item: _Output, index: int, output: list[_Json], behaviour: Behaviour) -> Iterator[Frame]:
    """One item's events; it is added to the output when it is done."""
    grows = item.grows
    started = Kind.CONTENT if item.tokens else Kind.START
    yield event(started, "response.output_item.added", {"output_index": index, "item": item.begun}, item.tokens)
    at = {"item_id": item.begun["id"], "output_index": index, **grows.place}
    extra: _Json = {"logprobs": []} if grows is _GROWS["message"] else {}
    if behaviour.obfuscation:
        extra["obfuscation"] = "simulated"
    said: list[str] = []
    for number, piece in enumerate(item.pieces):
        if number == 0 and grows.part:
            yield event(Kind.START, f"{grows.part}.added", {**at, "part": item.part("")})
        said.append(piece)
        yield event(Kind.CONTENT, f"{grows.text}.delta", {**at, "delta": piece, **extra}, 1)
    words = "".join(said)
    if said:
        yield event(Kind.FINISH, f"{grows.text}.done", {**at, grows.field: words})
        if grows.part:
            yield event(Kind.FINISH, f"{grows.part}.done", {**at, "part": item.part(words)})
    output.append(item.done(words))
    yield event(Kind.FINISH, "response.output_item.done", {"output_index": index, "item": output[-1]})


def failure(refused: Refused, said: Said, sent: int) -> tuple[Frame, ...]:
    """An `error` event, and the response that has failed."""
    error = openai_shapes.refusal(refused, said)["error"]
    code = error["code"] if refused.status == 429 else "server_error"
    failed: _Json = {"id": "resp_simulated", "object": "response", "status": "failed", "output": [], "usage": None}
    failed["error"] = {"code": code, "message": error["message"]}
    first = {"type": "error", "error": {**error, "code": code}, "sequence_number": sent}
    last = {"type": "response.failed", "response": failed, "sequence_number": sent + 1}
    return (
        Frame(Kind.ERROR, _encode(first), 0, "error"),
        Frame(Kind.ERROR, _encode(last), 0, "response.failed"),
    )


FORMAT = Format(
    paths=("/responses",),
    id_prefix="resp_",
    read=read,
    whole=whole,
    frames=frames,
    refusal=openai_shapes.refusal,
    failure=failure,
    text_field=b'"delta":"',
    text_field_whole=b'"text":"',
)
