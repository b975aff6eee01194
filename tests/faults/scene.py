"""Plays the cells of the fault matrix: a server for each configuration of providers, requests side by side."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tests.faults.matrix import TOKENS, WORDS, Case, Peer
from tests.gateway.clients import Seen, broken_promises, generations, post, posted, send, settled
from tests.gateway.oracle import USD
from tests.support import Offer, Secret, Stage, ask, offer, staged
from tests.upstream.scripted import Peer as Connection
from tests.upstream.scripted import Scripted, black_hole, make_certificate
from tollway.domain.generation import Generation
from tollway.domain.http import Deadlines
from tollway.routing.health import HealthBoard
from tollway.upstream.client import UpstreamClient

ASKED = "Say hello."
PRICES: dict[str, Any] = {"prompt": "0.0000001", "completion": "0.000002"}
PRICES_C: dict[str, Any] = {"prompt": "0.0000003", "completion": "0.000009"}
"""USD per token: 100 and 2,000 nanodollars, at c 300 and 9,000."""
CONTEXT = 20_000_000
SIDE_BY_SIDE = 24
HASTE_S = 1.5
CONNECT_S = 0.5


class Forgetful(HealthBoard):
    """Nothing that happens to one cell changes the plan of another."""

    def observe(self, *_: Any, **__: Any) -> None:
        """Learns nothing."""

    def switch_off(self, *_: Any) -> None:
        """Leaves everything on."""

    def begin(self, endpoint_id: str, now_s: float, key: int = 0) -> None:
        """Counts nothing."""

    def abandon(self, endpoint_id: str, key: int = 0) -> None:
        """Counts nothing."""


class Played(Struct, frozen=True):
    """What one request led to: what its caller saw, its record, what its workspace lost (nanodollars)."""

    seen: Seen
    record: Generation
    charged: int


async def play(cases: Iterable[Case], folder: Path) -> dict[str, Played]:
    """Every case, by its name. `folder`: for certificates."""
    by_scene: dict[str, list[Case]] = {"plain": [], "hasty": [], "alone": [], "roads": []}
    for case in cases:
        row = case.row
        alone = row.warm or row.alone
        scene = "roads" if row.peer != "simulator" else "alone" if alone else "hasty" if row.hasty else "plain"
        by_scene[scene].append(case)
    haste = {"first_event_s": HASTE_S, "idle_s": HASTE_S, "whole_s": HASTE_S}
    played: dict[str, Played] = {}
    for scene, mine in by_scene.items():
        async with staged(*_offers(mine), provider=haste if scene == "hasty" else None) as stage:
            stage.house.gateway.health = Forgetful()
            if scene == "roads":
                async with _roads(stage, folder):
                    played |= await _play(stage, mine)
            else:
                played |= await _play(stage, mine)
    return played


def _model(number: int, case: Case) -> str:
    """Names of one length: the body's bytes are part of the hold. U-32 counts them."""
    return f"fault/{number:04d}-{'three' if case.three else 'alone'}"


def _slugs(peer: Peer) -> tuple[str, str]:
    name = "" if peer == "simulator" else peer.replace(" ", "-") + "-"
    return f"{name}a", f"{name}b"


def _offers(cases: list[Case]) -> Iterable[Offer]:
    cuts = cuts_of_bodies()
    for number, case in enumerate(cases):
        upstream, name = f"m{number:04d}", _model(number, case)
        a, b = _slugs(case.row.peer)
        yield offer(
            name, f"{upstream}@{case.behaviour(cuts)}", at=(a, b) if case.three else (a,), context=CONTEXT, **PRICES
        )
        if case.three:
            yield offer(name, f"{upstream}@tokens=7", at=("c",), context=CONTEXT, **PRICES_C)


def cuts_of_bodies() -> dict[int, int]:
    """The byte of the simulator's whole answer behind so many words of its text."""
    head = len(
        '{"id":"chatcmpl-629d82c07cd000000000000000001","object":"chat.completion","created":1700000000,'
        '"model":"m0000","choices":[{"index":0,"message":{"role":"assistant","content":"'
    )
    return {tokens: head + len(" ".join(WORDS[:tokens])) for tokens in TOKENS.values()}


async def _play(stage: Stage, cases: list[Case]) -> dict[str, Played]:
    keys = await asyncio.gather(*(stage.new_key(f"w{number}", credits_usd="100") for number in range(len(cases))))
    turns = asyncio.Semaphore(1 if any(case.row.warm or case.row.alone for case in cases) else SIDE_BY_SIDE)

    async def turn(number: int) -> Seen:
        async with turns:
            return await _ask(stage, keys[number], number, cases[number])

    seen = await asyncio.gather(*map(turn, range(len(cases))))
    await settled(stage)
    kept = await generations(stage)
    asked = [attempt for each in kept for attempt in each.attempts if attempt.provider in ("a", "b", "c")]
    assert len(asked) == stage.simulator.stats.requests, "what is recorded is what the providers counted"
    records = {each.workspace_id: each for each in kept if each.workspace_id != "home"}
    for number in range(len(cases)):
        assert f"w{number}" in records, f"{cases[number].name}: no generation: {seen[number].raw[-500:]!r}"
    played = {}
    for number, case in enumerate(cases):
        charged = 100 * USD - await posted(stage, f"w{number}")
        played[case.name] = Played(seen[number], records[f"w{number}"], charged)
    rows = await stage.house.database.read("SELECT COALESCE(SUM(amount), 0) FROM transfers WHERE kind = 'absorb'")
    assert rows[0][0] == sum(each.record.absorbed for each in played.values())
    assert await broken_promises(stage.house.database) == []
    return played


async def _ask(stage: Stage, key: Secret, number: int, case: Case) -> Seen:
    fields: dict[str, Any] = {"stream": case.streamed, "provider": {"order": [*_slugs(case.row.peer), "c"]}}
    if case.row.limited:
        fields["max_tokens"] = case.tokens
    if case.row.warm:
        await _warm(stage, case.row.warm)
    content = "x" * case.row.prompt_chars or ASKED
    return await send(stage.house.port, post(key, ask(_model(number, case), content, **fields)))


async def _warm(stage: Stage, told: str) -> None:
    """Two connections that have served a request wait in the pool; or have just been closed by the provider."""
    for provider in ("a", "b"):
        stage.simulator.script(provider, [])
    data = post(stage.key, ask("fault/0000-alone"))
    stage.simulator.script("a", [told, told])
    for seen in await asyncio.gather(send(stage.house.port, data), send(stage.house.port, data)):
        assert seen.status == 200
    if "idle_close" in told:
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _roads(stage: Stage, folder: Path) -> AsyncIterator[None]:
    """Providers that can't be reached, each in its way: their addresses lead elsewhere from now on."""

    async def resolve(host: str, port: int) -> list[str]:
        if host == "nowhere.test":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return ["127.0.0.1"]

    async def deaf(connection: Connection) -> None:
        await connection.head()
        connection.reset()

    async def silent(connection: Connection) -> None:
        await connection.closed()

    for name in ("ours", "foreign"):
        (folder / name).mkdir()
    ours, foreign = make_certificate(folder / "ours"), make_certificate(folder / "foreign")
    async with AsyncExitStack() as stack:
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        other = await stack.enter_async_context(Scripted(silent, ssl_context=ours.server()))
        unknown = await stack.enter_async_context(Scripted(silent, ssl_context=foreign.server()))
        peers: dict[Peer, str] = {
            "no name": "http://nowhere.test/v1",
            "closed port": f"http://127.0.0.1:{closed.getsockname()[1]}/v1",
            "black hole": f"http://127.0.0.1:{black_hole(stack)}/v1",
            "wrong host": f"https://other.test:{other.port}/v1",
            "unknown authority": f"https://localhost:{unknown.port}/v1",
            "deaf": (await stack.enter_async_context(Scripted(deaf))).url("/v1"),
        }
        gateway = stage.house.gateway
        await gateway.client.close()
        gateway.client = UpstreamClient(resolve=resolve, ssl_context=ours.trusting())
        providers = dict(gateway.market.providers)
        for peer, url in peers.items():
            for slug in _slugs(peer):
                quick = Deadlines(connect_s=CONNECT_S)
                providers[slug] = msgspec.structs.replace(
                    providers[slug], base_url=url, deadlines=quick, deadlines_whole=quick
                )
        gateway.market = msgspec.structs.replace(gateway.market, providers=providers)
        yield
