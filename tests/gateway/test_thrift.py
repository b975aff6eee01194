"""What a request may take of us: no memory after its end, no hold, and no work for who can not pay."""

import asyncio
import gc

import uvloop

from tests.gateway.clients import settled
from tests.support import ask, offer, request, staged
from tollway.billing.tokens import Tokenizer
from tollway.gateway.run import Run


def test_a_run_is_gone_when_its_request_is() -> None:
    """The collector is set to run rarely: a circle through a run would keep its prompt, of up to 20 MB, for long."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=5")) as stage:
            for stream in (False, True):
                answer = await asyncio.to_thread(
                    request,
                    stage.url,
                    "POST",
                    "/api/v1/chat/completions",
                    ask(stream=stream),
                    headers=stage.key.headers,
                )
                assert answer.status == 200
            await settled(stage)
            assert [each for each in gc.get_objects() if type(each) is Run] == []

    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scene())
    finally:
        gc.enable()


def test_a_prompt_of_a_million_spaces_is_answered_and_charged() -> None:
    """The tokenizer's engine panicked on it, which is no `Exception`: nothing was answered, and the hold stayed."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@usage=none,tokens=5", context=4_000_000)) as stage:
            answer = await asyncio.to_thread(
                request,
                stage.url,
                "POST",
                "/api/v1/chat/completions",
                ask(content=" " * 1_100_000, max_tokens=5),
                headers=stage.key.headers,
            )
            assert answer.status == 200
            assert answer.json["usage"]["prompt_tokens"] >= Tokenizer().count(" " * 1_100_000)
            await settled(stage)
            assert stage.house.gateway.books.held == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


def test_who_has_nothing_makes_nobody_count() -> None:
    """Counting 20 MB takes seconds of a processor: for no credits at all there is nothing that it could make fit."""

    async def scene() -> None:
        async with staged(offer("test/model", "m")) as stage:
            poor = await stage.new_key("poor")
            counted: list[str] = []
            kept = stage.house.gateway.tokenizer

            def tokenizer() -> Tokenizer:
                counted.append("counted")
                return kept()

            stage.house.gateway.tokenizer = tokenizer
            answer = await asyncio.to_thread(
                request, stage.url, "POST", "/api/v1/chat/completions", ask(), headers=poor.headers
            )
            assert answer.status == 402
            assert counted == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())
