"""The simulator's answers have the shapes of recorded ones: names and types of every field."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.scene import chat, events, exchange, parts, play, post
from tollway.simulator import Simulator

CASSETTES = Path(__file__).resolve().parents[2].parent / "shared" / "cassettes" / "openai.jsonl"
LATER = {"moderation", "obfuscation"}
"""Fields of special requests, or that one asks to leave out: the simulator has them not, or only when told."""


def recorded() -> list[dict[str, Any]]:
    """The recorded exchanges of the chat format; skips where they are absent, but not in CI."""
    if not CASSETTES.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("The recorded exchanges are missing, and CI has to see them.")
        pytest.skip("needs the recorded exchanges in ../shared/cassettes, which are not here")
    rows = [json.loads(line) for line in CASSETTES.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["api"] == "chat_completions"]


def shape(value: Any, path: str = "") -> set[tuple[str, str]]:
    """Every field of a value with its type, `[]` for the items of lists, a path per line."""
    found: set[tuple[str, str]] = set()
    if isinstance(value, dict):
        for name, item in value.items():
            found |= shape(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            found |= shape(item, f"{path}[]")
    else:
        found.add((path, type(value).__name__))
    return found


def known(rows: list[Any]) -> tuple[set[tuple[str, str]], set[str]]:
    """All fields with their types that some recorded answer has, and the paths that every one of them has."""
    shapes = [shape(row) for row in rows]
    return set.union(*shapes), set.intersection(*({path for path, _ in found} for found in shapes))


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


def test_whole_answers_and_errors() -> None:
    """A body of ours has only fields and types that recorded ones have, and all that they always have."""
    rows = recorded()
    good = [row["response"]["json"] for row in rows if row["response"]["status"] == 200 and "json" in row["response"]]
    errors = [row["response"]["json"] for row in rows if row["response"]["status"] == 400]
    fields, always = known([{k: v for k, v in row.items() if k not in LATER} for row in good if row.get("choices")])

    async def scene(simulator: Simulator) -> None:
        for asked in (chat(), chat(tools=TOOLS, tool_choice="required")):
            answer = json.loads(parts((await exchange(simulator, post(asked, connection="close")))[0])[2])
            # Logprobs are null in every recorded answer that has the field.
            assert shape(answer) <= fields, shape(answer) - fields
            assert always <= {path for path, _ in shape(answer)}
        error = json.loads(parts((await exchange(simulator, post(chat(n=0), connection="close")))[0])[2])
        fields_of_errors, always_in_errors = known(errors)
        assert shape(error) <= fields_of_errors
        assert always_in_errors <= {path for path, _ in shape(error)}

    play(scene)


def test_streams() -> None:
    """So have the events of a stream, those with text, with tool calls, with the finish and with usage."""
    bodies = [row["response"]["text"].encode() for row in recorded() if "text" in row["response"]]
    of_record = [event for body in bodies for event in events(body) if event != "[DONE]"]
    fields, _ = known([{k: v for k, v in event.items() if k not in LATER} for event in of_record])

    async def scene(simulator: Simulator) -> None:
        demanded: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required"}
        for more in ({}, demanded):
            asked = chat(stream=True, stream_options={"include_usage": True}, **more)
            found = events(parts((await exchange(simulator, post(asked, connection="close")))[0])[2])
            assert found[-1] == "[DONE]"
            for event in found[:-1]:
                assert shape(event) <= fields, shape(event) - fields
            names = [event.keys() for event in found[:-1]]
            assert all(name == names[0] for name in names)

    play(scene)
