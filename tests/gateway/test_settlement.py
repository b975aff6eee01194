"""Settlement on the odd ways out: a mistake of ours, a caller who was never there, an entry that can't be stored."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest

from tests.gateway.clients import Leave, broken_promises, chat, generations, posted, run, settled, until
from tests.gateway.oracle import USD, price, prompt_tokens
from tests.gateway.test_last_byte import MoodyDatabase
from tests.support import Stage, ask, offer, staged
from tollway.billing.pricing import Cost
from tollway.billing.tokens import Tokenizer
from tollway.domain.errors import TollwayError
from tollway.domain.events import Event, Finished
from tollway.domain.generation import Generation, Usage
from tollway.domain.identity import Caller
from tollway.domain.routing import Candidate
from tollway.gateway.chat import complete
from tollway.gateway.commit import Entry
from tollway.gateway.run import Origin, Run
from tollway.gateway.sink import Answered
from tollway.wire.openai_chat.server import decode_request

DUE = price(prompt_tokens("Say hello."), 20)


class BrokenSink:
    """Takes what it is given until the end of the answer, at which `strike` is called."""

    def __init__(self, strike: Callable[[], None]) -> None:
        self.strike = strike

    def begin(self, generation_id: str, created_s: int, limits: Mapping[str, str], run: Run) -> None:
        self.id = generation_id

    def on_left(self, callback: Callable[[], None]) -> None:
        self.leave = callback

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        if any(type(event) is Finished for event in events):
            self.strike()

    async def finish(self, candidate: Candidate, answer: Answered | None, usage: Usage, cost: Cost) -> None:
        raise AssertionError("the answer did not come to its end")

    async def fail(self, error: TollwayError) -> None:
        raise AssertionError("nobody told of an error")


async def ask_with(stage: Stage, sink: BrokenSink) -> None:
    """A stream through the gateway, without HTTP."""
    request = decode_request(msgspec.json.encode(ask(stream=True)))
    await complete(stage.house.gateway, Caller(stage.key.key), request, 100, Origin("/test"), sink)


async def in_order(stage: Stage, charged: int) -> Generation:
    """The one generation; the money is where it should be."""
    await stage.house.committer.drain()
    lease = stage.house.gateway.books._leases["home"]
    assert (lease.amount, lease.held) == (100 * USD - charged, 0)
    assert await posted(stage) == 100 * USD - charged
    assert await broken_promises(stage.house.database) == []
    [record] = await generations(stage)
    return record


def test_a_mistake_of_ours_is_on_us() -> None:
    """An exception while the answer is written: the hold is released, nothing charged, what it cost us absorbed."""

    def strike() -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=20")) as stage:
            with pytest.raises(ZeroDivisionError):
                await ask_with(stage, BrokenSink(strike))
            record = await in_order(stage, charged=0)
            assert record.finish_reason == "error"
            assert record.absorbed > 0

    run(scene)


def test_a_cancelled_handler_settles_all_the_same() -> None:
    """Cancelled after the provider's end was read, as at the end of a shutdown's grace: charged, once."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=20")) as stage:
            handler: list[asyncio.Task[None]] = []

            def strike() -> None:
                handler[0].cancel()

            handler.append(asyncio.create_task(ask_with(stage, BrokenSink(strike))))
            with pytest.raises(asyncio.CancelledError):
                await handler[0]
            record = await in_order(stage, charged=DUE)
            assert record.finish_reason == "stop"

    run(scene)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_who_left_before_his_turn_has_nothing_sent_for_him(stream: bool) -> None:
    """Gone while the key's book was read from the disk: no provider is asked, and nothing is charged."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=20")) as stage:
            database = MoodyDatabase(stage.house.database)
            stage.house.gateway.books._database = SlowReader(database)
            await chat(stage, leave=Leave(after_s=0.1), stream=stream)
            await until(lambda: stage.house.committer.committed == 1)
            await settled(stage)
            assert stage.simulator.stats.requests == 0
            record = await in_order(stage, charged=0)
            assert record.cancelled
            assert record.attempts == ()

    run(scene)


class SlowReader(MoodyDatabase):
    """A disk whose reads take a while."""

    async def read(self, sql: str, /, **parameters: object) -> list[tuple[object, ...]]:
        await asyncio.sleep(0.15)
        return await super().read(sql, **parameters)


def test_an_entry_that_can_not_be_stored_does_not_take_others_with_it() -> None:
    """One record in a batch is beyond what the disk can hold: it alone is refused, and its money given back."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=20")) as stage:
            await chat(stage)
            [like] = await generations(stage)
            committer, given_back = stage.house.committer, []

            def queue(id_: str, **changed: object) -> Entry:
                record = msgspec.structs.replace(like, id=id_, cost=0, **changed)
                return committer.queue(record, lambda: given_back.append(id_))

            batch = [queue("gen-1"), queue("gen-2", absorbed=2**63), queue("gen-3"), queue("gen-4", model="\ud800")]
            assert await asyncio.gather(*(entry.done for entry in batch)) == [True, False, True, False]
            await committer.drain()
            assert given_back == ["gen-2", "gen-4"]
            assert committer.healthy
            assert (await chat(stage)).complete, "and the disk goes on"
            assert await broken_promises(stage.house.database) == []

    run(scene)


def test_a_panic_while_counting_keeps_no_hold() -> None:
    """A library that fails with what is no `Exception`: the client is cut off instead of waiting, the hold is free."""

    class Panic(BaseException):
        pass

    def tokenizer() -> Tokenizer:
        raise Panic

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        async with staged(offer("test/model", "m@tokens=20,usage=none")) as stage:
            stage.house.gateway.tokenizer = tokenizer
            seen = await asyncio.wait_for(chat(stage, max_tokens=20), 60)
            assert not seen.ended
            assert stage.house.gateway.books.held == 0

    run(scene)
