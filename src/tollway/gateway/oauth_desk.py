"""The OAuth flow: a code for an app that somebody has consented to, and the key that the app gets for it, once."""

from collections.abc import Collection

import msgspec
import structlog
from msgspec import structs

from tollway.domain.errors import Forbidden, NotFound, RateLimited
from tollway.domain.identity import Key
from tollway.domain.people import Actor, ChallengeMethod
from tollway.gateway.key_desk import KeyDesk, NewKey
from tollway.identity.actors import actor_of_key, actor_of_user
from tollway.identity.audit_log import AuditLog
from tollway.identity.keys import digest_of
from tollway.identity.oauth import WRONG_CODE, App, Challenge, check_verifier, read_app
from tollway.identity.sessions import new_token
from tollway.limits.gcra import Buckets, Want, per_minute
from tollway.limits.rules import subscriber_of
from tollway.storage.auth_codes import AuthCode, drop_expired, find_code, key_of_used_code, new_code, use_code
from tollway.storage.database import ConflictError, Database
from tollway.storage.keys import find_key
from tollway.storage.users import find_user

log = structlog.get_logger(__name__)

REDIRECTED_MS = 60_000
"""How long a code is good that goes straight to the app."""
CARRIED_MS = 10 * 60_000
"""How long one is good that somebody carries over by hand, or a program asked for."""
TRIES = per_minute(10)


class OAuthDesk:
    """Codes in the name of users, and keys for the apps that bring them."""

    def __init__(
        self,
        database: Database,
        keys: KeyDesk,
        audit: AuditLog,
        pepper: bytes,
        allowed: Collection[ChallengeMethod] = ("S256", "plain", "none"),
    ) -> None:
        self._database = database
        self._keys = keys
        self._audit = audit
        self._pepper = pepper
        self._allowed = allowed
        self.tries = Buckets()

    def read(self, callback_url: str | None, code_challenge: str | None, method: str | None) -> App:
        """Who asks. InvalidRequest: what is wrong, or switched off here."""
        app = read_app(callback_url, code_challenge, method, self._allowed)
        if app.challenge.method == "plain" and method is None:
            log.info("a code challenge without a method is plain", host=app.callback.host if app.callback else None)
        return app

    async def consent(self, actor: Actor, app: App, ask: NewKey, now_ms: int, *, life_ms: int) -> str:
        """A code by which the app gets a key as `ask` describes. Whoever consents must be able to make that key."""
        actor = structs.replace(actor, operator=False)  # for oneself, whatever else one may do
        workspace_id = await self._keys.check(actor, ask, now_ms)
        code = new_token()
        row = AuthCode(
            digest=digest_of(code, self._pepper).hex(),
            user_id=actor.user.id if actor.user else None,
            maker_key_id=actor.key_id,
            callback_url=app.callback.url if app.callback else None,
            challenge=app.challenge.value,
            method=app.challenge.method,
            record=msgspec.json.encode(structs.replace(ask, workspace_id=workspace_id)).decode(),
            created_ms=now_ms,
            expires_ms=now_ms + life_ms,
        )
        await self._audit.write(
            actor, "app.consented", app.callback.origin if app.callback else "headless",
            drop_expired(now_ms), new_code(row), now_ms=now_ms, workspace_id=workspace_id, method=row.method,
        )  # fmt: skip
        return code

    def count(self, address: str | None, now_ns: int) -> None:
        """RateLimited: more than ten exchanges a minute from one address, whether they succeed or not."""
        want = Want(
            ("exchange", subscriber_of(address) if address else None), TRIES, "exchanges per minute from this address"
        )
        if (short := self.tries.take([want], now_ns)) is not None:
            wait_s = -(-(short.wait_ns or 0) // 10**9)
            raise RateLimited(f"Too many exchanges: wait {wait_s} seconds.", retry_after_s=wait_s)

    async def exchange(self, code: str, verifier: str | None, method: str | None, now_ms: int) -> tuple[Key, str]:
        """The key and its secret. Forbidden: no such code, no proof, or used before, which ends the key of then.

        InvalidRequest: another method than the code was asked for with.
        """
        digest = digest_of(code, self._pepper)
        found = await find_code(self._database, digest, now_ms)
        if found is None:
            raise await self._refused(digest, now_ms)
        check_verifier(Challenge(found.method, found.challenge), verifier, method)
        actor, ask = await self._maker(found, now_ms), msgspec.json.decode(found.record, type=NewKey)
        try:
            return await self._keys.create(actor, ask, now_ms, lambda key: use_code(digest, key.id, now_ms))
        except ConflictError:
            raise await self._refused(digest, now_ms) from None
        except (NotFound, Forbidden):  # the workspace is gone, or its maker's place in it
            raise Forbidden(WRONG_CODE) from None

    async def _maker(self, code: AuthCode, now_ms: int) -> Actor:
        """In whose name the code is, as things are today. Forbidden: they may do nothing any more."""
        if code.maker_key_id is not None:
            key = await find_key(self._database, code.maker_key_id)
            if key is not None and not key.disabled and (key.expires_ms is None or key.expires_ms > now_ms):
                return await actor_of_key(self._database, key)
        elif code.user_id is not None:
            user = await find_user(self._database, code.user_id)
            if user is not None and not user.disabled:
                return await actor_of_user(self._database, user)
        raise Forbidden(WRONG_CODE)

    async def _refused(self, digest: bytes, now_ms: int) -> Forbidden:
        """A code that was used before is in two hands, one maybe a thief's: its key ends (RFC 6749, 4.1.2)."""
        if (key_id := await key_of_used_code(self._database, digest)) is not None:
            await self._keys.revoke(key_id, "its code was used twice", now_ms)
        return Forbidden(WRONG_CODE)
