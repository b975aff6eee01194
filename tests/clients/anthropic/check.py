"""anthropic for Python: Messages, with the helpers for streams, tools with a runner, thinking, and counting."""

from typing import Any

import anthropic
import scene
from setup import client

HELLO: Any = [{"role": "user", "content": scene.HELLO}]
ASKED: Any = [{"role": "user", "content": scene.WEATHER}]
TOOL: Any = {"name": "weather", "description": scene.DESCRIPTION, "input_schema": scene.PARAMETERS}


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def whole(model: str) -> None:
    done = client.messages.create(model=model, max_tokens=2000, messages=HELLO)
    scene.hello(model, text_of(done))
    assert (done.role, done.stop_reason) == ("assistant", "end_turn")
    scene.counted(done.usage.input_tokens, done.usage.output_tokens)


def streamed(model: str) -> None:
    with client.messages.stream(model=model, max_tokens=2000, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        done = stream.get_final_message()
    scene.hello(model, text)
    assert text_of(done) == text
    assert done.stop_reason == "end_turn"
    scene.counted(done.usage.input_tokens, done.usage.output_tokens)


def tools(model: str) -> None:
    named: Any = {"model": model, "max_tokens": 2000, "tools": [TOOL]}
    asked = client.messages.create(messages=ASKED, **named)
    [call] = [block for block in asked.content if block.type == "tool_use"]
    assert (asked.stop_reason, call.name) == ("tool_use", "weather")
    scene.weather(call.input)
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": scene.RAIN}]}
    back = [*ASKED, {"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]
    assert text_of(client.messages.create(messages=back, **named))


def tools_streamed(model: str) -> None:
    with client.messages.stream(model=model, max_tokens=2000, messages=ASKED, tools=[TOOL]) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        [call] = [block for block in stream.get_final_message().content if block.type == "tool_use"]
    scene.weather("".join(pieces))
    scene.weather(call.input)


def tool_runner(model: str) -> None:
    """The SDK's own loop: it calls the function and sends back what it returns, until the model is done."""
    seen = []

    @anthropic.beta_tool
    def weather(city: str, days: int) -> str:
        """The weather of a city."""
        seen.append((city, days))
        return scene.RAIN

    done = client.beta.messages.tool_runner(model=model, max_tokens=2000, messages=ASKED, tools=[weather]).until_done()
    assert len(seen) == 1
    assert text_of(done)


def thinking(model: str) -> None:
    """Thoughts come as blocks, whole and streamed, and are taken back as they came."""
    named: Any = {"model": model, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    asked = client.messages.create(messages=ASKED, **named)
    assert asked.content[0].type == "thinking"
    assert asked.content[0].thinking
    back = [*ASKED, {"role": "assistant", "content": asked.content}, {"role": "user", "content": "Why?"}]
    with client.messages.stream(messages=back, **named) as stream:
        pieces = [event.thinking for event in stream if event.type == "thinking"]
        done = stream.get_final_message()
    assert done.content[0].type == "thinking"
    assert "".join(pieces) == done.content[0].thinking
    assert text_of(done)


def count_tokens(model: str) -> None:
    short = client.messages.count_tokens(model=model, messages=HELLO).input_tokens
    assert 0 < short < client.messages.count_tokens(model=model, messages=HELLO, tools=[TOOL]).input_tokens


def errors(model: str) -> None:
    try:
        client.with_options(api_key="sk-or-v1-not-a-key").messages.create(model=model, max_tokens=9, messages=HELLO)
    except anthropic.AuthenticationError as error:
        assert error.body["error"]["type"] == "authentication_error", error
    else:
        raise AssertionError("a wrong key was accepted")


scene.report(
    "anthropic", "Messages",
    whole, streamed, tools, tools_streamed, tool_runner, thinking, count_tokens, errors,
)  # fmt: skip
