"""What LlamaIndex's models have in common, whichever package they come from."""

from collections.abc import Callable
from typing import Any

import scene
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

Make = Callable[[str], FunctionCallingLLM]
HELLO = [ChatMessage(scene.HELLO)]


class Place(BaseModel):
    """A place with its rivers."""

    city: str
    rivers: list[str]


def weather(city: str, days: int) -> str:
    """The weather of a city."""
    return scene.RAIN


TOOL = FunctionTool.from_defaults(weather)


def counted(usage: Any) -> None:
    scene.counted(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def features(make: Make) -> tuple[scene.Feature, ...]:
    """The features, for the models that `make` makes of their names."""

    def whole(model: str) -> None:
        done = make(model).chat(HELLO)
        scene.hello(model, done.message.content)
        counted(done.raw.usage)

    def streamed(model: str) -> None:
        *_, last = make(model).stream_chat(HELLO)
        scene.hello(model, last.message.content)

    def tools(model: str) -> None:
        llm = make(model)
        asked = [ChatMessage(scene.WEATHER)]
        done = llm.chat_with_tools([TOOL], chat_history=asked)
        [call] = llm.get_tool_calls_from_response(done)
        scene.weather(call.tool_kwargs)
        result = ChatMessage(scene.RAIN, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": call.tool_id})
        assert llm.chat_with_tools([TOOL], chat_history=[*asked, done.message, result]).message.content

    def tools_streamed(model: str) -> None:
        llm = make(model)
        *_, last = llm.stream_chat_with_tools([TOOL], user_msg=scene.WEATHER)
        [call] = llm.get_tool_calls_from_response(last)
        scene.weather(call.tool_kwargs)

    def structured(model: str) -> None:
        assert isinstance(make(model).as_structured_llm(Place).complete(scene.WEATHER).raw, Place)

    return whole, streamed, tools, tools_streamed, structured
