"""Passwords: argon2id in a thread, few at once, and limits on guessing that say the same to everybody."""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tollway.domain.errors import InvalidRequest, RateLimited
from tollway.limits.gcra import MINUTE_NS, Buckets, Want, rate

LENGTH_MIN, LENGTH_MAX = 10, 256
AT_ONCE = 2
"""Each takes 64 MiB for its moment."""
OF_A_USER = rate(5, 15 * MINUTE_NS, 15 * 60.0)
OF_AN_ADDRESS = rate(50, 60 * MINUTE_NS, 60 * 60.0)


class Passwords:
    """Hashes and checks; `hasher` is a cheap one in tests. `pepper`: what whose tries they are is digested with."""

    def __init__(self, hasher: PasswordHasher | None = None, pepper: bytes = b"") -> None:
        self._pepper = pepper
        self._hasher = hasher or PasswordHasher()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._buckets = Buckets()
        self._nobodys: str | None = None
        """What a stranger's password is compared with: an unknown address takes as long as a known one."""

    async def hash(self, password: str) -> str:
        """argon2's own string. InvalidRequest: too short or too long."""
        if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
            raise InvalidRequest(f"password: {LENGTH_MIN} to {LENGTH_MAX} characters, please", param="password")
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, password: str, known: str | None) -> bool:
        """Whether it is the one; `known` None: there is no such user, or no password, and it takes as long."""
        if known is None and self._nobodys is None:
            self._nobodys = await self.hash("nobody's password")
        async with self._places:
            return await asyncio.to_thread(self._verify, known or self._nobodys or "", password) and known is not None

    def count_arrival(self, address: str | None, now_ns: int) -> None:
        """RateLimited: too many who come back from issuers to this address; `count` is for passwords."""
        if address is None:
            return
        want = Want(self._bucket("arrival", address), OF_AN_ADDRESS, "sign-ins from this address")
        if (short := self._buckets.take([want], now_ns)) is not None:
            raise RateLimited("Too many tries: wait some minutes.", retry_after_s=-(-(short.wait_ns or 0) // 10**9))

    def count(self, email: str, address: str | None, now_ns: int) -> None:
        """RateLimited: too many tries for this user or from this address. Counts whether they succeed or not."""
        wants = [Want(self._bucket("user", email), OF_A_USER, "sign-ins of this user")]
        if address is not None:
            wants.append(Want(self._bucket("address", address), OF_AN_ADDRESS, "sign-ins from this address"))
        if (short := self._buckets.take(wants, now_ns)) is not None:
            wait_s = -(-(short.wait_ns or 0) // 10**9)
            raise RateLimited(f"Too many tries: wait {-(-wait_s // 60)} minutes.", retry_after_s=wait_s)

    def tries(self, email: str, address: str | None) -> dict[str, int]:
        """How the buckets stand that `count` has taken from: digest -> when it is empty, in nanoseconds since 1970."""
        names = [self._bucket("user", email)] + ([] if address is None else [self._bucket("address", address)])
        return {str(bucket): at for bucket, at in self._buckets.held(names).items()}

    def restore(self, tries: Mapping[str, int]) -> None:
        """What an earlier process counted."""
        self._buckets.restore(tries)

    def _bucket(self, kind: str, whose: str) -> str:
        return hmac.new(self._pepper, f"tries {kind} {whose}".encode(), hashlib.sha256).hexdigest()

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password[: LENGTH_MAX + 1])
        except (VerificationError, InvalidHashError):
            return False
