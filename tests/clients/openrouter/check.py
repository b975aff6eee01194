"""openrouter for Python, which validates strictly what it gets: chat, Responses, and what it says of the account."""

from typing import Any

import scene
from setup import client

ASKED: Any = [{"role": "user", "content": scene.WEATHER}]
HELLO: Any = [{"role": "user", "content": scene.HELLO}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "description": scene.DESCRIPTION, "parameters": scene.PARAMETERS},
}


def whole(model: str) -> None:
    done = client.chat.send(model=model, messages=HELLO)
    scene.hello(model, done.choices[0].message.content)
    assert done.usage.cost > 0
    scene.counted(done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens)


def streamed(model: str) -> None:
    with client.chat.send(model=model, messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    scene.hello(model, "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices))
    usage = chunks[-1].usage
    scene.counted(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def tools(model: str) -> None:
    message = client.chat.send(model=model, messages=ASKED, tools=[TOOL]).choices[0].message
    [call] = message.tool_calls
    scene.weather(call.function.arguments)
    back = [*ASKED, message, {"role": "tool", "tool_call_id": call.id, "content": scene.RAIN}]
    assert client.chat.send(model=model, messages=back, tools=[TOOL]).choices[0].message.content


def tools_streamed(model: str) -> None:
    with client.chat.send(model=model, messages=ASKED, tools=[TOOL], stream=True) as stream:
        deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert {call.index for call in calls} == {0}
    scene.weather("".join(call.function.arguments or "" for call in calls))


def structured(model: str) -> None:
    schema: Any = {"name": "answer", "strict": True, "schema": scene.PARAMETERS}
    wanted: Any = {"type": "json_schema", "json_schema": schema}
    done = client.chat.send(model=model, messages=ASKED, response_format=wanted)
    scene.weather(done.choices[0].message.content)


def thinking(model: str) -> None:
    """Thoughts come as text, whole and streamed, and are taken back with their details."""
    named: Any = {"model": model, "reasoning": {"effort": "low"}}
    message = client.chat.send(messages=ASKED, **named).choices[0].message
    assert message.reasoning
    back = [*ASKED, message, {"role": "user", "content": "Why?"}]
    with client.chat.send(messages=back, stream=True, **named) as stream:
        assert any(choice.delta.reasoning for chunk in stream for choice in chunk.choices)


def responses(model: str) -> None:
    done = client.responses.send(model=model, input=scene.HELLO)
    [message] = [item for item in done.output if item.type == "message"]
    scene.hello(model, message.content[0].text)
    with client.responses.send(model=model, input=scene.HELLO, stream=True) as stream:
        kinds = [event.type for event in stream]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


def embeddings(model: str) -> None:
    done = client.embeddings.generate(model=model, input=[scene.HELLO, scene.WEATHER])
    scene.embedded([each.embedding for each in done.data])


embeddings.models = scene.EMBEDDERS
scene.report(
    "openrouter", "chat",
    whole, streamed, tools, tools_streamed, structured, thinking, responses, embeddings,
)  # fmt: skip
