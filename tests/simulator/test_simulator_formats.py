"""What the simulator can do, it can do in every wire format: answers, tools, thoughts, usage, faults and hints."""

import json
from typing import Any

import pytest

from tests.simulator.asking import ASKED, PROMPT, answer_of, ask, frames, frames_of, said
from tests.simulator.scene import exchange, parts, play, post
from tollway.simulator import Simulator

EVERY = pytest.mark.parametrize("name", ASKED)
PROMPT_TOKENS = len(PROMPT) // 4 + 3
TEXT = "One two three four."
"""Five tokens."""


def counted(body: Any) -> tuple[Any, Any]:
    """(prompt, completion) that an answer or an event reports, in whatever words."""
    match body:
        case {"response": {"usage": dict() as usage}} | {"delta": {"usage": usage}} | {"message": {"usage": usage}}:
            return counted({"usage": usage})
        case {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}:
            return prompt, completion
        case {"usage": {"input_tokens": prompt, "output_tokens": completion, **more}}:
            return whole_of(prompt, more, "cache_read_input_tokens", "cache_creation_input_tokens"), completion
        case {"usage": {"inputTokens": prompt, "outputTokens": completion, **more}}:
            return whole_of(prompt, more, "cacheReadInputTokens", "cacheWriteInputTokens"), completion
        case {"usage": {"tokens": {"input_tokens": prompt, "output_tokens": completion}}}:
            return prompt, completion
        case {"usageMetadata": {"promptTokenCount": prompt, "candidatesTokenCount": answer, **more}}:
            return prompt, whole_of(answer, more, "thoughtsTokenCount")
    return None, None


def whole_of(part: Any, more: dict[Any, Any], *names: str) -> Any:
    """A count with those that the format reports beside it; nonsense stays as it is."""
    beside = sum(more.get(name, 0) for name in names)
    return part + beside if beside else part


@EVERY
def test_text_whole_and_streamed(name: str) -> None:
    """The text that was told, the tokens that were sent, in the books and in what is reported."""

    async def scene(simulator: Simulator) -> None:
        whole = await answer_of(simulator, name, f"text={TEXT}")
        assert TEXT in json.dumps(whole)
        assert counted(whole) == (PROMPT_TOKENS, 5)
        found = await frames_of(simulator, name, f"text={TEXT}")
        assert said(found) == TEXT
        reported = [pair for _, event in found if (pair := counted(event))[0] is not None]
        assert reported[-1] == (PROMPT_TOKENS, 5)
        for record in simulator.stats.log:
            assert (record.prompt_tokens, record.completion_tokens, record.outcome) == (PROMPT_TOKENS, 5, "finished")

    play(scene)


@EVERY
@pytest.mark.parametrize("told", ["answer=tools", "reasoning=5,tokens=3", "reasoning=5,answer=tools", "cached=3"])
def test_both_ways_count_the_same(name: str, told: str) -> None:
    """A tool call, thoughts and a cache: streamed and whole report what the books have."""

    async def scene(simulator: Simulator) -> None:
        whole = await answer_of(simulator, name, told)
        found = await frames_of(simulator, name, told)
        reported = [pair for _, event in found if (pair := counted(event))[0] is not None]
        assert counted(whole) == reported[-1]
        first, second = simulator.stats.log
        assert (first.prompt_tokens, first.completion_tokens) == counted(whole)
        assert (second.prompt_tokens, second.completion_tokens) == counted(whole)
        if "tools" in told:
            assert "look" in json.dumps(whole)
            assert "look" in json.dumps(found)

    play(scene)


@EVERY
def test_max_tokens_and_usage(name: str) -> None:
    """Nonsense in usage is sent as it was told; without usage there is none."""

    async def scene(simulator: Simulator) -> None:
        for kind, expected in (("zero", 0), ("negative", -5), ("huge", 10**15), ("string", "5"), ("none", None)):
            whole = await answer_of(simulator, name, f"text={TEXT},usage={kind}")
            assert counted(whole)[1] == expected
            found = await frames_of(simulator, name, f"text={TEXT},usage={kind}")
            assert [pair for _, event in found if (pair := counted(event))[0] is not None][-1:] == [
                counted(whole) for _ in range(expected is not None)
            ]

    play(scene)


ERRORS: dict[str, tuple[Any, Any]] = {
    # where the kind of error stands in the body of a 429, and in the event that ends a stream
    "openai_chat": (("error", "code"), ("error", "code")),
    "openai_responses": (("error", "code"), ("error", "code")),
    "anthropic_messages": (("error", "type"), ("error", "type")),
    "gemini": (("error", "status"), ("error", "status")),
    "gemini array": (("error", "status"), ("error", "status")),
    "bedrock_converse": (("message",), ("message",)),
    "cohere_chat": (("message",), ("delta", "finish_reason")),
}
NAMES_429 = {
    "openai_chat": ("rate_limit_exceeded", "rate_limit_exceeded"),
    "openai_responses": ("rate_limit_exceeded", "rate_limit_exceeded"),
    "anthropic_messages": ("rate_limit_error", "rate_limit_error"),
    "gemini": ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"),
    "gemini array": ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"),
    "bedrock_converse": ("Rate limit reached. This is a simulated error.",) * 2,
    "cohere_chat": ("Rate limit reached. This is a simulated error.", "ERROR"),
}


@EVERY
def test_errors_before_and_inside(name: str) -> None:
    """A 429 with its hint, and the same inside a stream: in the format's own shape and framing."""

    def at(body: Any, path: tuple[str, ...]) -> Any:
        for step in path:
            body = body[step]
        return body

    async def scene(simulator: Simulator) -> None:
        status, headers, body = await ask(simulator, name, "fail=429,hint=retry-after,hint_s=7")
        assert (status, headers["retry-after"]) == (429, "7")
        assert at(json.loads(body), ERRORS[name][0]) == NAMES_429[name][0]
        status, headers, body = await ask(simulator, name, f"fail=429,after=2,text={TEXT}", stream=True)
        found = frames(headers["content-type"], body + (b"]" if name == "gemini array" else b""))
        assert status == 200
        assert said(found) == "One two"
        failure = next(event for _, event in found if "simulated error" in json.dumps(event))
        assert at(failure, ERRORS[name][1]) == NAMES_429[name][1]
        assert [record.outcome for record in simulator.stats.log] == ["failed", "failed"]

    play(scene)


@EVERY
@pytest.mark.parametrize("then", ["truncate", "truncate_json", "eof", "end", "reset", "malformed", "utf8", "html"])
def test_streams_break(name: str, then: str) -> None:
    """Every way of breaking off comes after the pieces that were told, and the end never does."""

    async def scene(simulator: Simulator) -> None:
        _, _, whole = await ask(simulator, name, f"text={TEXT}", stream=True)
        _, _, broken = await ask(simulator, name, f"text={TEXT},after=2,then={then}", stream=True)
        assert b"two" in broken
        if then in ("malformed", "utf8"):
            assert len(broken) > len(whole) or name.startswith(("gemini", "bedrock"))
            assert broken != whole
        else:
            assert b"four" not in broken
            assert len(broken) < len(whole) + 300

    play(scene)


@EVERY
def test_keys(name: str) -> None:
    """A key counts in the format's own header only."""

    async def scene(simulator: Simulator) -> None:
        header = ASKED[name].key_header
        value = "Bearer sk-good" if header == "authorization" else "sk-good"
        good = await ask(simulator, name, "key=sk-good", headers={header.replace("-", "_"): value})
        assert good[0] == 200
        status, _, body = await ask(simulator, name, "key=sk-good", headers={"x_other": value})
        assert status == 401
        assert b"API key" in body
        assert (await ask(simulator, name, "key=sk-good", headers={header.replace("-", "_"): "sk-bad"}))[0] == 401

    play(scene)


def test_counting_tokens() -> None:
    """Anthropic's and Google's URLs that only count."""

    async def scene(simulator: Simulator) -> None:
        asked = {name: value for name, value in ASKED["anthropic_messages"].body.items() if name != "max_tokens"}
        sent = post(asked, "/v1/messages/count_tokens", connection="close", anthropic_version="2023-06-01")
        assert json.loads(parts((await exchange(simulator, sent))[0])[2]) == {"input_tokens": PROMPT_TOKENS}
        contents = {"contents": ASKED["gemini"].body["contents"]}
        sent = post(contents, "/v1beta/models/m:countTokens", connection="close")
        answer = json.loads(parts((await exchange(simulator, sent))[0])[2])
        assert answer["totalTokens"] == PROMPT_TOKENS

    play(scene)


REFUSED: dict[str, tuple[str, dict[str, Any], int, Any]] = {
    # name of the format, what is wrong in the request, status, the whole body; origin: the providers' documents and
    # recorded errors
    "Anthropic, unknown field": (
        "anthropic_messages",
        {"seed": 1},
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "seed: Extra inputs are not permitted"},
            "request_id": "req_simulated",
        },
    ),
    "Anthropic, missing field": (
        "anthropic_messages",
        {"messages": [{"role": "user"}]},
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "messages.0.content: Field required"},
            "request_id": "req_simulated",
        },
    ),
    "Anthropic, thinking of somebody else": (
        "anthropic_messages",
        {
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "eA=="}]},
                {"role": "user", "content": "y"},
            ]
        },
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "messages.1.content.0: Invalid `signature` in `thinking` block",
            },
            "request_id": "req_simulated",
        },
    ),
    "Google, unknown field": (
        "gemini",
        {"generationConfig": {"minP": 0.1}},
        400,
        {
            "error": {
                "code": 400,
                "message": "Invalid JSON payload received. "
                "Unknown name \"minP\" at 'generationConfig': Cannot find field.",
                "status": "INVALID_ARGUMENT",
            }
        },
    ),
    "Google, a role that it has not": (
        "gemini",
        {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]},
        400,
        {"error": {"code": 400, "message": "Please use a valid role: user, model.", "status": "INVALID_ARGUMENT"}},
    ),
    "Responses, unknown field": (
        "openai_responses",
        {"max_tokens": 5},
        400,
        {
            "error": {
                "message": "Unknown parameter: 'max_tokens'.",
                "type": "invalid_request_error",
                "param": "max_tokens",
                "code": "unknown_parameter",
            }
        },
    ),
    "Responses, reasoning with nothing behind it": (
        "openai_responses",
        {
            "input": [
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [],
                    "encrypted_content": "c2ltdWxhdGVkLXJlYXNvbmluZzr8wyPmBQ+6YBKpmzRTz1V6CO/wJ9kxzmLy21AwZzTDrw==",
                }
            ]
        },
        400,
        {
            "error": {
                "message": "The encrypted content for item rs_1 could not be verified.",
                "type": "invalid_request_error",
                "param": "input",
                "code": "invalid_encrypted_content",
            }
        },
    ),
    "Bedrock, unknown field": (
        "bedrock_converse",
        {"inferenceConfig": {"topK": 5}},
        400,
        {"message": "Malformed input request: extraneous key [topK] is not permitted at inferenceConfig.topK."},
    ),
    "Bedrock, two users in a row": (
        "bedrock_converse",
        {"messages": [{"role": "user", "content": [{"text": "x"}]}, {"role": "user", "content": [{"text": "y"}]}]},
        400,
        {"message": "A conversation must alternate between user and assistant roles."},
    ),
    "Cohere, unknown field": (
        "cohere_chat",
        {"top_k": 5},
        400,
        {"id": "00000000-0000-4000-8000-000000000000", "message": "invalid request: unknown field 'top_k'"},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_requests_are_read_strictly(case: str) -> None:
    """What a provider refuses is refused, in its words; Bedrock names the exception in a header."""
    name, wrong, expected_status, expected = REFUSED[case]

    async def scene(simulator: Simulator) -> None:
        status, headers, body = await ask(simulator, name, "", **wrong)
        assert (status, json.loads(body)) == (expected_status, expected)
        if name == "bedrock_converse":
            assert headers["x-amzn-errortype"].startswith("ValidationException")

    play(scene)
