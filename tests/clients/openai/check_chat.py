"""openai for Python: chat completions, with the helpers for streams and structured output."""

from typing import Any

import scene
from pydantic import BaseModel
from setup import client

ASKED: Any = [{"role": "user", "content": scene.WEATHER}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "description": scene.DESCRIPTION, "parameters": scene.PARAMETERS},
}


class Place(BaseModel):
    city: str
    rivers: list[str]


def whole(model: str) -> None:
    done = client.chat.completions.create(model=model, messages=[{"role": "user", "content": scene.HELLO}])
    scene.hello(model, done.choices[0].message.content)
    assert done.choices[0].finish_reason == "stop"
    scene.counted(done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens)
    assert done.usage.cost > 0


def streamed(model: str) -> None:
    with client.chat.completions.stream(model=model, messages=[{"role": "user", "content": scene.HELLO}]) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        done = stream.get_final_completion()
    scene.hello(model, text)
    assert done.choices[0].message.content == text
    scene.counted(done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens)


def tools(model: str) -> None:
    asked = client.chat.completions.create(model=model, messages=ASKED, tools=[TOOL])
    message = asked.choices[0].message
    [call] = message.tool_calls
    assert (asked.choices[0].finish_reason, call.function.name) == ("tool_calls", "weather")
    scene.weather(call.function.arguments)
    back = [*ASKED, message, {"role": "tool", "tool_call_id": call.id, "content": scene.RAIN}]
    assert client.chat.completions.create(model=model, messages=back, tools=[TOOL]).choices[0].message.content


def tools_streamed(model: str) -> None:
    with client.chat.completions.stream(model=model, messages=ASKED, tools=[TOOL]) as stream:
        [*_] = stream
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    scene.weather(call.function.arguments)


def structured(model: str) -> None:
    done = client.chat.completions.parse(model=model, messages=ASKED, response_format=Place)
    assert isinstance(done.choices[0].message.parsed, Place)


def thinking(model: str) -> None:
    done = client.chat.completions.create(model=model, messages=ASKED, reasoning_effort="low")
    assert done.choices[0].message.reasoning
    assert done.choices[0].message.reasoning_details


def embeddings(model: str) -> None:
    done = client.embeddings.create(model=model, input=[scene.HELLO, scene.WEATHER])
    scene.embedded([each.embedding for each in done.data])
    assert done.usage.total_tokens > 0


embeddings.models = scene.EMBEDDERS
scene.report("openai", "chat", whole, streamed, tools, tools_streamed, structured, thinking, embeddings)
