"""What requests take of limits and what they give back, over sockets with the limits' clock standing still."""

import asyncio
import random
from typing import Any

import pytest

from tests.gateway.clients import Leave, chat, generations, run, until
from tests.gateway.test_hedging import hedging
from tests.support import offer, staged
from tollway.limits import Limiter, Limits

REQUESTS = 120
AT_ONCE = 12
BEHAVIOURS = (
    "tokens=5",
    "latency_ms=300,tokens=9",
    "fail=500",
    "fail=429",
    "fail=reset",
    "after=3,then=truncate",
    "after=3,then=error_event",
    "tokens=20,tokens_per_s=200",
)


class Still:
    """The loop, but that its time stands still for whoever asks the gateway's: what was taken stays taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._now_s = loop.time()

    def time(self) -> float:
        return self._now_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


@pytest.mark.parametrize("cancels", [True, False], ids=["can cancel", "can not cancel"])
def test_every_way_out_gives_back_what_it_should(cancels: bool) -> None:
    """Answers, failures, fallbacks, hedges, cuts, callers who leave at any moment, and refusals among them.

    In the end nobody is under way, every request that was dispatched counts once, and tokens are those of the records.
    """
    dice = random.Random(cancels)

    async def scene() -> None:
        async with staged(offer(at=("a", "b")), offer("test/other"), provider={"cancels": cancels}) as stage:
            gateway = stage.house.gateway
            await gateway.loop.run_in_executor(None, gateway.tokenizer)
            gateway.loop = Still(gateway.loop)  # type: ignore[assignment]  # a loop in all but its time
            hedging(gateway)
            limits = Limits(key_rpm=10**6, key_tpm=10**6, model_rpm=10**6, key_at_once=AT_ONCE)
            gateway.limiter = Limiter(limits)
            turns, statuses = asyncio.Semaphore(AT_ONCE + 4), list[int]()

            async def visit(number: int) -> None:
                fields: dict[str, Any] = {"stream": dice.random() < 0.6, "session_id": str(number), "max_tokens": 5_000}
                if dice.random() < 0.2:
                    fields["model"] = dice.choice(["nobody/none", "test/other"])
                elif dice.random() < 0.3:
                    fields |= {"model": None, "models": ["test/model", "test/other"]}
                leave = Leave(after_s=dice.uniform(0, 0.3)) if dice.random() < 0.4 else None
                async with turns:
                    stage.simulator.script(dice.choice("ab"), [dice.choice(BEHAVIOURS)])
                    statuses.append((await chat(stage, leave=leave, **fields)).status)

            await asyncio.gather(*(visit(number) for number in range(REQUESTS)))
            await until(lambda: not gateway.limiter._at_once and not gateway.books.held)
            await stage.house.committer.drain()
            assert {200, 429, 400} <= set(statuses), "the dice left out a part"
            records = [each for each in await generations(stage) if each.attempts]
            now_ns, used = int(gateway.loop.time() * 10**9), gateway.limiter.buckets._empty_at

            def count(*bucket: str) -> float:
                return (used.get(bucket, now_ns) - now_ns) / 60_000

            key = stage.key.key.id
            assert count("key", key) == len(records)
            assert count("key tokens", key) == sum(each.usage.prompt + each.usage.completion for each in records)
            for model in ("test/model", "test/other"):
                asked = [any(a.endpoint_id.endswith(f":{model}") for a in each.attempts) for each in records]
                assert count("model", "home", model) == sum(asked) > 0

    run(scene)
