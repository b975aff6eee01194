"""What counts as a broken tool call of an endpoint: arguments that are no JSON, and tools that there are not."""

from typing import Any

import pytest

from tests.gateway.clients import chat, run, settled
from tests.support import Stage, offer, staged
from tollway.domain.catalog import WireFormat
from tollway.domain.measured import Measured
from tollway.routing.stats import FRESH_S

FUNCTION = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CUSTOM = {"type": "custom", "custom": {"name": "write"}}
FORMATS = [
    WireFormat.OPENAI_CHAT,
    WireFormat.OPENAI_RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES,
    WireFormat.GEMINI,
    WireFormat.BEDROCK_CONVERSE,
    WireFormat.COHERE_CHAT,
]


async def measured_of(stage: Stage) -> Measured:
    """The figures of the one endpoint that is offered, once its request is over."""
    await settled(stage)
    gateway = stage.house.gateway
    (endpoint,) = gateway.market.offers["test/model"].live
    return gateway.health.measured(endpoint.id, gateway.loop.time() + FRESH_S)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("speaks", FORMATS)
@pytest.mark.parametrize(
    ("called", "rate"),
    [("", 0.0), (",call_name=look", 0.0), (",call_name=see", 1.0)],
    ids=["first", "known", "unknown"],
)
def test_a_tool_that_there_is_not(speaks: WireFormat, stream: bool, called: str, rate: float) -> None:
    """Its name is not among the request's: the answer goes to the caller, and counts against the endpoint."""

    async def scene() -> None:
        async with staged(offer("test/model", f"m@answer=tools{called}", speaks=speaks)) as stage:
            seen = await chat(stage, tools=[FUNCTION], stream=stream)
            assert seen.status == 200
            measured = await measured_of(stage)
            assert (measured.tool_answers, measured.malformed_rate, measured.tool_error_rate) == (1, rate, rate)

    run(scene)


@pytest.mark.parametrize(
    ("fields", "rate"),
    [
        ({"tools": [FUNCTION, CUSTOM]}, 0.0),
        ({"functions": [FUNCTION["function"]], "tools": [CUSTOM]}, 0.0),
        ({"tools": [CUSTOM], "functions": [{"name": "other"}]}, 1.0),
    ],
)
def test_tools_of_other_kinds(fields: dict[str, Any], rate: float) -> None:
    """The request's old `functions` and its tools with free text are known by their names."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@answer=tools,call_name=look")) as stage:
            assert (await chat(stage, **fields)).status == 200
            assert (await measured_of(stage)).tool_error_rate == rate

    run(scene)
