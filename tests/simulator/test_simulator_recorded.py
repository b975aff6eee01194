"""Each format of the simulator against recordings: it takes what real providers took, and answers in their shapes."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.simulator.asking import OF_API, answer_of, frames_of
from tests.simulator.scene import play
from tests.simulator.test_simulator_shapes import shape
from tests.wire.recordings import exchanges
from tollway.simulator import Simulator, signatures
from tollway.simulator.formats import find
from tollway.simulator.formats.base import Asked, Refused

HOSTS = {
    "messages": ("anthropic", "vertex"),
    "count_tokens": ("anthropic",),
    "responses": ("openai",),
    "generate_content": ("google", "vertex"),
    "converse": ("bedrock",),
    "cohere_chat": ("cohere",),
}
"""Whose recordings each format is compared with: its own company's, and that of a faithful host."""


def recorded(api: str) -> Iterator[dict[str, Any]]:
    """The exchanges of an api that went well."""
    for exchange in exchanges(api):
        if exchange["provider"] in HOSTS[api] and exchange["response"]["status"] == 200:
            yield exchange


@pytest.mark.parametrize("api", HOSTS)
def test_what_a_provider_took_is_taken(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strict reading refuses nothing that the real provider accepted. (Their signatures are not ours to check.)"""
    monkeypatch.setattr(signatures, "is_signed", lambda *_: True)
    refused: list[str] = []
    taken = 0
    for exchange in recorded(api):
        request = exchange["request"]
        if "json" not in request:
            continue
        url = urlsplit(request["url"])
        found = find(url.path)
        assert found is not None, url.path
        format_, model, action = found
        headers = {**request["headers"], "anthropic-version": "2023-06-01"}
        try:
            question = format_.read(Asked(json.dumps(request["json"]).encode(), headers, url.query, model, action))
        except Refused as error:
            refused.append(f"{exchange['case']}: {error}")
        else:
            taken += 1
            assert question.model
            assert question.stream == ("json" not in exchange["response"])
    assert refused == []
    assert taken > 4


LATER = {
    # Fields that the simulator has and no recording: documented, and only where the case is rare.
    "messages": set(),
    "responses": {".output[].content[].logprobs[]"},
    "generate_content": set(),
    "converse": {".p"},
    "cohere_chat": {".message.content[].thinking"},
}


def fields(value: Any, kind: str = "") -> set[str]:
    """The paths of a value's fields that hold something, below the type of its event."""
    return {kind + path for path, _ in shape(value)}


@pytest.mark.parametrize("api", sorted(LATER))
def test_whole_answers_have_the_shapes_of_recorded_ones(api: str) -> None:
    """No field of ours is unknown to the recordings; text, a tool call and reasoning."""
    known = set().union(*(fields(each["response"]["json"]) for each in recorded(api) if "json" in each["response"]))

    async def scene(simulator: Simulator) -> None:
        for told in ("tokens=5", "answer=tools", "reasoning=4,tokens=3"):
            body = await answer_of(simulator, OF_API[api], told)
            mine = {path for path in fields(body) if ".input." not in path and ".args." not in path}
            assert mine - LATER[api] <= known, mine - known

    play(scene)


@pytest.mark.parametrize("api", ["messages", "responses", "generate_content", "converse"])
def test_streams_have_the_shapes_of_recorded_ones(api: str) -> None:
    """So have events, each compared with recorded ones of its type."""
    known: set[str] = set()
    for exchange in recorded(api):
        response = exchange["response"]
        if api == "generate_content" and "json" in response:  # a stream's events have the shape of whole answers
            known |= fields(response["json"])
        found = aws(response["base64"]) if "base64" in response else sse(response.get("text", ""))
        for kind, event in found:
            known |= fields(event, kind)

    async def scene(simulator: Simulator) -> None:
        for told in ("tokens=5", "answer=tools"):
            for kind, event in await frames_of(simulator, OF_API[api], told):
                mine = {path for path in fields(event, kind) if ".args." not in path and ".response" not in path}
                assert mine <= known, mine - known

    play(scene)


def sse(text: str) -> Iterator[tuple[str, Any]]:
    """(type, data) of recorded server-sent events."""
    for line in text.splitlines():
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            yield event.get("type", ""), event


def aws(encoded: str) -> Iterator[tuple[str, Any]]:
    """(type, payload) of a recorded event stream."""
    data = base64.b64decode(encoded)
    while data:
        total, headers = struct.unpack(">II", data[:8])
        name = data[12 : 12 + headers].partition(b":event-type\x07")[2]
        length = struct.unpack(">H", name[:2])[0]
        yield name[2 : 2 + length].decode(), json.loads(data[12 + headers : total - 4])
        data = data[total:]
