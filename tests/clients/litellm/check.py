"""litellm, used as a client only: its `openrouter/` provider, which shows our cost as its own."""

from typing import Any

import litellm
import scene
from pydantic import BaseModel
from setup import settings

HELLO = [{"role": "user", "content": scene.HELLO}]
ASKED = [{"role": "user", "content": scene.WEATHER}]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": scene.DESCRIPTION, "parameters": scene.PARAMETERS},
}


class Place(BaseModel):
    """A place with its rivers."""

    city: str
    rivers: list[str]


def ask(model: str, messages: list[Any], **named: Any) -> Any:
    return litellm.completion(f"openrouter/{model}", messages, **settings, **named)


def whole(model: str) -> None:
    done = ask(model, HELLO)
    scene.hello(model, done.choices[0].message.content)
    scene.counted(done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens)


def streamed(model: str) -> None:
    chunks = list(ask(model, HELLO, stream=True, stream_options={"include_usage": True}))
    scene.hello(model, "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices))
    [usage] = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)]
    scene.counted(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def tools(model: str) -> None:
    message = ask(model, ASKED, tools=[TOOL]).choices[0].message
    [call] = message.tool_calls
    scene.weather(call.function.arguments)
    back = [*ASKED, message, {"role": "tool", "tool_call_id": call.id, "content": scene.RAIN}]
    assert ask(model, back, tools=[TOOL]).choices[0].message.content


def tools_streamed(model: str) -> None:
    chunks = list(ask(model, ASKED, tools=[TOOL], stream=True))
    [call] = litellm.stream_chunk_builder(chunks).choices[0].message.tool_calls
    scene.weather(call.function.arguments)


def structured(model: str) -> None:
    Place.model_validate_json(ask(model, ASKED, response_format=Place).choices[0].message.content)


def thinking(model: str) -> None:
    assert ask(model, ASKED, reasoning_effort="low").choices[0].message.reasoning_content


def cost(model: str) -> None:
    done = ask(model, HELLO)
    assert done.usage.cost > 0
    assert done._hidden_params["response_cost"] == done.usage.cost


scene.report("litellm", "chat", whole, streamed, tools, tools_streamed, structured, thinking, cost)
