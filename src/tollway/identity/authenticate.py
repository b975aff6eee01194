"""Authentication: the credential that a request carries -> the key that we issued; from memory, one read on a miss."""

import asyncio
import time
from collections.abc import Callable

from tollway.domain.errors import Forbidden, Unauthenticated, Unavailable
from tollway.domain.identity import Caller, Key, KeyKind
from tollway.identity.keys import digest_of, well_formed
from tollway.storage.database import Database, StorageError
from tollway.storage.keys import find_key_by_digest

CACHED_MAX = 100_000
HEADER_VALUE_MAX = 256

Header = Callable[[bytes], str | None]
"""A header's first value by its lower-case name."""

INVALID = "Invalid API key"
"""All that a 401 says, whatever the reason (FAULTS.md 4.1)."""


class Authenticator:
    """Keys in memory: a bounded cache by digest, filled once at a time. One process: a change is seen at once."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper
        self._known: dict[bytes, Key] = {}
        self._unknown: dict[bytes, float] = {}
        self._filling: dict[bytes, asyncio.Future[Key | None]] = {}
        self.lookups = 0

    async def authenticate(self, header: Header) -> Caller:
        """The one function that all carriers of a credential go through.

        Unauthenticated: none, unknown, disabled, expired. Unavailable: the store can't be asked; never a 401 for that.
        """
        digest = self._digest(header)
        key = self._known.get(digest)
        if key is None:
            key = await self._find(digest)
        now_ms = int(time.time() * 1000)
        if key is None or key.disabled or (key.expires_ms is not None and now_ms >= key.expires_ms):
            raise Unauthenticated(INVALID)
        return Caller(
            key,
            app_url=_shown(header(b"http-referer") or header(b"referer")),
            app_title=_shown(header(b"x-openrouter-title") or header(b"x-title")),
            user_agent=_shown(header(b"user-agent")),
        )

    async def authenticate_inference(self, header: Header) -> Caller:
        """Like `authenticate`. Forbidden: a provisioning key can't call models."""
        caller = await self.authenticate(header)
        if caller.key.kind is not KeyKind.INFERENCE:
            raise Forbidden("This is a provisioning key: it manages keys and can't call models.")
        return caller

    def forget(self, digest: bytes) -> None:
        """A key was changed or revoked: the next request reads it again."""
        self._known.pop(digest, None)
        self._unknown.pop(digest, None)

    def _digest(self, header: Header) -> bytes:
        carried = header(b"authorization")
        if carried is not None:
            scheme, _, secret = carried.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated(INVALID)
            secret = secret.strip()
        else:
            found = header(b"x-api-key")
            if found is None:
                raise Unauthenticated("No API key: send it as `Authorization: Bearer <key>`")
            secret = found.strip()
        digest = digest_of(secret, self._pepper)
        if digest not in self._known and not well_formed(secret):
            raise Unauthenticated(INVALID)
        return digest

    async def _find(self, digest: bytes) -> Key | None:
        if self._unknown.get(digest, 0.0) > time.monotonic():
            return None
        if (filling := self._filling.get(digest)) is not None:
            return await asyncio.shield(filling)
        future = self._filling[digest] = asyncio.get_running_loop().create_future()
        key = None
        try:
            self.lookups += 1
            key = await find_key_by_digest(self._database, digest)
        except StorageError:
            raise Unavailable("Keys can't be checked just now; try again.", retry_after_s=2) from None
        finally:
            del self._filling[digest]
            future.set_result(key)
        if key is None:
            _bound(self._unknown)
            self._unknown[digest] = time.monotonic() + 10.0
        else:
            _bound(self._known)
            self._known[digest] = key
        return key


def _bound(cache: dict[bytes, Key] | dict[bytes, float]) -> None:
    """Drops the oldest entry of a full cache."""
    if len(cache) >= CACHED_MAX:
        cache.pop(next(iter(cache)))


def _shown(value: str | None) -> str | None:
    """A header value fit to be kept: printable, bounded (FAULTS.md C-9)."""
    if value is None:
        return None
    if len(value) <= HEADER_VALUE_MAX and value.isprintable():
        return value
    return "".join(each for each in value[:HEADER_VALUE_MAX] if each.isprintable())
