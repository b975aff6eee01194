"""The official OpenAI SDK is content with the simulated provider."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.simulator.scene import play
from tollway.simulator import Simulator
from tollway.simulator.text import pieces

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
TIME: Any = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
HELLO: Any = [{"role": "user", "content": "Say hello, please."}]


@asynccontextmanager
async def sdk(simulator: Simulator, provider: str = "") -> AsyncIterator[AsyncOpenAI]:
    """A client that never retries, at the simulator or at one provider of it."""
    base = f"{simulator.url}/p/{provider}/v1" if provider else f"{simulator.url}/v1"
    async with AsyncOpenAI(base_url=base, api_key="sk-test", max_retries=0) as client:
        yield client


def test_chat_says_that_it_is_simulated_and_counts_its_tokens() -> None:
    """A whole answer names its model, ends with stop, and its usage is the documented arithmetic."""

    async def scene(simulator: Simulator) -> None:
        async with sdk(simulator) as client:
            answer = await client.chat.completions.create(model="a/b@tokens=40", messages=HELLO)
        text = answer.choices[0].message.content or ""
        assert text.startswith("This is a simulated answer from Tollway's simulator for model a/b:")
        assert answer.model == "a/b"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == len(pieces(text)) == 40
        assert answer.usage.prompt_tokens == len("Say hello, please.") // 4 + 3
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + 40

    play(scene)


def test_stream_is_the_whole_answer_in_pieces() -> None:
    """The same question, streamed, gives the same text, one token an event, with usage at the end."""

    async def scene(simulator: Simulator) -> None:
        async with sdk(simulator) as client:
            whole = await client.chat.completions.create(model="m", messages=HELLO)
            stream = await client.chat.completions.create(
                model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
        deltas = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
        assert "".join(deltas) == whole.choices[0].message.content
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
        assert chunks[-1].usage == whole.usage
        assert all(chunk.usage is None for chunk in chunks[:-1])
        assert whole.usage is not None
        assert len(deltas) == whole.usage.completion_tokens

    play(scene)


def test_seed_and_max_tokens_and_stop() -> None:
    """One seed gives one text, another seed another; a limit cuts for length; a stop sequence is left out."""

    async def scene(simulator: Simulator) -> None:
        async with sdk(simulator) as client:

            async def ask(**fields: Any) -> tuple[str, str]:
                answer = await client.chat.completions.create(model="m", messages=HELLO, **fields)
                return answer.choices[0].message.content or "", answer.choices[0].finish_reason

            texts = {seed: await ask(seed=seed) for seed in range(6)}
            assert texts[3] == await ask(seed=3)
            assert len(set(texts.values())) > 1
            full, _ = await ask()
            short, finish = await ask(max_tokens=7)
            assert (short, finish) == ("".join(pieces(full)[:7]), "length")
            assert (await ask(max_completion_tokens=7))[0] == short
            assert await ask(max_tokens=10_000) == (full, "stop")
            assert await ask(stop=["simulator"]) == (full[: full.index("simulator")], "stop")
            assert await ask(stop="not in there") == (full, "stop")

    play(scene)


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
        ("auto", []),
        ("none", []),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TIME]}},
            ["get_time"],
        ),
    ],
)
def test_tool_choice(choice: Any, called: list[str]) -> None:
    """A tool is called where the request demands one, with arguments that its schema accepts, streamed or not."""

    async def scene(simulator: Simulator) -> None:
        asked: dict[str, Any] = {"model": "m", "messages": HELLO, "tools": [WEATHER, TIME], "tool_choice": choice}
        async with sdk(simulator) as client:
            answer = await client.chat.completions.create(**asked)
            stream = client.chat.completions.stream(**asked)
            async with stream as following:
                final = await following.get_final_completion()
        for result in (answer, final):
            calls = result.choices[0].message.tool_calls or []
            assert [call.function.name for call in calls] == called
            assert result.choices[0].finish_reason == ("tool_calls" if called else "stop")
            assert (result.choices[0].message.content is None) == bool(called)
            for call in calls:
                expected = {"city": "simulated", "days": 3} if call.function.name == "get_weather" else {}
                assert json.loads(call.function.arguments) == expected
                assert call.id.startswith("call_")

    play(scene)


def test_a_model_told_so_calls_several_tools_and_then_answers() -> None:
    """`sim/tools` calls tools of itself; given their answers it speaks, so that an agent's loop ends."""

    async def scene(simulator: Simulator) -> None:
        messages = list(HELLO)
        async with sdk(simulator) as client:
            first = await client.chat.completions.create(
                model="sim/tools@calls=2", messages=messages, tools=[WEATHER, TIME]
            )
            calls: Any = first.choices[0].message.tool_calls or []
            assert [call.function.name for call in calls] == ["get_weather", "get_time"]
            messages.append(first.choices[0].message.model_dump(exclude_none=True))
            messages += [{"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in calls]
            second = await client.chat.completions.create(model="sim/tools", messages=messages, tools=[WEATHER, TIME])
            assert second.choices[0].finish_reason == "stop"
            assert second.choices[0].message.content
            one = await client.chat.completions.create(
                model="sim/tools@calls=2", messages=HELLO, tools=[WEATHER, TIME], parallel_tool_calls=False
            )
            assert len(one.choices[0].message.tool_calls or []) == 1

    play(scene)


def test_structured_output_and_json_object() -> None:
    """An answer to `response_format` is JSON; that to a schema has its names, types and bounds."""

    async def scene(simulator: Simulator) -> None:
        form: Any = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA, "strict": True}}
        async with sdk(simulator) as client:
            answer = await client.chat.completions.create(model="m", messages=HELLO, response_format=form)
            value = json.loads(answer.choices[0].message.content or "")
            assert value.keys() == {"city", "days"}
            assert isinstance(value["city"], str)
            assert isinstance(value["days"], int)
            assert value["days"] >= 3
            free = await client.chat.completions.create(
                model="m", messages=HELLO, response_format={"type": "json_object"}
            )
            assert json.loads(free.choices[0].message.content or "")["simulated"] is True

    play(scene)


def test_logprobs_and_several_choices() -> None:
    """Logprobs speak of the answer's own tokens, as often as asked; choices differ and take turns in a stream."""

    async def scene(simulator: Simulator) -> None:
        asked: dict[str, Any] = {"model": "m@tokens=30", "messages": HELLO, "logprobs": True, "top_logprobs": 2, "n": 3}
        async with sdk(simulator) as client:
            answer = await client.chat.completions.create(**asked)
            stream = await client.chat.completions.create(**asked, stream=True)
            chunks = [chunk async for chunk in stream]
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 90
        assert len({choice.message.content for choice in answer.choices}) == 3
        for choice in answer.choices:
            assert choice.logprobs is not None
            tokens = choice.logprobs.content or []
            assert "".join(token.token for token in tokens) == choice.message.content
            assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
            assert bytes(tokens[0].bytes or ()).decode() == tokens[0].token
            said = [c for chunk in chunks for c in chunk.choices if c.index == choice.index]
            assert "".join(c.delta.content or "" for c in said) == choice.message.content
            assert all(c.logprobs is not None for c in said if c.delta.content)
        assert [chunk.choices[0].index for chunk in chunks[:6]] == [0, 1, 2, 0, 1, 2]

    play(scene)


def test_echo_reasoning_and_refusal() -> None:
    """An echo says what the user said; reasoning comes first and counts as output; a refusal is a refusal."""

    async def scene(simulator: Simulator) -> None:
        async with sdk(simulator) as client:
            echo = await client.chat.completions.create(model="sim/echo", messages=HELLO)
            assert echo.choices[0].message.content == "Say hello, please."
            thought = await client.chat.completions.create(model="m@reasoning=9,tokens=5", messages=HELLO)
            assert thought.choices[0].message.model_extra is not None
            assert len(pieces(thought.choices[0].message.model_extra["reasoning_content"])) == 9
            assert thought.usage is not None
            assert thought.usage.completion_tokens == 14
            assert thought.usage.completion_tokens_details is not None
            assert thought.usage.completion_tokens_details.reasoning_tokens == 9
            stream = await client.chat.completions.create(
                model="m@reasoning=9,tokens=5,reasoning_as=reasoning", messages=HELLO, stream=True, max_tokens=12
            )
            deltas = [choice.delta async for chunk in stream for choice in chunk.choices]
            kinds = [
                "r" if "reasoning" in (delta.model_extra or {}) else "c" if delta.content else "" for delta in deltas
            ]
            assert "".join(kinds) == "r" * 9 + "c" * 3
            refusal = await client.chat.completions.create(model="m@answer=refusal", messages=HELLO)
            assert refusal.choices[0].message.content is None
            assert refusal.choices[0].message.refusal

    play(scene)


def test_completions_and_models() -> None:
    """The older completions answer each prompt, streamed too; the model list and one model are there."""

    async def scene(simulator: Simulator) -> None:
        async with sdk(simulator) as client:
            old = await client.completions.create(model="m-1", prompt=["one", "two"], n=2, max_tokens=5, logprobs=1)
            assert [choice.index for choice in old.choices] == [0, 1, 2, 3]
            assert old.usage is not None
            assert old.usage.completion_tokens == 20
            assert old.choices[0].finish_reason == "length"
            assert old.choices[0].logprobs is not None
            assert "".join(old.choices[0].logprobs.tokens or []) == old.choices[0].text
            echoed = await client.completions.create(model="m-1", prompt="one two", echo=True, max_tokens=3)
            assert echoed.choices[0].text.startswith("one twoThis is")
            stream = await client.completions.create(model="m-1", prompt="one", max_tokens=5, stream=True)
            assert len(pieces("".join([c.choices[0].text async for c in stream]))) == 5
            listed = [model.id async for model in client.models.list()]
            assert listed == ["m-1", "m-2"]
            assert (await client.models.retrieve("m-2")).object == "model"

    play(scene, models=("m-1", "m-2"))


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ("fail=400", openai.BadRequestError),
        ("fail=401", openai.AuthenticationError),
        ("fail=403", openai.PermissionDeniedError),
        ("fail=404", openai.NotFoundError),
        ("fail=429", openai.RateLimitError),
        ("fail=503", openai.InternalServerError),
        ("fail=reset", openai.APIConnectionError),
    ],
)
def test_errors_are_the_sdks_own(told: str, error: type[openai.APIError]) -> None:
    """Each failure arrives as the exception that the SDK has for it, and is counted as failed."""

    async def scene(simulator: Simulator) -> None:
        async with sdk(simulator) as client:
            with pytest.raises(error):
                await client.chat.completions.create(model=f"m@{told}", messages=HELLO)
        assert (simulator.stats.requests, simulator.stats.failed) == (1, 1)

    play(scene)


def test_an_error_inside_a_stream_raises_after_its_content() -> None:
    """`fail=503,after=2` sends two tokens, then an error event, which the SDK raises."""

    async def scene(simulator: Simulator) -> None:
        async with sdk(simulator) as client:
            stream = await client.chat.completions.create(model="m@fail=503,after=2", messages=HELLO, stream=True)
            said = [(await anext(stream)).choices[0].delta.content for _ in range(3)]
            with pytest.raises(openai.APIError, match="overloaded"):
                await anext(stream)
        assert said == ["", "This", " is"]

    play(scene)


def test_providers_are_counted_apart() -> None:
    """`/p/{provider}/v1` is the same server under another name in the books."""

    async def scene(simulator: Simulator) -> None:
        for provider in ("acme", "globex", "acme", ""):
            async with sdk(simulator, provider) as client:
                await client.chat.completions.create(model="m", messages=HELLO)
        assert simulator.stats.by_provider == {"acme": 2, "globex": 1, "": 1}
        assert simulator.stats.by_key == {"Bearer sk-test": 4}
        assert simulator.stats.by_model == {"m": 4}

    play(scene)
