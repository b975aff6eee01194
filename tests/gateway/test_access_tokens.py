"""Access tokens over real sockets: fetched once, renewed in time, and a refusal is a fact, not a crash."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.company import Asked, Company, company
from tests.providers.accounts import service_account
from tollway.gateway.access_tokens import LEFT_S, REFUSED_S, RENEW_S, AccessTokens, NoToken
from tollway.gateway.background import Jobs
from tollway.providers import PROVIDERS, Provider
from tollway.providers.service_account import GOOGLE_EXCHANGE
from tollway.upstream.client import UpstreamClient

VERTEX = replace(PROVIDERS["google-vertex"], exchange=GOOGLE_EXCHANGE)


class Clock:
    """Unix time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_s = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Scene:
    def __init__(self, tokens: AccessTokens, google: Company, clock: Clock, jobs: Jobs) -> None:
        self.tokens, self.google, self.clock, self.jobs = tokens, google, clock, jobs
        self.account = service_account(f"{google.url}/token")

    async def token(self, provider: Provider = VERTEX) -> str:
        return await self.tokens.for_provider(provider, self.account)

    async def idle(self) -> None:
        async with asyncio.timeout(60):
            while len(self.jobs):  # noqa: ASYNC110  # a test may poll
                await asyncio.sleep(0.002)


@asynccontextmanager
async def scene(reply: Callable[[Asked], tuple[int, Any]], hold: asyncio.Event | None = None) -> AsyncIterator[Scene]:
    client, jobs, clock = UpstreamClient(), Jobs(), Clock()
    async with company(reply, hold) as google:
        yield Scene(AccessTokens(client, jobs.spawn, clock), google, clock, jobs)
        await jobs.close()
        await client.close()


def numbered() -> Callable[[Asked], tuple[int, Any]]:
    """token-1, token-2 ... for an hour each."""
    given: list[Asked] = []

    def reply(asked: Asked) -> tuple[int, Any]:
        given.append(asked)
        return 200, {"access_token": f"token-{len(given)}", "expires_in": 3600, "token_type": "Bearer"}

    return reply


def test_one_question_for_everybody() -> None:
    """A hundred requests at once wait for the same token; who leaves meanwhile takes nothing from the others."""

    async def play() -> None:
        hold = asyncio.Event()
        async with scene(numbered(), hold) as here:
            waiting = [asyncio.ensure_future(here.token()) for _ in range(100)]
            await asyncio.sleep(0.02)
            waiting[0].cancel()
            hold.set()
            found = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(found[0], asyncio.CancelledError)
            assert set(found[1:]) == {"token-1"}
            assert await here.token() == "token-1"
            assert here.google.paths() == ["/token"]

    asyncio.run(play())


def test_renewed_before_it_expires() -> None:
    """Near its end the old one still serves while the new one is fetched; at its end everybody waits for the new."""

    async def play() -> None:
        async with scene(numbered()) as here:
            assert await here.token() == "token-1"
            here.clock.now_s += 3600 - RENEW_S - 1
            assert await here.token() == "token-1"
            assert len(here.google.asked) == 1
            here.clock.now_s += 2
            assert await here.token() == "token-1"
            await here.idle()
            assert await here.token() == "token-2"
            here.clock.now_s += 3600 - LEFT_S + 1
            assert await here.token() == "token-3"

    asyncio.run(play())


def test_a_refused_credential() -> None:
    """The refusal says why, stands for a moment, and the token that is still good outlives it."""
    answers: list[tuple[int, Any]] = [(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})]

    def reply(asked: Asked) -> tuple[int, Any]:
        return answers[-1]

    async def play() -> None:
        async with scene(reply) as here:
            for _ in range(3):
                with pytest.raises(NoToken, match="invalid_grant Invalid JWT Signature") as caught:
                    await here.token()
                assert caught.value.refused
            assert len(here.google.asked) == 1
            here.clock.now_s += REFUSED_S + 1
            answers.append((200, {"access_token": "good", "expires_in": 3600}))
            assert await here.token() == "good"
            here.clock.now_s += 3600 - RENEW_S + 1
            answers.append((503, {}))
            assert [await here.token() for _ in range(3)] == ["good"] * 3
            await here.idle()
            assert [await here.token() for _ in range(3)] == ["good"] * 3
            assert len(here.google.asked) == 3
            here.clock.now_s += RENEW_S
            with pytest.raises(NoToken, match="status 503") as caught:
                await here.token()
            assert not caught.value.refused

    asyncio.run(play())


def test_nobody_at_the_token_endpoint() -> None:
    """A refused connection is no refusal of the credential."""

    async def play() -> None:
        async with scene(numbered()) as here:
            here.account = service_account("http://127.0.0.1:9/token")
            with pytest.raises(NoToken, match="token endpoint") as caught:
                await here.token()
            assert not caught.value.refused

    asyncio.run(play())


def test_a_token_that_the_provider_refused() -> None:
    """It is forgotten, whatever its lifetime; a provider without an exchange gets its credential as it is."""

    async def play() -> None:
        async with scene(numbered()) as here:
            assert await here.token() == "token-1"
            here.tokens.forget(here.account)
            assert await here.token() == "token-2"
            assert await here.tokens.for_provider(PROVIDERS["openai"], "sk-x") == "sk-x"

    asyncio.run(play())


def test_closing_while_a_token_is_fetched() -> None:
    """The server stops: who waits is told, nothing hangs."""

    async def play() -> None:
        async with scene(numbered(), asyncio.Event()) as here:
            waiting = asyncio.ensure_future(here.token())
            await asyncio.sleep(0.02)
            await here.jobs.close()
            found = await asyncio.wait_for(asyncio.gather(waiting, return_exceptions=True), 60)
            assert isinstance(found[0], NoToken)

    asyncio.run(play())
