"""What PydanticAI's agents do, whichever format their model speaks."""

from collections.abc import Callable
from typing import Any

import scene
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

Make = Callable[[str], Model]


class Place(BaseModel):
    """A place with its rivers."""

    city: str
    rivers: list[str]


def counted(result: Any) -> None:
    scene.counted(result.usage.input_tokens, result.usage.output_tokens)


def features(make: Make, *, native: bool = True) -> tuple[scene.Feature, ...]:
    """The features, for the models that `make` makes of their names. `native`: the client sends schemas as such."""

    def whole(model: str) -> None:
        result = Agent(make(model)).run_sync(scene.HELLO)
        scene.hello(model, result.output)
        counted(result)

    def streamed(model: str) -> None:
        result = Agent(make(model)).run_stream_sync(scene.HELLO)
        scene.hello(model, "".join(result.stream_text(delta=True)))
        counted(result)

    def tools(model: str) -> None:
        seen = []
        agent = Agent(make(model))

        @agent.tool_plain
        def weather(city: str, days: int) -> str:
            """The weather of a city."""
            seen.append((city, days))
            return scene.RAIN

        assert agent.run_sync(scene.WEATHER).output
        assert len(seen) == 1

    def structured(model: str) -> None:
        assert isinstance(Agent(make(model), output_type=Place).run_sync(scene.WEATHER).output, Place)

    def native_output(model: str) -> None:
        assert isinstance(Agent(make(model), output_type=NativeOutput(Place)).run_sync(scene.WEATHER).output, Place)

    def thinking(model: str) -> None:
        agent = Agent(make(model), model_settings=ModelSettings(thinking="low"))
        first = agent.run_sync(scene.WEATHER)
        assert any(isinstance(part, ThinkingPart) for message in first.new_messages() for part in message.parts)
        assert agent.run_sync("Why?", message_history=first.all_messages()).output

    return whole, streamed, tools, structured, thinking, *([native_output] if native else ())
