"""What is asked and what is answered, whatever the wire format; `compose` makes up the answer."""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

from tollway.simulator import text
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.schema import generate

TOKENS_DEFAULT = 64
_ENDLESS_TOKENS = 20_000  # of an answer that is not streamed


class Tool(Struct, frozen=True):
    name: str
    parameters: dict[str, Any]


class Question(Struct, frozen=True, kw_only=True):
    """A request for an answer, as any format states it."""

    model: str
    """As it was asked for, with its `@` suffix."""
    prompt_tokens: int
    last_user: str = ""
    stream: bool = False
    framing: str = ""
    """How the stream is to be framed, where a format has several ways."""
    only_count: bool = False
    """Whether only the prompt's tokens are asked for."""
    include_usage: bool = False
    n: int = 1
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    """Those that may be called."""
    tool_demanded: bool = False
    parallel: bool = True
    after_tool: bool = False
    """Whether the last message is a tool's answer."""
    schema: dict[str, Any] | None = None
    json_object: bool = False
    logprobs: int | None = None
    """How many alternatives to show with each token; None: no logprobs."""
    seed: int | None = None
    unknown: tuple[str, ...] = ()
    """Names of parameters that the format does not know."""
    reasoning: int = 0
    """How many tokens of reasoning come first where the behaviour says none."""
    shows_reasoning: bool = True
    """Whether the reasoning is to be seen; it is counted in any case."""
    native: Mapping[str, Any] = {}
    """What a format wants to remember of the request, such as the parameters that its answer repeats."""
    echo: str = ""
    """What stands before the answer, where a format can ask for the prompt back."""
    given: Any = None
    """What the request holds, where its answer is no text (embeddings ...); for the format that read it."""


class Call(Struct, frozen=True):
    id: str
    name: str
    arguments: tuple[str, ...]


class Choice(Struct, frozen=True):
    """One answer among `n`, in pieces of one token each. `pieces` may be without end in a stream."""

    index: int
    pieces: Iterable[str]
    reasoning: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    refusal: bool = False
    finish: str | None = "stop"
    stopped_by: str | None = None
    """The stop sequence that ended it."""


class Answer(Struct, frozen=True):
    id: str
    model: str
    created_s: int
    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0


def compose(question: Question, behaviour: Behaviour, model: str, answer_id: str, created_s: int, seed: int) -> Answer:
    """The answer to a question: the same for the same question, seed and behaviour, but for its id and time."""
    reasoning = text.thoughts(behaviour.reasoning or question.reasoning)
    limit = None if question.max_tokens is None or behaviour.endless else question.max_tokens
    salt = crc32(f"{seed}/{question.seed}/{question.last_user}".encode("utf-8", "replace"))
    choices: list[Choice] = []
    completion = 0
    for index in range(question.n):
        choice, tokens = _choice(question, behaviour, model, index, salt + index, answer_id)
        if limit is not None and len(reasoning) + tokens > limit:
            choice, tokens = _cut(choice, reasoning[:limit], max(0, limit - len(reasoning)))
        elif reasoning:
            choice = msgspec.structs.replace(choice, reasoning=reasoning)
        choices.append(choice)
        completion += tokens + len(choice.reasoning)
    if behaviour.finish not in ("", "twice"):
        finish = None if behaviour.finish == "none" else behaviour.finish
        choices = [msgspec.structs.replace(choice, finish=finish) for choice in choices]
    return Answer(
        id=behaviour.reply_id or answer_id,
        model=behaviour.reply_model or model,
        created_s=created_s,
        choices=tuple(choices),
        prompt_tokens=question.prompt_tokens,
        completion_tokens=completion,
        reasoning_tokens=sum(len(choice.reasoning) for choice in choices),
    )


def _choice(
    question: Question, behaviour: Behaviour, model: str, index: int, salt: int, answer_id: str
) -> tuple[Choice, int]:
    """One choice and its number of tokens, before any limit."""
    if question.tools and (question.tool_demanded or (behaviour.answer == "tools" and not question.after_tool)):
        calls = _calls(question, behaviour, f"{answer_id[-12:]}{index}")
        return Choice(index, (), calls=calls, finish="tool_calls"), sum(len(call.arguments) + 1 for call in calls)
    if behaviour.endless and question.stream:
        return Choice(index, text.forever(salt)), 0
    said = _said(question, behaviour, model, salt)
    stopped_by = None
    if question.stop:
        said, stopped_by = _stopped(said, question.stop)
    if question.echo:
        said = (question.echo, *said)
    tokens = len(said) - bool(question.echo)
    return Choice(index, said, refusal=behaviour.answer == "refusal", stopped_by=stopped_by), tokens


def _said(question: Question, behaviour: Behaviour, model: str, salt: int) -> tuple[str, ...]:
    if behaviour.answer == "refusal":
        return text.pieces(text.REFUSAL)
    if behaviour.text is not None:
        return text.pieces(behaviour.text)
    if behaviour.answer == "echo":
        return text.pieces(question.last_user)[: behaviour.tokens]
    if behaviour.tokens != 0:
        if question.schema is not None:
            return text.pieces(msgspec.json.encode(generate(question.schema)).decode())
        if question.json_object:
            return text.pieces(msgspec.json.encode({"simulated": True, "model": model, "answer": 42}).decode())
    tokens = TOKENS_DEFAULT if behaviour.tokens is None else behaviour.tokens
    if behaviour.endless:
        tokens = max(tokens, _ENDLESS_TOKENS)
    return text.made_up(model, tokens, salt % len(text.SENTENCES))


def _calls(question: Question, behaviour: Behaviour, salt: str) -> tuple[Call, ...]:
    """Calls of the first tools, with arguments that their schemas accept."""
    many = behaviour.calls if question.parallel else 1
    return tuple(
        Call(
            f"call_sim{salt}{number:02d}",
            behaviour.call_name or tool.name,
            text.pieces(msgspec.json.encode(generate(tool.parameters) if tool.parameters else {}).decode()),
        )
        for number, tool in enumerate(question.tools[: max(1, many)])
    )


def _stopped(said: tuple[str, ...], stops: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """The pieces up to the first stop sequence, which is not part of the answer; and which one it was."""
    whole = "".join(said)
    ends = [(at, stop) for stop in stops if stop and (at := whole.find(stop)) >= 0]
    if not ends:
        return said, None
    end, stop = min(ends)
    kept = [
        piece if total <= end else piece[: end - (total - len(piece))]
        for piece, total in zip(said, accumulate(map(len, said)), strict=True)
        if total - len(piece) < end
    ]
    return tuple(kept), stop


def _cut(choice: Choice, reasoning: tuple[str, ...], tokens: int) -> tuple[Choice, int]:
    """A choice of at most `tokens` tokens beside its reasoning, ended for length. A call loses its arguments' end."""
    if not choice.calls:
        pieces = tuple(choice.pieces)[:tokens]
        return msgspec.structs.replace(
            choice, pieces=pieces, reasoning=reasoning, finish="length", stopped_by=None
        ), len(pieces)
    calls: list[Call] = []
    left = tokens
    for call in choice.calls:
        if left > 0:
            calls.append(msgspec.structs.replace(call, arguments=call.arguments[: left - 1]))
            left -= 1 + len(calls[-1].arguments)
    return msgspec.structs.replace(choice, calls=tuple(calls), reasoning=reasoning, finish="length"), tokens - left
