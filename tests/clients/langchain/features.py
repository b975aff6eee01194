"""What LangChain's chat models have in common, whichever package they come from."""

from collections.abc import Callable
from typing import Any

import scene
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

Make = Callable[[str], BaseChatModel]


class Place(BaseModel):
    """A place with its rivers."""

    city: str
    rivers: list[str]


@tool
def weather(city: str, days: int) -> str:
    """The weather of a city."""
    return scene.RAIN


def collected(chunks: Any) -> AIMessageChunk:
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    return first


def counted(message: Any) -> None:
    usage = message.usage_metadata
    scene.counted(usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])


def features(make: Make) -> tuple[scene.Feature, ...]:
    """The features, for the models that `make` makes of their names."""

    def whole(model: str) -> None:
        message = make(model).invoke(scene.HELLO)
        scene.hello(model, message.text)
        counted(message)

    def streamed(model: str) -> None:
        message = collected(make(model).stream(scene.HELLO))
        scene.hello(model, message.text)
        counted(message)

    def tools(model: str) -> None:
        llm = make(model).bind_tools([weather])
        asked = [HumanMessage(scene.WEATHER)]
        message = llm.invoke(asked)
        [call] = message.tool_calls
        scene.weather(call["args"])
        assert llm.invoke([*asked, message, ToolMessage(scene.RAIN, tool_call_id=call["id"])]).text

    def tools_streamed(model: str) -> None:
        [call] = collected(make(model).bind_tools([weather]).stream(scene.WEATHER)).tool_calls
        scene.weather(call["args"])

    def structured(model: str) -> None:
        assert isinstance(make(model).with_structured_output(Place).invoke(scene.WEATHER), Place)

    return whole, streamed, tools, tools_streamed, structured
