"""Authentication: the credential that a request carries -> the key that we issued; from memory, one read on a miss."""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b

from tollway.domain.errors import Forbidden, Unauthenticated, Unavailable
from tollway.domain.identity import Caller, Key, KeyKind
from tollway.identity.keys import digest_of, well_formed
from tollway.storage.database import Database, StorageError
from tollway.storage.keys import find_key_by_digest

INFERENCE = KeyKind.INFERENCE
CACHED_MAX = 100_000
UNKNOWN_S = 10.0
"""How long the store is not asked again about a credential that it did not know."""
HEADER_VALUE_MAX = 256

Header = Callable[[bytes], str | None]
"""A header's first value by its lower-case name."""

INVALID = "Invalid API key"
"""All that a 401 says, whatever the reason (FAULTS.md 4.1)."""


class Authenticator:
    """Keys in memory: a bounded cache, filled once at a time. One process: a change is seen at once."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper
        self._salted = blake2b(key=secrets.token_bytes(32), digest_size=16)
        self._known: dict[bytes, Key] = {}
        self._shorts: dict[bytes, bytes] = {}
        """A known key's digest -> where it is in `_known`."""
        self._olds: dict[bytes, set[bytes]] = {}
        """A known key's digest -> those of secrets that it had before, by which it is known as well."""
        self._unknown: dict[bytes, float] = {}
        self._filling: dict[bytes, asyncio.Future[Key | None]] = {}
        """Look-ups under way: who comes meanwhile waits for the first one's answer, or for its failure."""
        self.lookups = 0

    async def authenticate(self, header: Header, address: str | None = None) -> Caller:
        """The one function that all carriers of a credential go through.

        Unauthenticated: none, unknown, disabled, expired. Unavailable: the store can't be asked; never a 401 for that.
        """
        secret = _carried(header)
        key = self._known.get(self._short(secret))
        if key is None:
            key = await self._find(secret)
        now_ms = int(time.time() * 1000)
        if key is None or key.disabled or (key.expires_ms is not None and now_ms >= key.expires_ms):
            raise Unauthenticated(INVALID)
        return Caller(
            key,
            app_url=_shown(header(b"http-referer") or header(b"referer")),
            app_title=_shown(header(b"x-openrouter-title") or header(b"x-title")),
            user_agent=_shown(header(b"user-agent")),
            address=address,
        )

    def still(self, caller: Caller) -> bool:
        """Whether who was authenticated before would be so again, by the same credential; False: ask."""
        key = caller.key
        short = self._shorts.get(key.digest)
        if short is None or self._known.get(short) is not key or key.disabled:
            return False
        return key.expires_ms is None or int(time.time() * 1000) < key.expires_ms

    async def authenticate_inference(self, header: Header, address: str | None = None) -> Caller:
        """Like `authenticate`. Forbidden: a provisioning key can't call models."""
        caller = await self.authenticate(header, address)
        if caller.key.kind is not INFERENCE:
            raise Forbidden("This is a provisioning key: it manages keys and can't call models.")
        return caller

    async def authenticate_provisioning(self, header: Header, address: str | None = None) -> Caller:
        """Like `authenticate`. Forbidden: a key for models manages nothing."""
        caller = await self.authenticate(header, address)
        if caller.key.kind is not KeyKind.PROVISIONING:
            raise Forbidden("This key calls models; a provisioning key manages keys, credits and records.")
        return caller

    def forget(self, digest: bytes) -> None:
        """A key was changed or revoked: the next request reads it again.

        A look-up under way may have read what was there before, so that nobody else may join it, nor may it be kept.
        """
        self._filling.clear()  # one of them may be for a secret that it had before
        self._drop(digest)
        for old in self._olds.pop(digest, ()):
            self._drop(old)

    def forget_workspace(self, workspace_id: str) -> None:
        """A workspace's settings were changed: its keys are read again, and no look-up under way is kept."""
        self._filling.clear()
        stale = [digest for digest, short in self._shorts.items() if self._known[short].workspace_id == workspace_id]
        for digest in stale:
            self.forget(digest)

    def _drop(self, digest: bytes) -> None:
        if (short := self._shorts.pop(digest, None)) is not None:
            self._known.pop(short, None)
        self._unknown.pop(digest, None)

    def _short(self, secret: str) -> bytes:
        """What the cache is indexed by: keyed with this start's own salt, and four times cheaper than the HMAC."""
        digest = self._salted.copy()
        digest.update(secret.encode())
        return digest.digest()

    async def _find(self, secret: str) -> Key | None:
        if not well_formed(secret):
            raise Unauthenticated(INVALID)
        digest = digest_of(secret, self._pepper)
        while True:
            if (short := self._shorts.get(digest)) is not None:
                return self._known[short]
            if self._unknown.get(digest, 0.0) > time.monotonic():
                return None
            if (filling := self._filling.get(digest)) is None:
                return await self._fill(secret, digest)
            with suppress(_FillerLeft):
                return await asyncio.shield(filling)

    async def _fill(self, secret: str, digest: bytes) -> Key | None:
        filling = self._filling[digest] = asyncio.get_running_loop().create_future()
        failure: Exception = _FillerLeft()
        try:
            self.lookups += 1
            key = await find_key_by_digest(self._database, digest)
        except StorageError:
            failure = Unavailable("Keys can't be checked just now; try again.", retry_after_s=2)
            raise failure from None
        else:
            filling.set_result(key)
            if self._filling.get(digest) is filling:
                self._keep(secret, digest, key)
            return key
        finally:
            if not filling.done():
                filling.set_exception(failure)
                filling.exception()  # read here, or asyncio complains where nobody waited
            if self._filling.get(digest) is filling:
                del self._filling[digest]

    def _keep(self, secret: str, digest: bytes, key: Key | None) -> None:
        if key is None:
            if len(self._unknown) >= CACHED_MAX:
                self._unknown.pop(next(iter(self._unknown)))
            self._unknown[digest] = time.monotonic() + UNKNOWN_S
        else:
            if len(self._known) >= CACHED_MAX:
                self._drop(next(iter(self._shorts)))
            if key.digest != digest:
                self._olds.setdefault(key.digest, set()).add(digest)
            short = self._shorts[digest] = self._short(secret)
            self._known[short] = key


class _FillerLeft(Exception):
    """The request whose look-up others waited for was cancelled: one of them asks again."""


def _carried(header: Header) -> str:
    """The credential of a request. Unauthenticated: none, or not a Bearer one."""
    carried = header(b"authorization")
    if carried is not None:
        scheme, _, secret = carried.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(INVALID)
        return secret.strip()
    found = header(b"x-api-key")
    if found is None:
        raise Unauthenticated("No API key: send it as `Authorization: Bearer <key>`")
    return found.strip()


def _shown(value: str | None) -> str | None:
    """A header value fit to be kept: printable, bounded (FAULTS.md C-9)."""
    if value is None:
        return None
    if len(value) <= HEADER_VALUE_MAX and value.isprintable():
        return value
    return "".join(each for each in value[:HEADER_VALUE_MAX] if each.isprintable())
