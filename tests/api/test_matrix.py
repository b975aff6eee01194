"""Every caller's format x every provider's: text, tools and reasoning, over real sockets, charged as the books say.

The simulator reads each request as strictly as the real provider, and takes back only signatures that it gave out.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conversations import CALLERS, Options, Turn, conversation
from tests.gateway.clients import generations
from tests.gateway.oracle import price
from tests.support import World, offer, world
from tollway.domain.catalog import WireFormat
from tollway.simulator import signatures
from tollway.wire.formats import CLIENTS

CALLER = pytest.mark.parametrize("caller", CALLERS)
UPSTREAM = pytest.mark.parametrize("upstream", [pytest.param(each, id=each.value) for each in CLIENTS])
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])

TOLD = {
    "text": "@tokens=7",
    "tools": "@answer=tools,tokens=5",
    "thinks": "@reasoning=6,tokens=5",
    "both": "@reasoning=6,answer=tools,tokens=5",
}


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A model for each format and each thing to try; its name makes the simulator as demanding as Gemini 3."""
    offers = (
        offer(f"{what}/{speaks.value}", f"gemini-3-{what}{told}", at=(speaks.value.replace("_", "-"),), speaks=speaks)
        for speaks in CLIENTS
        for what, told in TOLD.items()
    )
    with world(*offers) as it:
        yield it


def charged_right(town: World, turn: Turn) -> None:
    """What the caller was told, what the provider sent, and what was charged are one and the same."""
    record = town.simulator.stats.log[-1]
    town.settled()
    generation = town.run(generations(town.stage))[-1]
    assert record.outcome == "finished"
    assert turn.used == (record.prompt_tokens, record.completion_tokens)
    assert (generation.usage.prompt, generation.usage.completion) == turn.used
    assert generation.cost == price(*turn.used)
    assert not generation.usage.estimated


def last_sent(town: World) -> Any:
    return json.loads(town.received[-1].body)


@CALLER
@UPSTREAM
@BOTH
def test_text(town: World, caller: str, upstream: WireFormat, stream: bool) -> None:
    """Two turns: the second's prompt holds the first's answer."""
    with conversation(caller, town, Options(f"text/{upstream.value}", stream)) as talk:
        first = talk.say("One two.")
        assert first.text.startswith("This is a simulated answer")
        charged_right(town, first)
        second = talk.say("Three four.")
        charged_right(town, second)
        sent = json.dumps(last_sent(town))
        assert all(word in sent for word in first.text.split()), "a stream's pieces may go back as they came"
        assert "Three four." in sent


@CALLER
@UPSTREAM
@BOTH
def test_a_tool_and_its_result(town: World, caller: str, upstream: WireFormat, stream: bool) -> None:
    """The call with its arguments comes, its result goes back to it, and the model goes on."""
    with conversation(caller, town, Options(f"tools/{upstream.value}", stream, tools=True)) as talk:
        first = talk.say("Where is it?")
        [(_, name, arguments)] = first.calls
        assert name == "look"
        assert isinstance(arguments["city"], str)
        charged_right(town, first)
        second = talk.answer(first, "over there")
        assert second.calls == []
        assert second.text.startswith("This is")
        charged_right(town, second)
        assert "over there" in json.dumps(last_sent(town))


SIGNED = {
    WireFormat.OPENAI_RESPONSES: lambda thoughts: signatures.sign("responses"),
    WireFormat.ANTHROPIC_MESSAGES: lambda thoughts: signatures.sign("anthropic", thoughts),
    WireFormat.GEMINI: lambda thoughts: signatures.sign("gemini"),
    WireFormat.BEDROCK_CONVERSE: lambda thoughts: signatures.sign("bedrock", thoughts),
}
"""The signature that each format gives out with its thoughts; the others have none."""


@CALLER
@UPSTREAM
@BOTH
@pytest.mark.parametrize("what", ["thinks", "both"], ids=["then text", "then a call"])
def test_reasoning_comes_back_signed(town: World, caller: str, upstream: WireFormat, stream: bool, what: str) -> None:
    """Thoughts are shown and counted; sent back, they reach the provider with the signature that it gave."""
    with conversation(
        caller, town, Options(f"{what}/{upstream.value}", stream, tools=what == "both", thinks=True)
    ) as talk:
        first = talk.say("One two.")
        assert first.thoughts.startswith("The user has asked")
        charged_right(town, first)
        second = talk.answer(first, "over there") if what == "both" else talk.say("Three four.")
        assert second.text
        charged_right(town, second)
        if upstream in SIGNED:
            assert SIGNED[upstream](first.thoughts) in json.dumps(last_sent(town))
