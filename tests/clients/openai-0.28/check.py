"""openai 0.28, as OpenRoute's documents use it: `openai.ChatCompletion.create` with `api_base`, whole and streamed."""

import scene
from setup import openai

HEADERS = {"HTTP-Referer": "https://example.com/app", "X-Title": "An old app"}
ASKED = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": scene.HELLO}]
FUNCTION = {"name": "weather", "description": scene.DESCRIPTION, "parameters": scene.PARAMETERS}


def whole(model: str) -> None:
    done = openai.ChatCompletion.create(model=model, messages=ASKED, headers=HEADERS)
    assert (done.object, done.choices[0].finish_reason) == ("chat.completion", "stop"), done
    scene.hello(model, done.choices[0].message.content)
    scene.counted(done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens)


def streamed(model: str) -> None:
    chunks = list(openai.ChatCompletion.create(model=model, messages=ASKED, headers=HEADERS, stream=True))
    assert len({chunk.id for chunk in chunks}) == 1, [chunk.id for chunk in chunks]
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    choices = [choice for chunk in chunks for choice in chunk.choices]
    scene.hello(model, "".join(choice.delta.get("content") or "" for choice in choices))
    assert [choice.finish_reason for choice in choices if choice.get("finish_reason")] == ["stop"]
    [usage] = [chunk.usage for chunk in chunks if chunk.get("usage")]
    assert chunks[-1].get("usage"), "usage comes in the last chunk"
    scene.counted(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def tools(model: str) -> None:
    named = {"model": model, "tools": [{"type": "function", "function": FUNCTION}]}
    asked = [{"role": "user", "content": scene.WEATHER}]
    message = openai.ChatCompletion.create(messages=asked, **named).choices[0].message
    [call] = message.tool_calls
    scene.weather(call.function.arguments)
    back = [*asked, message, {"role": "tool", "tool_call_id": call.id, "content": scene.RAIN}]
    assert openai.ChatCompletion.create(messages=back, **named).choices[0].message.content


def errors(model: str) -> None:
    """What is wrong arrives as the client's own exceptions, with our text in them."""
    try:
        openai.ChatCompletion.create(model=model, messages=ASKED, api_key="sk-or-v1-not-a-key")
    except openai.error.AuthenticationError as error:
        assert error.http_status == 401, error
    else:
        raise AssertionError("a wrong key was accepted")
    try:
        openai.ChatCompletion.create(model=f"{model}-no-such", messages=ASKED)
    except openai.error.InvalidRequestError as error:
        assert f"{model}-no-such" in str(error), error
    else:
        raise AssertionError("a model that does not exist was accepted")


scene.report("openai", "chat", whole, streamed, tools, errors)
