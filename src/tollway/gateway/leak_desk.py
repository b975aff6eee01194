"""Keys that were found in public: disabled at once, and whose they are is told."""

import structlog

from tollway.domain.identity import Key
from tollway.domain.leaks import Leak
from tollway.gateway.key_desk import KeyDesk
from tollway.identity.ids import new_id
from tollway.identity.keys import digest_of, well_formed
from tollway.storage.database import Database
from tollway.storage.keys import find_key_by_digest, was_key
from tollway.storage.notices import Notice, new_notice

log = structlog.get_logger(__name__)

URL_MAX = 500


class LeakDesk:
    """Takes what a scanner tells whose signature was checked."""

    def __init__(self, database: Database, keys: KeyDesk, pepper: bytes) -> None:
        self._database = database
        self._keys = keys
        self._pepper = pepper

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
        notice = _notice(key, where, now_ms)
        if await self._keys.disable_leaked(key, new_notice(notice), where, now_ms):
            log.warning("leaked key disabled", key=key.label, workspace=key.workspace_id, found_at=where)
        return True


def _notice(key: Key, where: str, now_ms: int) -> Notice:
    found = f" at {where}" if where else ""
    text = (
        f'Your key "{key.name}" ({key.label}) was found in public{found}. It was disabled, and its answers under way '
        "were ended. Make a new key, and take this one out of whatever shows it: its history, too."
    )
    return Notice(new_id(now_ms), key.workspace_id, key.creator_user_id, now_ms, text)
