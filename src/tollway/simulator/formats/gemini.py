"""Google's generateContent, as a server: requests read strictly, answers in the shapes of recorded ones."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from tollway.simulator import signatures
from tollway.simulator.answer import Answer, Call, Choice, Question
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats.base import Format, Frame, Framing, Kind, Refused
from tollway.simulator.formats.gemini_request import read, signs_always
from tollway.simulator.hints import Said
from tollway.simulator.usage import Counts, counts

_encode = msgspec.json.encode
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}


def counted(question: Question) -> bytes:
    """The answer of `:countTokens`."""
    tokens = question.prompt_tokens
    return _encode({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def whole(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """A GenerateContentResponse."""
    candidates: list[dict[str, Any]] = []
    for choice in answer.choices:
        said = _said(choice, signs=_signs_calls(question, choice))
        parts = [*_thoughts(question, choice, "".join(choice.reasoning)), *said]
        candidates.append(_candidate(choice, parts, _finish(choice)))
    return _encode(_response(answer, candidates, counts(answer, behaviour)))


def _response(answer: Answer, candidates: list[dict[str, Any]], reported: Counts | None) -> dict[str, Any]:
    usage = {} if reported is None else {"usageMetadata": _usage(reported)}
    return {"candidates": candidates, **usage, "modelVersion": answer.model, "responseId": answer.id}


def _candidate(choice: Choice, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {**candidate, "index": choice.index}


def _finish(choice: Choice) -> str | None:
    if choice.refusal and choice.finish == "stop":
        return "SAFETY"
    return None if choice.finish is None else _FINISH_REASONS.get(choice.finish, choice.finish.upper())


def _thoughts(question: Question, choice: Choice, thought: str) -> list[dict[str, Any]]:
    return [{"text": thought, "thought": True}] if choice.reasoning and question.shows_reasoning else []


def _signs_calls(question: Question, choice: Choice) -> bool:
    """Gemini 3 signs its calls always, others where they have thought."""
    return bool(choice.reasoning) or signs_always(question.model)


def _said(choice: Choice, *, signs: bool) -> list[dict[str, Any]]:
    """The parts of what is not streamed: its text, or its calls, the first of them signed."""
    if choice.calls:
        found = [_call(call, signed=signs and number == 0) for number, call in enumerate(choice.calls)]
        return [each for each in found if each is not None]
    signed = {"thoughtSignature": signatures.sign("gemini")} if choice.reasoning else {}
    return [{"text": "".join(choice.pieces), **signed}]


def _call(call: Call, *, signed: bool) -> dict[str, Any] | None:
    """A call, whole; None where `max_tokens` cut its arguments."""
    try:
        arguments = msgspec.json.decode("".join(call.arguments), type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    part: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments, "id": call.id.replace("call_", "")}}
    if signed:
        part["thoughtSignature"] = signatures.sign("gemini")
    return part


def _usage(reported: Counts) -> dict[str, Any]:
    """usageMetadata: thoughts are beside the answer, what the cache had is part of the prompt."""
    found: dict[str, Any] = {
        "promptTokenCount": reported.prompt,
        "candidatesTokenCount": reported.answer,
        "totalTokenCount": reported.total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": reported.prompt}],
    }
    if reported.cached:
        found["cachedContentTokenCount"] = reported.cached
        found["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": reported.cached}]
    if reported.reasoning:
        found["thoughtsTokenCount"] = reported.reasoning
    return found


def frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """A stream's responses, each with the usage so far. As an array it has an end of its own."""
    sent = [0, 0]  # tokens of answer and of thoughts
    honest = behaviour.usage in ("full", "twice")

    def frame(kind: Kind, candidate: dict[str, Any], tokens: int, *, thought: bool) -> Frame:
        sent[thought] += tokens
        reported = None
        if honest:
            prompt, total = answer.prompt_tokens, answer.prompt_tokens + sum(sent)
            reported = Counts(prompt, sum(sent), total, reasoning=sent[True])
        if kind is Kind.FINISH:
            reported = counts(answer, behaviour)
        return Frame(kind, _encode(_response(answer, [candidate], reported)), tokens)

    writers = [(frame(*args[:3], thought=args[3]) for args in _pieces(question, choice)) for choice in answer.choices]
    if len(writers) == 1:
        yield from writers[0]
    else:
        for turn in zip_longest(*writers):
            yield from (each for each in turn if each is not None)
    if question.framing == "array":
        yield Frame(Kind.DONE, b"")


def _pieces(question: Question, choice: Choice) -> Iterator[tuple[Kind, dict[str, Any], int, bool]]:
    """What the events of one candidate hold: kind, candidate, tokens, and whether they are of thoughts."""
    hidden = 0
    for piece in choice.reasoning:
        if question.shows_reasoning:
            yield Kind.CONTENT, _candidate(choice, _thoughts(question, choice, piece)), 1, True
        else:
            hidden += 1
    if hidden:
        yield Kind.CONTENT, _candidate(choice, [{"text": ""}]), hidden, True
    for number, call in enumerate(choice.calls):
        part = _call(call, signed=number == 0 and _signs_calls(question, choice)) or {"text": ""}
        yield Kind.CONTENT, _candidate(choice, [part]), 1 + len(call.arguments), False
    for piece in choice.pieces:
        yield Kind.CONTENT, _candidate(choice, [{"text": piece}]), 1, False
    last: dict[str, Any] = {"text": ""}
    if choice.reasoning and not choice.calls:
        last["thoughtSignature"] = signatures.sign("gemini")
    yield Kind.FINISH, _candidate(choice, [last], _finish(choice)), 0, False


class _ArrayWriter:
    """The items of an array, which `Kind.DONE` closes; an error is an item."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, frame: Frame) -> bytes:
        self._count += 1
        if frame.kind is Kind.DONE:
            return b"]" if self._count > 1 else b"[]"
        return (b"[" if self._count == 1 else b",\r\n") + frame.data


def refusal(refused: Refused, said: Said) -> dict[str, Any]:
    """Google's error body."""
    status = _STATUSES.get(refused.status, "INTERNAL" if refused.status >= 500 else "FAILED_PRECONDITION")
    return {"error": {"code": refused.status, "message": refused.message + said.words, "status": status, **said.fields}}


def failure(refused: Refused, said: Said, sent: int) -> tuple[Frame, ...]:
    """An error where a response should be."""
    return (Frame(Kind.ERROR, _encode(refusal(refused, said))),)


_ACTIONS = "generateContent|streamGenerateContent|countTokens"
FORMAT = Format(
    paths=(
        rf"/models/(?P<model>.+):(?P<action>{_ACTIONS})",
        rf"/(?P<model>tunedModels/.+):(?P<action>{_ACTIONS})",
        rf"/projects/[^/]+/locations/[^/]+/publishers/google/models/(?P<model>.+):(?P<action>{_ACTIONS})",
    ),
    id_prefix="",
    read=read,
    whole=whole,
    frames=frames,
    refusal=refusal,
    failure=failure,
    text_field=b'"text":"',
    counted=counted,
    framings={"array": Framing("application/json; charset=UTF-8", _ArrayWriter)},
    key_header="x-goog-api-key",
)
