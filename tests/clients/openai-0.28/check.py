"""openai 0.28, as OpenRoute's documents use it: `openai.ChatCompletion.create` with `api_base`, whole and streamed."""

import os
from typing import Any

import openai

MODEL = "openai/gpt-4o"
openai.api_base = os.environ["BASE_URL"] + "/api/v1"
openai.api_key = os.environ["API_KEY"]
HEADERS = {"HTTP-Referer": "https://example.com/app", "X-Title": "An old app"}
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the meaning of life?"},
]


def usage_is_whole(usage: Any) -> None:
    """Tokens were counted on both sides, and add up."""
    assert usage["prompt_tokens"] > 0, usage
    assert usage["completion_tokens"] > 0, usage
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], usage


def whole() -> str:
    """One answer in one body. -> its text."""
    response = openai.ChatCompletion.create(model=MODEL, messages=MESSAGES, headers=HEADERS)
    reply = response.choices[0].message
    assert response.object == "chat.completion", response
    assert reply.role == "assistant", response
    assert reply.content, response
    assert response.choices[0].finish_reason == "stop", response
    usage_is_whole(response.usage)
    return str(reply.content)


def streamed() -> str:
    """The same as a stream: one id throughout, text in pieces, a finish reason, and usage at the end. -> its text."""
    chunks = list(openai.ChatCompletion.create(model=MODEL, messages=MESSAGES, headers=HEADERS, stream=True))
    assert len({chunk.id for chunk in chunks}) == 1, [chunk.id for chunk in chunks]
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = "".join(choice.delta.get("content") or "" for choice in choices)
    assert text, chunks
    assert [choice.finish_reason for choice in choices if choice.get("finish_reason")] == ["stop"]
    usages = [chunk.usage for chunk in chunks if chunk.get("usage")]
    assert len(usages) == 1, usages
    assert chunks[-1].get("usage"), "usage comes in the last chunk"
    usage_is_whole(usages[0])
    return text


def errors() -> None:
    """What is wrong arrives as the client's own exceptions, with our text in them."""
    try:
        openai.ChatCompletion.create(model=MODEL, messages=MESSAGES, api_key="sk-or-v1-not-a-key")
    except openai.error.AuthenticationError as error:
        assert error.http_status == 401, error
    else:
        raise AssertionError("a wrong key was accepted")
    try:
        openai.ChatCompletion.create(model="nobody/no-such-model", messages=MESSAGES)
    except openai.error.InvalidRequestError as error:
        assert "nobody/no-such-model" in str(error), error
    else:
        raise AssertionError("a model that does not exist was accepted")


print("whole:   ", whole()[:60])
print("streamed:", streamed()[:60])
errors()
print("errors:   a wrong key and an unknown model are told apart")
