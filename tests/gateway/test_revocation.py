"""A key that is disabled or deleted ends its answers under way, within 5 seconds (FAULTS.md S-T13)."""

import asyncio

import pytest

from tests.gateway.clients import chat, run, until
from tests.support import Stage, offer, staged
from tollway.gateway.key_desk import ChangedKey
from tollway.identity.actors import OPERATOR

WITHIN_S = 5.0


@pytest.mark.parametrize("way", ["disable", "delete"])
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("cancels", [True, False], ids=["can cancel", "can not cancel"])
def test_answers_under_way_end(way: str, streamed: bool, cancels: bool) -> None:
    """Both of a key's answers end with a 401, another key's goes on; what was made by then is paid for, money is free.

    A second request, which was let in before and begins after, is refused, too.
    """

    async def scene() -> None:
        slow = offer(upstream="m@tokens=400,tokens_per_s=20")
        async with staged(slow, provider={"cancels": cancels}) as stage:
            key, other = await stage.new_key(credits_usd="1"), await stage.new_key()
            asked = [asyncio.create_task(chat(stage, key, stream=streamed, max_tokens=400)) for _ in range(2)]
            others = asyncio.create_task(chat(stage, other, stream=streamed, max_tokens=400))
            await until(lambda: len(stage.received) == 3)
            await asyncio.sleep(0.3)
            await revoke(stage, way, key.key.id)
            began_s = stage.house.now_s()
            seen = await asyncio.wait_for(asyncio.gather(*asked), WITHIN_S)
            assert stage.house.now_s() - began_s < WITHIN_S
            for each in seen:
                assert each.error is not None
                assert (each.error["code"], "revoked" in each.error["message"]) == (401, True)
                assert each.failed_in_order
                assert each.status == (200 if streamed else 401)
            assert not others.done()
            assert (await chat(stage, key)).status == 401
            others.cancel()
            await asyncio.gather(others, return_exceptions=True)
            await stage.house.committer.drain()
            book = await stage.house.gateway.books.open(key.key)
            assert not book.running
            assert book.meter.held == 0
            if streamed:
                assert book.meter.spent > 0
            if way == "disable":
                await stage.house.keys.change(OPERATOR, key.key.id, ChangedKey(disabled=False), 1)
                stage.simulator.script("m", ["tokens=3"])
                assert (await chat(stage, key)).status == 200

    run(scene)


async def revoke(stage: Stage, way: str, key_id: str) -> None:
    """As the API does it."""
    if way == "delete":
        await stage.house.keys.delete(OPERATOR, key_id, 1)
    else:
        await stage.house.keys.change(OPERATOR, key_id, ChangedKey(disabled=True), 1)
