"""Two hundred streams at once while providers fail: every answer ends well, and all three books agree."""

import asyncio

from tests.gateway.clients import broken_promises, chat, generations, posted, run, settled
from tests.gateway.oracle import USD, nano, price, prompt_tokens
from tests.support import offer, staged

FLAKY = "m@tokens=40,tokens_per_s=100,fail_rate=0.1,fail_kinds=500|502|503|429|reset|error200|truncate|eof|error_event"
STREAMS = 200


def test_200_concurrent_streams_with_failures_at_three_endpoints() -> None:
    """Each answer is complete or ended by an error; attempts = what the providers counted; charges = answers."""

    async def scene() -> None:
        async with staged(offer("test/model", FLAKY, at=("a", "b", "c"))) as stage:
            seen = await asyncio.gather(*(chat(stage, stream=True, seed=number) for number in range(STREAMS)))
            await settled(stage)
            complete = [each for each in seen if each.complete]
            assert all(each.complete or each.failed_in_order for each in seen)
            assert len(complete) >= STREAMS * 0.8
            assert len({each.generation_id for each in seen}) == STREAMS

            records = {generation.id: generation for generation in await generations(stage)}
            assert len(records) == STREAMS, "one generation for each admitted request"
            attempts = sum(len(generation.attempts) for generation in records.values())
            assert attempts == stage.simulator.stats.requests
            assert attempts > STREAMS, "nothing failed over: the test would prove nothing"

            due = price(prompt_tokens("Say hello."), 40)
            for each in seen:
                record = records[each.generation_id]
                if each.complete:
                    assert each.usage is not None
                    assert len(each.deltas) == 40
                    assert record.cost == nano(each.usage["cost"]) == due
                    assert record.finish_reason == "stop"
                else:
                    assert (record.cost, record.finish_reason) == (0, "error")
            assert await posted(stage) == 100 * USD - due * len(complete)
            assert await broken_promises(stage.house.database) == []

    run(scene)
