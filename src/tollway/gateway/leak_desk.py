"""Keys that were found in public: disabled at once, and whose they are is told."""

from collections.abc import Callable

import structlog

from tollway.domain.alerts import Delivery
from tollway.domain.identity import Key
from tollway.domain.leaks import Leak
from tollway.domain.people import Actor
from tollway.gateway.key_desk import KeyDesk
from tollway.identity.ids import new_id
from tollway.identity.keys import digest_of, well_formed
from tollway.storage.alerts import new_delivery
from tollway.storage.database import Database
from tollway.storage.keys import find_key_by_digest, was_key
from tollway.storage.notices import Notice, new_notice
from tollway.storage.rotated_secrets import rotated_until

log = structlog.get_logger(__name__)

URL_MAX = 500
SUBJECT = "A key of yours was found in public"


class LeakDesk:
    """Takes what a scanner tells whose signature was checked."""

    def __init__(
        self, database: Database, keys: KeyDesk, pepper: bytes, wake_mail: Callable[[], None] | None = None
    ) -> None:
        """`wake_mail`: tells who sends mail that there is some; None: no mail can be sent."""
        self._database = database
        self._keys = keys
        self._pepper = pepper
        self._wake_mail = wake_mail

    async def take(self, leak: Leak, now_ms: int) -> bool:
        """Whether it is or was a key of ours. One that works is disabled, and its answers under way end.

        Told again of the same key, nothing happens, unless it was enabled meanwhile.
        """
        if not well_formed(leak.token):
            return False
        digest = digest_of(leak.token, self._pepper)
        key = await find_key_by_digest(self._database, digest)
        if key is None:
            return await was_key(self._database, digest)
        where = "".join(each for each in (leak.url or leak.source or "")[:URL_MAX] if each.isprintable())
        if (until_ms := await rotated_until(self._database, digest)) is not None:
            if until_ms > now_ms:  # the key has another secret by now, which nobody has seen
                await self._keys.end_old(Actor("tollway", {}, operator=True), key.id, now_ms)
                log.warning("a leaked old secret was ended", key=key.label, workspace=key.workspace_id, found_at=where)
            return True
        notice = _notice(key, where, now_ms)
        if await self._keys.disable_leaked(key, new_notice(notice), where, now_ms):
            await self._write_to_owner(notice, now_ms)
            log.warning("leaked key disabled", key=key.label, workspace=key.workspace_id, found_at=where)
        return True

    async def _write_to_owner(self, notice: Notice, now_ms: int) -> None:
        """The same words by mail, to who made the key; the notice is there whatever becomes of it."""
        if self._wake_mail is None or notice.user_id is None:
            return
        letter = Delivery(
            new_id(now_ms), notice.workspace_id, "mail", notice.user_id, SUBJECT, notice.text, now_ms, now_ms
        )
        await self._database.write(new_delivery(letter))
        self._wake_mail()


def _notice(key: Key, where: str, now_ms: int) -> Notice:
    found = f" at {where}" if where else ""
    text = (
        f'Your key "{key.name}" ({key.label}) was found in public{found}. It was disabled, and its answers under way '
        "were ended. Make a new key, and take this one out of whatever shows it: its history, too."
    )
    return Notice(new_id(now_ms), key.workspace_id, key.creator_user_id, now_ms, text)
