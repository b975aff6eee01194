"""`GET /generation` of requests that fell back to another model, or held media (OPENROUTER.md 8.1)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import Answer, World, offer, world

PICTURE = "data:image/png;base64,iVBORw0KGgo="
TEXT = {"type": "text", "text": "What is this?"}
IMAGE = {"type": "image_url", "image_url": {"url": PICTURE}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(offer("test/first", "m1@fail=503", at=("a", "b")), offer("test/second", "m2", at=("a",))) as running:
        yield running


def record(town: World, answer: Answer) -> Any:
    town.settled()
    return town.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}").json["data"]


def test_each_attempt_has_its_model(town: World) -> None:
    """Those that failed were tries at the first model, and say so."""
    answer = town.chat(model="test/first", models=["test/second"])
    assert answer.status == 200
    data = record(town, answer)
    assert data["model"] == "test/second"
    found = [(each["model_permaslug"], each["status"]) for each in data["provider_responses"]]
    assert found == [("test/first", 503), ("test/first", 503), ("test/second", 200)]


@pytest.mark.parametrize(
    ("content", "media", "sounds"),
    [("Hello.", None, None), ([TEXT], None, None), ([TEXT, IMAGE, IMAGE], 2, None), ([TEXT, IMAGE, SOUND], 2, 1)],
)
def test_media_are_counted(town: World, content: Any, media: int | None, sounds: int | None) -> None:
    """Images, sounds, videos and files; sounds apart."""
    answer = town.chat(model="test/second", content=content)
    assert answer.status == 200, answer.text
    data = record(town, answer)
    assert (data["num_media_prompt"], data["num_input_audio_prompt"]) == (media, sounds)
