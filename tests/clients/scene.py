"""What the checks of all Python clients share: whom to ask, what to ask, and the report that is their last line."""

import importlib.metadata
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

URL, KEY = os.environ["TOLLWAY_URL"], os.environ["TOLLWAY_KEY"]
MODELS: dict[str, str] = json.loads(os.environ["TOLLWAY_MODELS"])
"""Family -> a model that its own company serves, in its own format."""
EMBEDDERS = {"OpenAI": "openai/text-embedding-3-small", "Google": "google/gemini-embedding-001"}

HELLO = "Say hello to the river."
WEATHER = "What is the weather in Lyon?"
DESCRIPTION = "The weather of a city"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
RAIN = "Rain on all days."


def embedded(vectors: list[list[float]]) -> None:
    """Two texts became two vectors of numbers that are not the same."""
    first, second = vectors
    assert len(first) == len(second) > 1
    assert first != second


Feature = Callable[[str], None]
"""Tries one thing with a model, and raises if it is not as it should be. Its name is what the table calls it.

One that wants other models than MODELS has them as its attribute `models`.
"""

_said: dict[str, str] = {}


def hello(model: str, text: str | None) -> None:
    """An answer to HELLO: the simulated model says the same each time, so whole and streamed must be equal."""
    assert text, "no text"
    assert _said.setdefault(model, text) == text, (_said[model], text)


def weather(arguments: Any) -> None:
    """Arguments of a call, as text or as an object: those that PARAMETERS ask for, and no others."""
    found = json.loads(arguments) if isinstance(arguments, str) else dict(arguments)
    assert set(found) == {"city", "days"}, found
    assert isinstance(found["city"], str), found
    assert found["days"] == int(found["days"]), found


def counted(prompt: int | None, completion: int | None, total: int | None = None) -> None:
    """Usage: both sides were counted, and add up where a total is said."""
    assert prompt, (prompt, completion)
    assert completion, (prompt, completion)
    assert total in (None, prompt + completion), (prompt, completion, total)


def report(package: str, speaks: str, *features: Feature) -> None:
    """Try each feature with each family, print what failed, and in the last line what passed; then exit.

    `package` is the client's name in its registry, `speaks` the wire format. Exit status 1: something failed.
    """
    passed: dict[str, list[str]] = {}
    tried = [(each, *who) for each in features for who in getattr(each, "models", MODELS).items()]
    for feature, family, model in tried:
        name = feature.__name__.replace("_", " ")
        try:
            feature(model)
        except Exception:  # noqa: BLE001  # whatever a client raises: it is printed, and the check fails
            said = traceback.format_exc(limit=2, chain=False)
            print(f"{package}, {speaks}: {name} fails with {model}:\n{said}", flush=True)
        else:
            passed.setdefault(name, []).append(family)
    version = importlib.metadata.version(package)
    print(json.dumps({"client": package, "version": version, "speaks": speaks, "passed": passed}))
    sys.exit(sum(map(len, passed.values())) != len(tried))
