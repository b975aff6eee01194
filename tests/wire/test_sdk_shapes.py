"""Every shape that the official clients' types allow: it survives in its own format, and breaks no other."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
from google.genai import types as google
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

import score_normal as normal
from score_again import FORMATS, request_again, written_stream, written_whole
from score_leaves import at, is_same, leaves, shown
from tests.wire.sdk_shapes import Shapes
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Answer, Failed
from tollway.domain.quirks import Quirks
from tollway.wire.formats import CLIENTS

Json = dict[str, Any]
EVERYTHING = Quirks(
    developer_role=True,
    custom_tools=True,
    keeps=frozenset({"cache_control", "prompt_cache_breakpoint", "eager_input_streaming"}),
)
"""A provider that takes all that OpenAI's own types name."""

REQUESTS: dict[str, Any] = {
    "chat_completions": CompletionCreateParamsNonStreaming,
    "responses": ResponseCreateParamsNonStreaming,
    "messages": MessageCreateParamsNonStreaming,
}
GOOGLES: dict[str, Any] = {
    "contents": google.Content,
    "tools": google.Tool,
    "toolConfig": google.ToolConfig,
    "generationConfig": google.GenerationConfig,
    "safetySettings": google.SafetySetting,
    "systemInstruction": google.Content,
}
ANSWERS: dict[str, tuple[Any, Json]] = {
    "chat_completions": (ChatCompletion, {}),
    "responses": (Response, {"status": "completed", "error": None, "incomplete_details": None}),
    "messages": (BetaMessage, {"stop_reason": "end_turn"}),
    "generate_content": (google.GenerateContentResponse, {"usageMetadata": {"promptTokenCount": 1}}),
}
"""The type of an answer, and what a whole one always has, though the type allows that it is missing."""
EVENTS: dict[str, Any] = {
    "chat_completions": ChatCompletionChunk,
    "responses": ResponseStreamEvent,
    "messages": BetaRawMessageStreamEvent,
    "generate_content": google.GenerateContentResponse,
}

OTHERWISE: dict[str, dict[str, str]] = {
    "chat_completions request": {
        "metadata": "for a router: ours goes into the generation's record",
        "stream_options": "written anew: only for streams, and always with usage",
    },
    "messages request": {
        "fallbacks": "an order to a router, which we carry out ourselves",
    },
    "responses request": {"metadata": "for a router", "stream_options": "only for streams"},
    "generate_content request": {
        "systemInstruction.role": "an instruction has no other role than that",
    },
    "chat_completions answer": {
        "id": "ours", "created": "ours", "model": "ours",
        "usage.total_tokens": "the sum of the others, which made-up usage is not",
        "choices[].finish_reason": "`function_call` is called `tool_calls` where we answer",
        "choices[].message.function_call": "the first form of tool calls goes out as today's",
    },
    "messages answer": {
        "id": "ours", "model": "ours",
        "content[].caller.type": "`direct` is the default",
    },
    "responses answer": {
        "id": "ours", "created_at": "ours", "model": "ours", "background": "state", "conversation": "state",
        "previous_response_id": "state", "user": "the caller's own",
        "output[].status": "an item of a complete answer is complete",
        "tool_choice": "the caller's own", "text": "the caller's own", "truncation": "the caller's own",
        "usage.total_tokens": "the sum of the others, which made-up usage is not",
    },
    "generate_content answer": {
        "modelVersion": "ours", "responseId": "ours", "createTime": "ours",
        "candidates[].content.role": "an answer is always the model's",
        "candidates[].index": "a candidate that says nothing besides its place is no answer",
        "candidates[].finishReason": "FINISH_REASON_UNSPECIFIED is what its absence says",
        "candidates[].content.parts[].functionCall.partialArgs": "put together: a call goes out whole",
        "candidates[].content.parts[].functionCall.willContinue": "put together: a call goes out whole",
        "candidates[].logprobsResult": "the rest stands beside chosen tokens, of which a made-up result has none",
        "promptFeedback": "without a reason for a block and without candidates it says nothing",
    },
}  # fmt: skip
"""By format and direction: paths whose leaves are written otherwise, and why. One that is not needed fails the test."""


def requests(api: str) -> Iterator[Json]:
    """Requests with one field varied at a time; one that lacks what it cannot do without gets it."""
    if api != "generate_content":
        needed: Json = {"input": "hi"} if api == "responses" else {}
        yield from ({**needed, **body} for body in Shapes(REQUESTS[api]))
        return
    base = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    for name, kind in GOOGLES.items():
        for value in Shapes(kind):
            yield {**base, name: [value] if name in ("contents", "tools", "safetySettings") else value}


def lost_in(api: str, direction: str, recorded: Json, written: Json) -> Iterator[str]:
    """Paths of leaves that are not found again, without those that are written otherwise on purpose."""
    read = getattr(normal, direction)
    wanted, found = read(api, recorded), read(api, written)
    for path, value in leaves(wanted):
        if not is_same(at(found, path), value):
            yield shown(path)


def judged(api: str, direction: str, lost: Counter[str]) -> None:
    """Nothing is lost but what OTHERWISE names, and nothing is named in vain."""
    known = OTHERWISE[f"{api} {direction}"]
    rest = {path: count for path, count in lost.items() if not any(_covers(name, path) for name in known)}
    assert not rest, rest
    assert not [name for name in known if not any(_covers(name, path) for path in lost)], "not needed any more"


def _covers(name: str, path: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


@pytest.mark.parametrize("api", FORMATS)
def test_requests(api: str) -> None:
    """Read and written for a provider of the same format: all of it is there; for others nothing breaks."""
    form, lost, count, refused = FORMATS[api], Counter[str](), 0, Counter[str]()
    for body in requests(api):
        try:
            written = request_again(form, body, model=body.get("model", "m"), stream=False, quirks=EVERYTHING)
        except InvalidRequest as error:
            refused[error.message] += 1
            continue
        count += 1
        lost.update(lost_in(api, "request", body, written))
        request = form.server.decode_request(json.dumps(body).encode())
        for client in CLIENTS.values():
            json.loads(client.encode_request(
                request, upstream_model="m", max_tokens=None, stream=False, parameters=frozenset(),
                quirks=Quirks(), user_id=None, same_format=False,
            ))  # fmt: skip
    assert count > 100
    assert sum(refused.values()) < count / 2, refused
    judged(api, "request", lost)


@pytest.mark.parametrize("api", ANSWERS)
def test_answers(api: str) -> None:
    """Read and written in the same format: all of it is there; the others can write it too."""
    kind, always = ANSWERS[api]
    form, lost, count = FORMATS[api], Counter[str](), 0
    for body in Shapes(kind):
        body = {**always, **{name: value for name, value in body.items() if name not in always}}
        answer = form.client.decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer), (body, answer)
        count += 1
        lost.update(lost_in(api, "answer", body, written_whole(form, answer)))
        for other in FORMATS.values():
            written_whole(other, answer)
    assert count > 30
    judged(api, "answer", lost)


@pytest.mark.parametrize("api", EVENTS)
def test_events(api: str) -> None:
    """Each event of a stream alone, in no order that makes sense: it breaks neither the reader nor any writer."""
    form, count = FORMATS[api], 0
    for event in Shapes(EVENTS[api]):
        decoder = form.client.EventDecoder()
        name = f"event: {event['type']}\n".encode() if "type" in event else b""
        events = [*decoder.feed(name + b"data: " + json.dumps(event).encode() + b"\n\n"), *decoder.end()]
        assert not any(isinstance(found, Failed) for found in events[:-1])
        count += 1
        for other in FORMATS.values():
            written_stream(other, events)
    assert count > 30
