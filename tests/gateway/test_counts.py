"""Counting costs nothing, so it is bounded: by money for what is large, by turns for what is much."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support import World, ask, staged, world
from tollway.domain.chat import ChatRequest, UserMessage
from tollway.domain.errors import RateLimited
from tollway.gateway import counts
from tollway.gateway.counts import FREE_BYTES, WAITING_BYTES_MAX

PATHS = ("/v1/messages/count_tokens", "/v1beta/models/test/model:countTokens")
SMALL, LARGE = "word " * 1_000, "word " * (FREE_BYTES // 4)


def body(path: str, text: str) -> object:
    """A prompt as the URL wants it."""
    return {"contents": [{"parts": [{"text": text}]}]} if "v1beta" in path else ask(content=text)


@pytest.fixture(scope="module")
def shop() -> Iterator[World]:
    with world() as found:
        yield found


@pytest.mark.parametrize("path", PATHS)
def test_a_large_prompt_wants_money(shop: World, path: str) -> None:
    """Who could send it has it counted; who has nothing, or a limit that is spent, only what is small."""
    poor, spent = shop.new_key("poor").headers, shop.new_key(limit_usd="0").headers
    for headers in (shop.key.headers, poor, spent):
        assert shop.request("POST", path, body(path, SMALL), headers=headers).status == 200
    assert shop.request("POST", path, body(path, LARGE)).status == 200
    for headers in (poor, spent):
        refused = shop.request("POST", path, body(path, LARGE), headers=headers)
        assert refused.status == 402, refused.text


def test_counts_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a key at a time, two in all, off the loop; and what waits is bounded."""
    running: list[str] = []
    most = {"all": 0, "one": 0}

    def slow(_: object, request: ChatRequest) -> int:
        running.append(request.model or "")
        most["all"] = max(most["all"], len(running))
        most["one"] = max(most["one"], running.count(request.model or ""))
        assert threading.current_thread() is not threading.main_thread()
        time.sleep(0.02)
        running.remove(request.model or "")
        return 7

    monkeypatch.setattr(counts, "count_prompt", slow)

    async def main() -> None:
        async with staged() as stage:
            keys = [(await stage.new_key()).key for _ in range(3)]
            asked = [
                stage.house.counts.count(key.id, ChatRequest((UserMessage("x"),), model=key.id), WAITING_BYTES_MAX // 4)
                for key in keys
                for _ in range(4)
            ]
            waiting = asyncio.gather(*asked)
            await asyncio.sleep(0)
            with pytest.raises(RateLimited):
                await stage.house.counts.admit(keys[0], 1)
            assert await waiting == [7] * 12
            assert most == {"all": 2, "one": 1}
            await stage.house.counts.admit(keys[0], 1)

    asyncio.run(main())
