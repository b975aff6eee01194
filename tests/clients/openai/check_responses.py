"""openai for Python: Responses, with the helpers for streams and structured output."""

from typing import Any

import scene
from pydantic import BaseModel
from setup import client

ASKED: Any = [{"role": "user", "content": scene.WEATHER}]
TOOL: Any = {"type": "function", "name": "weather", "parameters": scene.PARAMETERS, "strict": True}


class Place(BaseModel):
    city: str
    rivers: list[str]


def whole(model: str) -> None:
    done = client.responses.create(model=model, input=scene.HELLO)
    scene.hello(model, done.output_text)
    assert done.status == "completed"
    scene.counted(done.usage.input_tokens, done.usage.output_tokens, done.usage.total_tokens)


def streamed(model: str) -> None:
    with client.responses.stream(model=model, input=scene.HELLO) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        done = stream.get_final_response()
    scene.hello(model, text)
    assert done.output_text == text
    scene.counted(done.usage.input_tokens, done.usage.output_tokens, done.usage.total_tokens)


def tools(model: str) -> None:
    asked = client.responses.create(model=model, input=ASKED, tools=[TOOL])
    [call] = [item for item in asked.output if item.type == "function_call"]
    scene.weather(call.arguments)
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": scene.RAIN}
    after = client.responses.create(model=model, input=[*ASKED, *asked.output, result], tools=[TOOL])
    assert after.output_text


def tools_streamed(model: str) -> None:
    with client.responses.stream(model=model, input=ASKED, tools=[TOOL]) as stream:
        done = [event for event in stream if event.type == "response.function_call_arguments.done"]
        [call] = [item for item in stream.get_final_response().output if item.type == "function_call"]
    assert [each.arguments for each in done] == [call.arguments]
    scene.weather(call.arguments)


def structured(model: str) -> None:
    assert isinstance(client.responses.parse(model=model, input=ASKED, text_format=Place).output_parsed, Place)


def thinking(model: str) -> None:
    done = client.responses.create(model=model, input=ASKED, reasoning={"effort": "low", "summary": "auto"})
    assert any(item.summary or item.content for item in done.output if item.type == "reasoning")
    after = client.responses.create(model=model, input=[*ASKED, *done.output, {"role": "user", "content": "Why?"}])
    assert after.output_text


scene.report("openai", "Responses", whole, streamed, tools, tools_streamed, structured, thinking)
