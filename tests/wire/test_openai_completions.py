"""The legacy completions: read as a chat of one message, answered as a `text_completion`."""

import json
from typing import Any

import pytest
from msgspec import Raw
from openai.types import Completion

from tollway.domain.chat import UserMessage
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Answer, Choice, Event, Failed, Finished, ReasoningDelta, TextDelta, UsageReported
from tollway.domain.generation import Usage
from tollway.wire.openai_chat.client import encode_request
from tollway.wire.openai_chat.usage import usage_json
from tollway.wire.openai_completions import EventEncoder, decode_request, encode_answer
from tollway.wire.sse import SseParser

ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 1_762_141_317, "model": "a/b", "provider": "Acme"}
USAGE = usage_json(Usage(prompt=9, completion=4), cost=5, prompt_cost=3, completion_cost=2)
LOGPROBS = Raw(
    b'{"content":[{"token":"a","logprob":-0.5,"top_logprobs":[{"token":"a","logprob":-0.5},{"token":"b","logprob":-2.0}]}]}'
)


def asks(**fields: Any) -> bytes:
    """A request."""
    return json.dumps({"model": "a/b", "prompt": "Once", **fields}).encode()


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_request(prompt: Any) -> None:
    """The prompt is kept, and is the one user message; chat's fields are read as chat's."""
    request = decode_request(
        asks(
            prompt=prompt,
            max_tokens=5,
            temperature=0.5,
            suffix="end",
            echo=True,
            best_of=3,
            n=2,
            stream=False,
            provider={"only": ["x"]},
            models=["a/c"],
            new={"a": 1},
        )
    )
    assert request.prompt == "Once"
    assert request.messages == (UserMessage(content="Once"),)
    assert (request.max_tokens, request.temperature, request.suffix, request.echo) == (5, 0.5, "end", True)
    assert (request.best_of, request.n, request.models) == (3, 2, ("a/c",))
    assert request.provider is not None
    assert request.extra == {"new": Raw(b'{"a":1}')}
    sent = json.loads(encode_request(request, upstream_model="m", max_tokens=5, stream=False))
    assert sent == {
        "model": "m",
        "messages": [{"role": "user", "content": "Once"}],
        "max_tokens": 5,
        "temperature": 0.5,
        "n": 2,
        "new": {"a": 1},
    }


@pytest.mark.parametrize(
    ("logprobs", "expected"), [(None, (None, None)), (3, (True, 3)), (0, (True, 0)), (True, (True, None))]
)
def test_logprobs_is_a_number(logprobs: Any, expected: tuple[bool | None, int | None]) -> None:
    """Here the one field says whether and how many."""
    request = decode_request(asks(logprobs=logprobs))
    assert (request.logprobs, request.top_logprobs) == expected


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"prompt": ["a", "b"]}, "prompt", "2 prompts"),
        ({"prompt": [1, 2]}, "prompt", "token ids"),
        ({"prompt": [[1, 2], [3]]}, "prompt", "token ids"),
        ({"prompt": []}, "prompt", "required"),
        ({"prompt": ""}, "prompt", "required"),
        ({"prompt": None}, "prompt", "required"),
        ({"prompt": {"a": 1}}, "prompt", "expected a string"),
        ({"best_of": 1, "n": 2}, "best_of", "at least n"),
        ({"best_of": 2, "stream": True}, "best_of", "cannot be streamed"),
        ({"logprobs": 21}, "logprobs", "at most 20"),
        ({"max_tokens": 0}, "max_tokens", "at least 1"),
    ],
)
def test_refused(fields: dict[str, Any], param: str, words: str) -> None:
    """A 400 names the field and says what to send instead."""
    with pytest.raises(InvalidRequest, match=words) as caught:
        decode_request(asks(**fields))
    assert caught.value.param == param


def test_answer() -> None:
    """Section 6.1: text, both reasons, logprobs in the old lists; the official client reads it."""
    answer = Answer(
        choices=(
            Choice(
                text=" upon",
                reasoning="r",
                reasoning_details=(Raw(b'{"type":"reasoning.text"}'),),
                logprobs=LOGPROBS,
                finish_reason="stop",
                native_finish_reason="end_turn",
            ),
            Choice(index=1, refusal="No.", finish_reason="length"),
        )
    )
    body = encode_answer(answer, **ENVELOPE, usage_json=USAGE, echo="Once")
    Completion.model_validate_json(body, strict=True)
    value = json.loads(body)
    assert {name: value[name] for name in ENVELOPE} == ENVELOPE
    assert (value["object"], value["usage"]["total_tokens"]) == ("text_completion", 13)
    first, second = value["choices"]
    assert (first["text"], first["finish_reason"], first["native_finish_reason"]) == ("Once upon", "stop", "end_turn")
    assert first["logprobs"] == {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5, "b": -2.0}]}
    assert first["reasoning_details"] == [{"type": "reasoning.text"}]
    assert (second["index"], second["text"], second["logprobs"]) == (1, "OnceNo.", None)


def test_stream() -> None:
    """The same object per chunk, usage on the last one without choices, [DONE]; what ends an answer is apart."""
    events: list[Event] = [
        ReasoningDelta("r"),
        TextDelta(" up"),
        TextDelta("on", 0, LOGPROBS),
        Finished("stop", "end_turn"),
        UsageReported(Usage()),
        Failed(500, "x"),
    ]
    encoder = EventEncoder(**ENVELOPE, echo="Once")
    text = encoder.encode(events)
    assert b"[DONE]" not in text
    text += encoder.finish(USAGE)
    *chunks, done = SseParser().feed(text)
    assert done.data == b"[DONE]"
    values = [json.loads(chunk.data) for chunk in chunks]
    assert all(value["object"] == "text_completion" and value["provider"] == "Acme" for value in values)
    assert "".join(choice["text"] for value in values for choice in value["choices"]) == "Once upon"
    assert values[0]["choices"][0]["reasoning"] == "r"
    assert values[2]["choices"][0]["logprobs"]["tokens"] == ["a"]
    assert values[3]["choices"][0]["finish_reason"] == "stop"
    assert values[4]["choices"] == []
    assert values[4]["usage"]["prompt_tokens"] == 9


def test_error() -> None:
    """An integer code, a choice that ended with "error", the end."""
    error, done = SseParser().feed(
        EventEncoder(**ENVELOPE).error(code=502, message="x", metadata={"error_type": "server"}, usage=USAGE)
    )
    value = json.loads(error.data)
    assert value["error"] == {"code": 502, "message": "x", "metadata": {"error_type": "server"}}
    assert value["choices"][0]["finish_reason"] == "error"
    assert value["usage"]["total_tokens"] == 13
    assert done.data == b"[DONE]"
    assert EventEncoder(**ENVELOPE).finish(None) == b"data: [DONE]\n\n"
    assert EventEncoder.comment("a\nb") == b": a b\n\n"
