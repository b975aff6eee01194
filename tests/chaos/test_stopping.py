"""SIGTERM under load: answers under way come to their end within the grace, and everything is settled."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from tests.chaos.server import WORKSPACE, ServerProcess
from tests.gateway.clients import Seen, broken_promises, post, send, until
from tests.gateway.oracle import USD, nano, price, prompt_tokens
from tests.support import ask
from tollway.simulator import Simulator
from tollway.storage.files import is_locked
from tollway.storage.ledger import balance

STREAMS = 40
TOKENS = 60
DUE = price(prompt_tokens("Say hello."), TOKENS)


def stopped(
    folder: Path, upstream: str, grace_s: float, judge: Callable[[ServerProcess, list[Seen]], Awaitable[None]]
) -> None:
    """Forty requests, SIGTERM in their middle, the exit, and then what the ledger says."""

    async def scene() -> None:
        simulator = await Simulator.start()
        server = ServerProcess(folder, simulator, upstream, grace_s)
        try:
            await server.endow("10")
            await server.start()
            asking = [
                asyncio.create_task(send(server.port, post(server.key, ask(stream=number % 4 > 0))))
                for number in range(STREAMS)
            ]
            await until(lambda: simulator.stats.requests == STREAMS)
            await asyncio.sleep(0.1)
            server.terminate()
            seen = await asyncio.gather(*asking)
            assert await server.ended() == 0, server.log()
            assert "Traceback" not in server.log()
            assert not is_locked(server.data_dir)
            assert not (server.data_dir / "control.json").exists()
            reader = server.reader()
            try:
                assert await broken_promises(reader) == []
                rows = await reader.read("SELECT COUNT(*), SUM(cost) FROM generations")
                found = await balance(reader, WORKSPACE)
                assert found is not None
                assert found.posted == 10 * USD - rows[0][1]
                assert rows[0][0] == simulator.stats.requests == STREAMS
            finally:
                await reader.close()
            await judge(server, seen)
        finally:
            await server.stop()
            await simulator.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


def test_answers_finish_within_the_grace(tmp_path: Path) -> None:
    """Streams of half a second, a grace of ten: all complete, all charged; the next server starts with what is left."""

    async def judge(server: ServerProcess, seen: list[Seen]) -> None:
        assert all(each.complete for each in seen)
        assert {nano(each.usage["cost"]) for each in seen if each.usage} == {DUE}
        await server.start()
        again = await send(server.port, post(server.key, ask(max_tokens=5)))
        assert again.complete
        reader = server.reader()
        try:
            found = await balance(reader, WORKSPACE)
            assert found is not None
            assert found.posted == 10 * USD - STREAMS * DUE - price(prompt_tokens("Say hello."), 5)
        finally:
            await reader.close()

    stopped(tmp_path, f"m@tokens={TOKENS},tokens_per_s=120", 10.0, judge)


def test_answers_longer_than_the_grace_are_settled(tmp_path: Path) -> None:
    """Streams of ten seconds, a grace of half a one: cut off, and settled as if their callers had left."""

    async def judge(server: ServerProcess, seen: list[Seen]) -> None:
        assert not any(each.complete for each in seen)
        reader = server.reader()
        try:
            rows = await reader.read("SELECT cost, record FROM generations")
            streams = [cost for cost, record in rows if '"streamed":true' in record]
            assert len(streams) == STREAMS * 3 // 4
            sent = max(call.completion_tokens for call in server.simulator.stats.log)
            assert sent < 1000
            assert all(0 < cost < price(20, sent) for cost in streams), "the prompt and what was received by then"
            whole = [cost for cost, record in rows if '"streamed":false' in record]
            assert whole == [0] * (STREAMS // 4), "nothing of them was received"
        finally:
            await reader.close()

    stopped(tmp_path, "m@tokens=1000,tokens_per_s=100", 0.5, judge)
