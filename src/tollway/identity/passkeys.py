"""Passkeys: made on the account page, kept by an authenticator, and enough to sign in with."""

from datetime import UTC, datetime
from typing import Any

import structlog

from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from tollway.domain.passkeys import NAME_MAX, PASSKEYS_MAX, Passkey, Place, place_of
from tollway.domain.people import Actor, Session, User
from tollway.identity.audit_log import AuditLog
from tollway.identity.authenticators import (
    ALGORITHMS,
    BadAnswerError,
    Credential,
    NewCredential,
    as_text,
    verify_new,
    verify_shown,
)
from tollway.identity.challenges import OPEN_MS, Challenges
from tollway.identity.ids import new_id
from tollway.identity.people import LAST_WAY, People
from tollway.storage.database import ConflictError, Database
from tollway.storage.passkeys import drop_passkey, find_passkey, name_passkey, new_passkey, passkeys_of, use_passkey
from tollway.storage.users import find_user

log = structlog.get_logger(__name__)

WRONG_PASSKEY = "This passkey does not sign you in here: use another one, or sign in in another way."
"""All that a failed sign-in says, whatever the reason."""
NO_PLACE = "Passkeys need https and a host name: the operator sets server.public_url."
NO_PASSKEY = "There is no such passkey."


class Passkeys:
    """What a page asks an authenticator, and what becomes of its answer. Who may ask was checked."""

    def __init__(self, database: Database, audit: AuditLog, people: People, public_url: str) -> None:
        self._database = database
        self._audit = audit
        self._people = people
        self._challenges = Challenges()
        self.place = place_of(public_url)
        """None: this server's address is none that browsers make passkeys for."""

    async def list(self, user: User) -> list[Passkey]:
        """A user's, those of another host name too."""
        return await passkeys_of(self._database, user.id)

    async def ask_new(self, user: User, session: Session, now_ms: int) -> tuple[str, dict[str, Any]]:
        """The state that has to come back, and what `navigator.credentials.create()` is asked (WebAuthn, 5.4)."""
        place = self._here()
        challenge, state = self._challenges.begin("new", session.id, now_ms)
        known = [each for each in await self.list(user) if each.rp_id == place.rp_id]
        return state, {
            "challenge": as_text(challenge.text.encode()),
            "rp": {"id": place.rp_id, "name": "Tollway"},
            "user": {"id": as_text(user.id.encode()), "name": user.email, "displayName": user.name},
            "pubKeyCredParams": [{"type": "public-key", "alg": each} for each in ALGORITHMS],
            "timeout": OPEN_MS,
            "attestation": "none",
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "required",
            },
            "excludeCredentials": [{"type": "public-key", "id": each.credential_id} for each in known],
        }

    async def add(
        self, user: User, session: Session, state: str, credential: NewCredential, name: str, now_ms: int
    ) -> Passkey:
        """What the authenticator made. Forbidden: the challenge. InvalidRequest: the answer, or too many."""
        place = self._here()
        challenge = self._challenges.take(state, "new", session.id, now_ms)
        if len(await self.list(user)) >= PASSKEYS_MAX:
            raise InvalidRequest(f"You have {PASSKEYS_MAX} passkeys: remove one first.")
        try:
            found = await verify_new(credential, challenge, place)
        except BadAnswerError as error:
            log.info("passkey refused", user=user.id, reason=str(error))
            raise InvalidRequest("What the authenticator answered is no passkey for this site.") from None
        shown = _named(name) or f"Passkey of {datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m-%d}"
        passkey = Passkey(
            id=new_id(now_ms), user_id=user.id, rp_id=place.rp_id, credential_id=found.credential_id,
            public_key=found.public_key, name=shown, sign_count=found.sign_count, synced=found.synced,
            created_ms=now_ms,
        )  # fmt: skip
        try:
            await self._audit.write(
                Actor(user.email, {}), "passkey.added", user.id, new_passkey(passkey),
                now_ms=now_ms, passkey=passkey.id, synced=passkey.synced,
            )  # fmt: skip
        except ConflictError:
            raise InvalidRequest("This passkey is registered already.") from None
        return passkey

    async def rename(self, user: User, passkey_id: str, name: str, now_ms: int) -> Passkey:
        """NotFound: none of this user's. InvalidRequest: no name."""
        passkey = await self._find(user, passkey_id)
        if not (shown := _named(name)):
            raise InvalidRequest("name: a passkey needs a name", param="name")
        await self._audit.write(
            Actor(user.email, {}), "passkey.renamed", user.id, name_passkey(passkey.id, user.id, shown),
            now_ms=now_ms, passkey=passkey.id,
        )  # fmt: skip
        return await self._find(user, passkey_id)

    async def remove(self, user: User, passkey_id: str, now_ms: int) -> None:
        """NotFound: none of this user's. InvalidRequest: nothing would be left to sign in with."""
        async with self._people.leaving:
            passkey = await self._find(user, passkey_id)
            here = self.place is not None and passkey.rp_id == self.place.rp_id
            if here and (await self._people.ways_in(user)).count == 1:
                raise InvalidRequest(LAST_WAY)
            await self._audit.write(
                Actor(user.email, {}), "passkey.removed", user.id, drop_passkey(passkey.id, user.id),
                now_ms=now_ms, passkey=passkey.id,
            )  # fmt: skip

    def ask_known(self, browser: str, now_ms: int) -> tuple[str, dict[str, Any]]:
        """The same for `navigator.credentials.get()`: whichever passkey the authenticator has for this place."""
        place = self._here()
        challenge, state = self._challenges.begin("sign-in", browser, now_ms)
        return state, {
            "challenge": as_text(challenge.text.encode()),
            "rpId": place.rp_id,
            "timeout": OPEN_MS,
            "userVerification": "required",
            "allowCredentials": [],
        }

    async def sign_in(
        self, browser: str, state: str, credential: Credential, *, address: str | None, now_ms: int
    ) -> User:
        """Whose passkey it is. Unauthenticated: the same words for every reason. Forbidden: the challenge.

        RateLimited: too many come to this address.
        """
        place = self._here()
        self._people.passwords.count_arrival(address, now_ms * 1_000_000)
        challenge = self._challenges.take(state, "sign-in", browser, now_ms)
        passkey = await find_passkey(self._database, credential.id)
        user = await find_user(self._database, passkey.user_id) if passkey else None
        if passkey is None or user is None or credential.response.user.rstrip("=") != as_text(user.id.encode()):
            raise Unauthenticated(WRONG_PASSKEY)
        try:
            found = await verify_shown(credential, challenge, place, passkey.public_key)
        except BadAnswerError as error:
            log.info("passkey refused", user=user.id, reason=str(error))
            raise Unauthenticated(WRONG_PASSKEY) from None
        if user.disabled:
            raise Unauthenticated(WRONG_PASSKEY)
        [rows] = await self._database.write(use_passkey(passkey.id, found.sign_count, now_ms))
        if not rows:  # a second authenticator has this key (WebAuthn, 6.1.1)
            await self._audit.write(
                Actor(user.email, {}), "passkey.copied", user.id,
                now_ms=now_ms, passkey=passkey.id, counted=found.sign_count,
            )  # fmt: skip
            raise Unauthenticated(WRONG_PASSKEY)
        return user

    async def _find(self, user: User, passkey_id: str) -> Passkey:
        for each in await self.list(user):
            if each.id == passkey_id:
                return each
        raise NotFound(NO_PASSKEY)

    def _here(self) -> Place:
        if self.place is None:
            raise Forbidden(NO_PLACE)
        return self.place


def _named(name: str) -> str:
    return " ".join("".join(each for each in name if each.isprintable()).split())[:NAME_MAX]
