"""What Instructor does over either SDK: an answer is an object of a class."""

from typing import Any

import scene
from pydantic import BaseModel

ASKED = [{"role": "user", "content": scene.WEATHER}]


class Place(BaseModel):
    """A place with its rivers."""

    city: str
    rivers: list[str]


def features(client: Any, **named: Any) -> tuple[scene.Feature, ...]:
    """The features, for a patched client; `named` goes into each request."""

    def structured(model: str) -> None:
        place, completion = client.create_with_completion(model=model, messages=ASKED, response_model=Place, **named)
        assert isinstance(place, Place)
        usage = completion.usage
        if hasattr(usage, "prompt_tokens"):
            scene.counted(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
        else:
            scene.counted(usage.input_tokens, usage.output_tokens)

    def partial_objects(model: str) -> None:
        *_, last = client.create_partial(model=model, messages=ASKED, response_model=Place, **named)
        assert last.city
        assert last.rivers

    return structured, partial_objects
