"""Credits are spent to the nanodollar and never beyond, however many ask at once."""

import asyncio
import json
import random
from typing import Any

import pytest

from tests.gateway.clients import broken_promises, chat, generations, posted, run, settled
from tests.gateway.oracle import USD, nano, price, prompt_tokens
from tests.support import ask, offer, staged
from tollway.domain.catalog import WireFormat
from tollway.gateway.books import Books
from tollway.wire.formats import CLIENTS

REQUESTS = 1000


def lease_of(books: Books, workspace: str) -> tuple[int, int]:
    """(amount, held) of a workspace on this node."""
    lease = books._leases[workspace]
    return lease.amount, lease.held


@pytest.mark.parametrize("speaks", [pytest.param(each, id=each.value) for each in CLIENTS])
def test_a_dollar_buys_exactly_100_requests_of_a_cent(speaks: WireFormat) -> None:
    """1,000 at once on $1, at $0.01 a request: 100 answers, 900 times 402, and nothing is left."""

    async def scene() -> None:
        priced: dict[str, Any] = {"prompt": None, "completion": None, "price_request": "0.01"}
        cheap = offer("test/cent", "m@tokens=5", speaks=speaks, **priced)
        async with staged(cheap) as stage:
            secret = await stage.new_key("poor", credits_usd="1")
            seen = await asyncio.gather(
                *(chat(stage, secret, model="test/cent", stream=number % 2 == 0) for number in range(REQUESTS))
            )
            await settled(stage)
            answered = [each for each in seen if each.complete]
            refused = [each for each in seen if each.status == 402]
            assert (len(answered), len(refused)) == (100, 900)
            assert {nano(each.usage["cost"]) for each in answered if each.usage} == {USD // 100}
            assert await posted(stage, "poor") == 0
            assert lease_of(stage.house.gateway.books, "poor") == (0, 0)
            assert stage.simulator.stats.requests == 100, "who is refused costs nothing upstream"
            assert len(await generations(stage)) == 100
            assert await broken_promises(stage.house.database) == []

    run(scene)


def test_token_prices_are_spent_to_within_one_hold() -> None:
    """Random lengths from 40 callers at once: never overdrawn, charged exactly, spent until not even one hold fits."""
    dice = random.Random(7)

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=500,latency_ms=2,jitter=1")) as stage:
            secret = await stage.new_key("poor", credits_usd="0.02")
            books = stage.house.gateway.books
            spent, lengths = 0, [dice.randint(1, 100) for _ in range(4000)]

            async def spend() -> None:
                nonlocal spent
                while lengths:
                    tokens = lengths.pop()
                    seen = await chat(stage, secret, stream=dice.random() < 0.5, max_tokens=tokens)
                    amount, held = lease_of(books, "poor")
                    assert 0 <= held <= amount
                    if seen.complete:
                        assert seen.usage is not None
                        assert nano(seen.usage["cost"]) == price(prompt_tokens("Say hello."), tokens)
                        spent += nano(seen.usage["cost"])
                    elif held == 0:
                        assert seen.status == 402
                        return

            await asyncio.gather(*(spend() for _ in range(40)))
            while (last := await chat(stage, secret, max_tokens=1)).complete:
                assert last.usage is not None
                spent += nano(last.usage["cost"])
            await settled(stage)
            assert last.status == 402
            left = await posted(stage, "poor")
            hold = price(len(json.dumps(ask(max_tokens=1))), 1)
            assert left == 2 * USD // 100 - spent
            assert 0 <= left < hold
            assert lease_of(books, "poor") == (left, 0)
            assert await broken_promises(stage.house.database) == []

    run(scene)
