"""`openrouter/auto` over sockets: who answers and says so, conversations that stay, and whose they are."""

import json
from typing import Any

import pytest

from tests.gateway.clients import CHAT, broken_promises, chat, generations, post, run, send, settled
from tests.support import Offer, Secret, Stage, offer, request, staged, world
from tollway.config import Routing
from tollway.domain.auto import AutoSettings

CHEAP, DEAR = "test/cheap", "test/dear"
AUTO = "openrouter/auto"
EASY, HARD = "Say hello.", "Refactor this python module."


def two(dear: str = "m") -> tuple[Offer, Offer]:
    """A cheap model, which easy requests get, and a dear one, which hard ones get."""
    return (
        offer(CHEAP, "m", at=("a",)),
        offer(DEAR, dear, at=("b",), prompt="0.00001", completion="0.00002"),
    )


def low(**fields: Any) -> list[dict[str, Any]]:
    return [{"id": "auto-router", **fields}]


async def model_of(stage: Stage, secret: Secret | None = None, *, content: str = EASY, **fields: Any) -> str:
    """Asks auto; the answer's model."""
    seen = await chat(stage, secret, **{"model": AUTO, "content": content, **fields})
    assert seen.status == 200, seen.raw
    return str(seen.json["model"])


def test_who_ran_and_why() -> None:
    """The answer and the record say which model ran, the record and its trace that a router chose it; money adds up."""

    async def scene() -> None:
        async with staged(*two()) as stage:
            assert await model_of(stage) == CHEAP
            assert await model_of(stage, content=HARD, model="tollway/auto:floor") == DEAR
            assert await model_of(stage, plugins=low(cost_tier="max")) == DEAR
            assert await model_of(stage, model=CHEAP, plugins=low(cost_tier="max")) == CHEAP
            await settled(stage)
            found = await generations(stage)
            assert [each.model for each in found] == [CHEAP, DEAR, DEAR, CHEAP]
            routed = [each.routed for each in found]
            assert [each and (each.router, each.task, each.difficulty, each.cost_tier) for each in routed] == [
                (AUTO, "chat", "easy", None),
                ("tollway/auto", "code", "hard", None),
                (AUTO, "chat", "easy", "max"),
                None,
            ]
            assert await broken_promises(stage.house.database) == []

    run(scene)


def test_a_conversation_stays() -> None:
    """By its session, or by how it began; each workspace has its own, and the plan's rules come before."""

    async def scene() -> None:
        async with staged(*two()) as stage:
            other = await stage.new_key("other", credits_usd="1")
            assert await model_of(stage, content=HARD, session_id="s") == DEAR
            await settled(stage)
            assert await model_of(stage, content=EASY, session_id="s") == DEAR
            assert await model_of(stage, other, content=EASY, session_id="s") == CHEAP
            assert await model_of(stage, content=EASY, session_id="s", plugins=low(excluded_models=[DEAR])) == CHEAP
            assert await model_of(stage, content=HARD, session_id="s", plugins=low(cost_tier="low")) == CHEAP
            began = [{"role": "user", "content": HARD}]
            assert await model_of(stage, messages=began) == DEAR
            await settled(stage)
            later = [*began, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "Thanks"}]
            assert await model_of(stage, messages=later, reasoning_effort="low") == DEAR
            assert await model_of(stage, messages=[{"role": "user", "content": "Hi"}], reasoning_effort="low") == CHEAP

    run(scene)


def test_the_fallback_goes_on() -> None:
    """Where the first pick fails the next one answers, and the conversation stays with that one."""

    async def scene() -> None:
        async with staged(*two("m@fail=503")) as stage:
            assert await model_of(stage, content=HARD, session_id="s") == CHEAP
            await settled(stage)
            stage.received.clear()
            assert await model_of(stage, content=HARD, session_id="s") == CHEAP
            assert len(stage.received) == 1

    run(scene)


def test_the_operators_settings() -> None:
    """`[routing.auto]` bounds the set, and `default_model` may be auto."""
    settings = Routing(default_model=AUTO, auto=AutoSettings(models=("test/d*",)))

    async def scene() -> None:
        async with staged(*two(), routing=settings) as stage:
            assert await model_of(stage, model=None) == DEAR

    run(scene)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"plugins": low(allowed_models=["other/*"])}, 404, "no model to choose from"),
        ({"plugins": low(cost_tier="cheap")}, 400, "plugins[0].cost_tier"),
        ({"plugins": [{"id": "pareto-router"}]}, 501, "not built yet"),
        ({"model": "openrouter/auto:quick"}, 400, "not a valid model ID"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "max_tokens": 10**6}, 404, "No endpoints found"),
    ],
)
def test_errors(fields: dict[str, Any], status: int, said: str) -> None:
    """Clear, and nothing is sent."""

    async def scene() -> None:
        async with staged(offer(CHEAP, "m", output_max=100)) as stage:
            seen = await chat(stage, **{"model": AUTO, **fields})
            assert seen.status == status
            assert said in seen.json["error"]["message"]
            assert stage.received == []
            assert stage.house.gateway.books.held == 0

    run(scene)


FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, {"messages": [{"role": "user", "content": EASY}]}),
    "completions": ("/api/v1/completions", {"prompt": EASY}),
    "responses": ("/api/v1/responses", {"input": EASY}),
    "messages": ("/api/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": EASY}]}),
}


def test_every_format_and_the_dry_run() -> None:
    """Each format's answer names the model; Gemini's in `modelVersion`. A dry run shows the same choice, and why."""

    async def scene() -> None:
        async with staged(*two()) as stage:
            for name, (path, body) in FORMATS.items():
                seen = await send(stage.house.port, post(stage.key, {"model": AUTO, **body}, path))
                assert (name, seen.status, seen.json.get("model")) == (name, 200, CHEAP)
            body = {"contents": [{"role": "user", "parts": [{"text": EASY}]}]}
            seen = await send(stage.house.port, post(stage.key, body, "/v1beta/models/openrouter/auto:generateContent"))
            assert (seen.status, seen.json.get("modelVersion")) == (200, CHEAP)
            body = {"model": AUTO, "messages": [{"role": "user", "content": HARD}]}
            seen = await send(stage.house.port, post(stage.key, body, "/api/v1/route"))
            data = seen.json["data"]
            assert data["models"] == [DEAR, CHEAP]
            assert data["auto"] == {
                "router": AUTO,
                "requested": AUTO,
                "models": [DEAR, CHEAP],
                "task": "code",
                "difficulty": "hard",
                "cost_tier": None,
                "stays": False,
            }
            assert HARD not in json.dumps(stage.bodies())

    run(scene)


def test_the_generation_names_the_router() -> None:
    """`GET /generation` has `router`; the trace has the task; another workspace gets a 404."""
    with world(*two()) as here:
        id_ = here.chat(model=AUTO).json["id"]
        named = here.chat(model=CHEAP).json["id"]
        told = {**here.key.headers, "x-openrouter-metadata": "enabled"}
        metadata = here.chat(model=f"{AUTO}:floor", headers=told).json["openrouter_metadata"]
        assert (metadata["requested"], metadata["strategy"]) == (f"{AUTO}:floor", "auto")
        here.settled()
        assert here.request("GET", f"/api/v1/generation?id={id_}").json["data"]["router"] == AUTO
        assert here.request("GET", f"/api/v1/generation?id={named}").json["data"]["router"] is None
        trace = here.request("GET", f"/api/v1/generations/{id_}/trace").json["data"]
        assert (trace["auto"]["task"], trace["auto"]["models"]) == ("chat", [CHEAP, DEAR])
        other = here.new_key("other")
        assert request(here.url, "GET", f"/api/v1/generation?id={id_}", headers=other.headers).status == 404
