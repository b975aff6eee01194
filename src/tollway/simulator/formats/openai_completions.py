"""OpenAI's older completions: a prompt in, its continuation out."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

from tollway.simulator import text
from tollway.simulator.answer import Answer, Choice, Question
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats import openai_shapes
from tollway.simulator.formats.base import Asked, Format, Frame, Kind, Refused
from tollway.simulator.usage import counts

_FINGERPRINT = "fp_simulated"
_encode = msgspec.json.encode


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Request(Struct):
    model: str
    prompt: str | list[str | int | list[int]] = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    seed: int | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    suffix: str | None = None


_OTHERS = frozenset({"frequency_penalty", "logit_bias", "presence_penalty", "user"})
_KNOWN = _OTHERS | frozenset(_Request.__struct_fields__)
_decoder = msgspec.json.Decoder(_Request)


def read(asked: Asked) -> Question:
    """The body of `POST /completions` -> what is asked. Each prompt gets `n` choices, of 16 tokens if not said."""
    try:
        request = _decoder.decode(asked.body)
    except msgspec.DecodeError as error:
        raise openai_shapes.unreadable(error) from None
    if not request.model:
        raise Refused(400, "you must provide a model parameter")
    prompts = _prompts(request.prompt)
    words = [prompt for prompt in prompts if isinstance(prompt, str)]
    numbers = sum(prompt for prompt in prompts if isinstance(prompt, int))
    limit = 16 if request.max_tokens is None else request.max_tokens
    stop = request.stop
    return Question(
        model=request.model,
        prompt_tokens=text.prompt_tokens(sum(map(len, words)), len(words)) + numbers,
        last_user=words[-1] if words else "",
        stream=bool(request.stream),
        include_usage=request.stream_options is not None and bool(request.stream_options.include_usage),
        n=(request.n or 1) * len(prompts),
        max_tokens=limit,
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        logprobs=request.logprobs,
        seed=request.seed,
        unknown=tuple(sorted(msgspec.json.decode(asked.body).keys() - _KNOWN)),
        echo=words[0] if request.echo and words else "",
    )


def _prompts(prompt: str | list[str | int | list[int]]) -> list[str | int]:
    """The prompts of a request: texts, or how many tokens there are of those that came as numbers."""
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise Refused(400, "Invalid 'prompt': empty array.", param="prompt", code="empty_array")
    if isinstance(prompt[0], int):
        return [len(prompt)]
    return [len(item) if isinstance(item, list) else item for item in prompt]


def whole(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """A `text_completion`."""
    body: dict[str, Any] = {
        "id": answer.id,
        "object": "text_completion",
        "created": answer.created_s,
        "model": answer.model,
        "choices": [
            {
                "text": "".join(choice.pieces),
                "index": choice.index,
                "logprobs": _logprobs(tuple(choice.pieces), question.logprobs),
                "finish_reason": choice.finish,
            }
            for choice in answer.choices
        ],
        "system_fingerprint": _FINGERPRINT,
    }
    if (reported := counts(answer, behaviour)) is not None:
        body["usage"] = openai_shapes.usage(reported)
    return _encode(body)


def _logprobs(pieces: tuple[str, ...], top: int | None, offset: int = 0) -> dict[str, Any] | None:
    """The older shape of logprobs: four lists side by side."""
    if top is None:
        return None
    found = [-(crc32(piece.encode()) % 1000) / 2000 for piece in pieces]
    offsets = [offset]
    for piece in pieces[:-1]:
        offsets.append(offsets[-1] + len(piece))
    return {
        "tokens": list(pieces),
        "token_logprobs": found,
        "top_logprobs": [{piece: value} for piece, value in zip(pieces, found, strict=True)] if top else None,
        "text_offset": offsets[: len(pieces)],
    }


def frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """The events of a streamed completion; they have the shape of the whole one."""
    shared = {"id": answer.id, "object": "text_completion", "created": answer.created_s}
    head = _encode({**shared, "model": answer.model, "system_fingerprint": _FINGERPRINT})[:-1]
    tail = b',"usage":null}' if question.include_usage else b"}"
    writers = [_deltas(head, tail, choice, question, behaviour) for choice in answer.choices]
    for turn in zip_longest(*writers):
        yield from (frame for frame in turn if frame is not None)
    if question.include_usage:
        yield from openai_shapes.usage_events(head, answer, behaviour)
    yield Frame(Kind.DONE, b"[DONE]")


def _deltas(head: bytes, tail: bytes, choice: Choice, question: Question, behaviour: Behaviour) -> Iterator[Frame]:
    offset = 0
    for number, piece in enumerate(choice.pieces):
        logprobs = _encode(_logprobs((piece,), question.logprobs, offset))
        offset += len(piece)
        end = b',"index":%d,"logprobs":%b,"finish_reason":null}]' % (choice.index, logprobs)
        tokens = 0 if question.echo and number == 0 else 1
        yield Frame(Kind.CONTENT, head + b',"choices":[{"text":' + _encode(piece) + end + tail, tokens)
    if choice.finish is not None:
        end = b'"index":%d,"logprobs":null,"finish_reason":%b}]' % (choice.index, _encode(choice.finish))
        frame = Frame(Kind.FINISH, head + b',"choices":[{"text":"",' + end + tail)
        yield frame
        if behaviour.finish == "twice":
            yield frame


FORMAT = Format(
    paths=("/completions",),
    id_prefix="cmpl-",
    read=read,
    whole=whole,
    frames=frames,
    refusal=openai_shapes.refusal,
    failure=openai_shapes.failure,
    text_field=b'"text":"',
)
