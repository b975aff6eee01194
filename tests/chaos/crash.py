"""Kill the server under load, start it again, judge it by what its clients saw: `python -m tests.chaos.crash 50`."""

import asyncio
import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from tests.chaos.server import LIMIT, PATIENCE_S, WORKSPACE, ServerProcess
from tests.chaos.shoppers import Shoppers, settings
from tests.gateway.clients import Seen, broken_promises, post, send, until
from tests.gateway.oracle import USD, nano, price, prompt_tokens
from tests.payments.fake_stripe import FakeStripe, fake_stripe
from tests.support import Secret, ask
from tollway.domain.generation import Generation
from tollway.simulator import Simulator
from tollway.storage.database import Database
from tollway.storage.generations import find_generation
from tollway.storage.ledger import balance

STREAMS = 40
LIMITED = 3
"""Clients with a key that may spend some hundredths of a cent."""
CREDITS_USD = "1000"
UPSTREAM = "m@tokens=500,latency_ms=10,jitter=1,tokens_per_s=400,fail_rate=0.05,fail_kinds=503|reset|truncate"
ASKED = "Say hello."
BEYOND_TOKENS = 2000
"""The longest answer of the dear model (tests/chaos/server.py)."""


class Request:
    """One request of a client: what was asked, and what came back before the server died, or after."""

    def __init__(self, name: str, tokens: int) -> None:
        self.name = name
        self.tokens = tokens
        self.seen = Seen()
        self.ended = False

    def judge(self, record: Generation | None, captured: int) -> str:
        """AssertionError: a charge that is missing, wrong, or above what was delivered."""
        seen = self.seen
        assert captured == (record.cost if record else 0)
        if seen.complete:
            assert seen.usage is not None
            assert record is not None, f"{self.name}: its end was seen, and it is not in the ledger"
            assert len(seen.deltas) == self.tokens
            assert captured == nano(seen.usage["cost"]) == price(prompt_tokens(ASKED), self.tokens), self.name
            return "end seen, charged"
        delivered = len(seen.deltas) if seen.status == 200 else 0
        most = price(prompt_tokens(ASKED), delivered) if delivered else 0
        assert captured <= most, f"{self.name}: charged {captured} for {delivered} tokens"
        if captured:
            return "only the end marker missing, charged"
        return "failed in order, free" if seen.failed_in_order else "cut off, free"


class Crash:
    """So many cycles of start, load, kill; `counts` is what became of the requests."""

    def __init__(self, server: ServerProcess, fake: FakeStripe, seed: int) -> None:
        self.server = server
        self.dice = random.Random(seed)
        self.shoppers = Shoppers(server, fake, self.dice)
        self.counts: Counter[str] = Counter()
        self.started_in_s: list[float] = []
        self._number = 0
        self._judged = 0

    async def cycle(self) -> None:
        """Starts a server, lets 46 clients ask without a pause, kills it, and judges it by the next one's start."""
        await self.server.start()
        self.started_in_s.append(self.server.started_in_s)
        log: list[Request] = []
        clients = [asyncio.create_task(self._ask_on(log, self.server.key)) for _ in range(STREAMS)]
        clients += [asyncio.create_task(self._ask_on(log, self.server.limited)) for _ in range(LIMITED)]
        clients += self.shoppers.begin()
        await self._moment(log)
        await self.server.kill()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await self.server.start()
        try:
            await self._judge(log)
        finally:
            await self.server.kill()

    async def _moment(self, log: list[Request]) -> None:
        """A random moment: soon after the start in each third cycle, else when so many answers have ended."""
        if len(self.started_in_s) % 3 == 0:
            await asyncio.sleep(self.dice.uniform(0.02, 0.6))
            return
        ends = self.dice.randint(1, 400)
        async with asyncio.timeout(PATIENCE_S):
            await until(lambda: sum(request.ended for request in log) >= ends)
        await asyncio.sleep(self.dice.uniform(0, 0.02))

    async def _ask_on(self, log: list[Request], key: Secret) -> None:
        """One client: request after request, until nobody answers. A cut answer is read to the last byte that came."""
        reading: asyncio.Task[Seen] | None = None
        try:
            while True:
                self._number += 1
                request = Request(f"request-{self._number}", self.dice.randint(1, 30))
                body = ask("test/model", ASKED, stream=True, max_tokens=request.tokens, session_id=request.name)
                log.append(request)
                reading = asyncio.create_task(send(self.server.port, post(key, body), seen=request.seen))
                await asyncio.shield(reading)
                request.ended = True
                if request.seen.status == 402:
                    self.counts["beyond the key's limit"] += 1
                    await asyncio.sleep(0.2)
        except (asyncio.CancelledError, OSError):
            if reading is not None:
                await asyncio.gather(reading, return_exceptions=True)

    async def _judge(self, log: list[Request]) -> None:
        """The ledger must be in order, agree with each client, and the new server must hold nothing back."""
        reader = self.server.reader()
        try:
            assert await broken_promises(reader) == []
            by_name, captures = await self._new_records(reader)
            for request in log:
                record = by_name.pop(request.name, None)
                captured = captures.pop(record.id, 0) if record else 0
                self.counts[request.judge(record, captured)] += 1
            assert not by_name, "generations of requests that nobody made"
            assert not captures, "captures of generations that nobody asked for"
            sql = "SELECT COALESCE(SUM(cost), 0) FROM generations WHERE key_id = :id"
            [[spent]] = await reader.read(sql, id=self.server.limited.key.id)
            assert spent <= LIMIT, "more than the key's limit"
            await self.shoppers.judge(reader)
            found = await balance(reader, WORKSPACE)
            assert found is not None
            offered, _ = await self._offered()
            assert offered == found.posted, "the next start can spend the full balance"
        finally:
            await reader.close()

    async def _new_records(self, reader: Database) -> tuple[dict[str, Generation], dict[str, int]]:
        """Generations since the last judgement by the request's name, and captures by generation."""
        rows = await reader.read(
            "SELECT rowid, id FROM generations WHERE rowid > :after ORDER BY rowid", after=self._judged
        )
        by_name: dict[str, Generation] = {}
        captures: dict[str, int] = {}
        for number, id_ in rows:
            self._judged = number
            record = await find_generation(reader, WORKSPACE, id_)
            assert record is not None
            assert record.session_id is not None
            assert record.session_id not in by_name, f"{record.session_id} is there twice"
            by_name[record.session_id] = record
            for (amount,) in await reader.read(
                "SELECT amount FROM transfers WHERE kind = 'capture' AND ref = :id", id=id_
            ):
                assert id_ not in captures, f"{id_} was charged twice"
                captures[id_] = amount
        return by_name, captures

    async def _offered(self) -> tuple[int, int]:
        """What the server says is available, in nanodollars, and how many dear tokens that buys: a 402 tells both."""
        told = ask("test/beyond", ASKED, max_tokens=100_000)
        refused = await send(self.server.port, post(self.server.key, told))
        assert refused.status == 402
        assert refused.error is not None
        available = re.search(r"\$([0-9.]+) that is available", refused.error["message"])
        assert available is not None
        return nano(available[1]), int(refused.error["metadata"]["affordable_max_tokens"])

    async def spend_all(self) -> int:
        """The last server sells everything, down to less than one more answer's hold; what is left, in nanodollars."""
        await self.server.start()
        reader = self.server.reader()
        try:
            left, tokens = await self._offered()
            while tokens:
                tokens = min(tokens, BEYOND_TOKENS)
                body = ask("test/beyond", ASKED, max_tokens=tokens)
                seen = await send(self.server.port, post(self.server.key, body))
                assert seen.complete, seen.raw
                assert seen.usage is not None
                assert nano(seen.usage["cost"]) == price(prompt_tokens(ASKED), tokens, at=("1", "1"))
                left -= nano(seen.usage["cost"])
                offered, tokens = await self._offered()
                assert offered == left
            found = await balance(reader, WORKSPACE)
            assert found is not None
            assert found.posted == left
            assert 0 <= left < 30 * USD, "the prompt and one token, at a dollar each"
            assert await broken_promises(reader) == []
            return left
        finally:
            await reader.close()
            await self.server.stop()


async def crash(folder: Path, cycles: int, seed: int) -> Crash:
    """Plays so many cycles in a folder."""
    simulator = await Simulator.start(seed=seed)
    async with fake_stripe() as fake:
        server = ServerProcess(folder, simulator, UPSTREAM, settings=settings(fake))
        try:
            await server.endow(CREDITS_USD)
            play = Crash(server, fake, seed)
            await play.shoppers.endow()
            for _ in range(cycles):
                await play.cycle()
            await play.spend_all()
            return play
        finally:
            await server.stop()
            await simulator.close()


def main() -> None:
    """`python -m tests.chaos.crash [cycles] [seed]`."""
    cycles, seed = (int(text) for text in (*sys.argv[1:], "50", "0")[:2])
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        play = runner.run(crash(Path(folder), cycles, seed))
    print(f"{cycles} cycles, {dict(play.counts)}, {dict(play.shoppers.counts)}")


if __name__ == "__main__":
    main()
