"""Access tokens: what a credential is exchanged for where a provider wants that; fetched once, renewed in time."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from msgspec import Struct

from tollway.domain.http import Deadlines
from tollway.providers import Provider
from tollway.providers.base import AccessToken, Exchange
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

log = structlog.get_logger(__name__)

RENEW_S = 300.0
"""A token is renewed so long before it expires; until then its holders do not wait for that."""
LEFT_S = 30.0
"""With less than this a token is not given out: the request that it is for must still arrive."""
REFUSED_S = 5.0
"""So long a refusal stands: a burst of requests does not become a burst of questions."""
HELD_MAX = 10_000
"""Credentials whose tokens are kept; the one that came first goes first."""
DEADLINES = Deadlines(first_event_s=10.0, idle_s=10.0, total_s=15.0)


class NoToken(Exception):
    """There is no token. `refused`: the credential was looked at and is of no use; else nobody could be asked."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class _Held(Struct):
    """What is known of one credential's token."""

    token: AccessToken | None = None
    expires_s: float = 0.0
    refusal: NoToken | None = None
    refused_until_s: float = 0.0
    renewal: asyncio.Future[str] | None = None


class AccessTokens:
    """Belongs to one event loop. `spawn` starts a job; `now_s` is Unix time."""

    def __init__(
        self,
        client: UpstreamClient,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        now_s: Callable[[], float],
    ) -> None:
        self._client = client
        self._spawn = spawn
        self._now_s = now_s
        self._held: dict[bytes, _Held] = {}
        """By a digest of the credential: callers' own are here, too, and are nowhere in memory but in an attempt."""

    async def for_provider(self, provider: Provider, credential: str) -> str:
        """What the provider's `auth` gets: the credential, or the access token for it. NoToken: there is none."""
        if provider.exchange is None:
            return credential
        held = self._held_for(credential)
        left_s = held.expires_s - self._now_s()
        if held.token is not None and left_s > RENEW_S:
            return held.token.value
        if held.refusal is not None and self._now_s() < held.refused_until_s:
            if held.token is not None and left_s > LEFT_S:
                return held.token.value
            raise held.refusal
        if held.renewal is None:
            held.renewal = asyncio.get_running_loop().create_future()
            held.renewal.add_done_callback(_look_at)
            self._spawn(self._renew(held, held.renewal, provider, provider.exchange, credential), "access token")
        if held.token is not None and left_s > LEFT_S:
            return held.token.value
        return await asyncio.shield(held.renewal)  # who waits may leave; the others wait on

    def forget(self, credential: str) -> None:
        """The provider refused the token: the next request gets a new one."""
        self._held.pop(_digest(credential), None)

    def _held_for(self, credential: str) -> _Held:
        digest = _digest(credential)
        held = self._held.get(digest)
        if held is None:
            if len(self._held) >= HELD_MAX:
                del self._held[next(iter(self._held))]
            held = self._held[digest] = _Held()
        return held

    async def _renew(
        self, held: _Held, renewal: asyncio.Future[str], provider: Provider, exchange: Exchange, credential: str
    ) -> None:
        try:
            token = await self._ask(exchange, credential)
        except NoToken as refusal:
            log.warning("no access token", provider=provider.slug, error=str(refusal))
            held.refusal, held.refused_until_s = refusal, self._now_s() + REFUSED_S
            renewal.set_exception(refusal)
        else:
            held.token, held.expires_s = token, self._now_s() + token.lifetime_s
            held.refusal = None
            renewal.set_result(token.value)
        finally:
            held.renewal = None
            if not renewal.done():  # the server stops, or a mistake of ours ended the job
                renewal.set_exception(NoToken("the question for a token was broken off", refused=False))

    async def _ask(self, exchange: Exchange, credential: str) -> AccessToken:
        try:
            with self._client.call(exchange.request(credential, self._now_s()), DEADLINES) as call:
                await call.start()
                status = call.status
                found = exchange.read(status, await call.read())
        except UpstreamFault as fault:
            raise NoToken(f"the token endpoint: {fault.message}", refused=False) from None
        except ValueError as error:
            raise NoToken(str(error), refused=True) from None
        if isinstance(found, str):
            raise NoToken(f"the token endpoint answered with {found}", refused=status in (400, 401, 403))
        return found


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode()).digest()


def _look_at(renewal: asyncio.Future[str]) -> None:
    """A refusal that nobody waits for is in the log already; asyncio must not complain of it."""
    renewal.exception()
