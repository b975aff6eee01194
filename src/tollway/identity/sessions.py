"""Sessions: 256 random bits in a cookie, their digest in the database, two clocks that end them (FAULTS.md 4.1)."""

import secrets

from tollway.domain.errors import Forbidden
from tollway.domain.people import Session, User
from tollway.identity.keys import BASE62, digest_of
from tollway.storage.database import Database
from tollway.storage.users import (
    end_old_sessions,
    end_session,
    end_sessions,
    find_session,
    list_sessions,
    new_session,
    touch_session,
)

DAY_MS = 86_400_000
IDLE_MS, WHOLE_MS = 7 * DAY_MS, 30 * DAY_MS
FRESH_MS = 15 * 60_000
"""How long after showing a password an admin may change what is not theirs."""
TOUCH_MS = 60_000
SECRET_CHARS = 43


def new_token() -> str:
    """43 base62 characters: 256 bits."""
    return "".join(secrets.choice(BASE62) for _ in range(SECRET_CHARS))


def check_fresh(session: Session, now_ms: int) -> None:
    """Forbidden: the session is older than what changes how one signs in may be (FAULTS.md 4.1)."""
    if now_ms - session.fresh_ms > FRESH_MS:
        raise Forbidden("This needs a sign-in of the last 15 minutes: sign out, sign in again, and come back.")


class Sessions:
    """Who is signed in where. Read from the database each time: pages are no hot path, and what ends is over."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper

    async def start(self, user: User, now_ms: int, *, address: str | None, user_agent: str | None) -> str:
        """A new session, always of a new name: the cookie's value."""
        token = new_token()
        session = Session(secrets.token_hex(8), user.id, now_ms, now_ms, now_ms, address, (user_agent or "")[:200])
        old = end_old_sessions(now_ms - IDLE_MS, now_ms - WHOLE_MS)
        await self._database.write(old, new_session(session, digest_of(token, self._pepper)))
        return token

    async def find(self, token: str, now_ms: int) -> tuple[Session, User] | None:
        """The session that a cookie's value stands for, if it goes on: not idle for 7 days, not older than 30."""
        if len(token) != SECRET_CHARS or not token.isascii():
            return None
        found = await find_session(self._database, digest_of(token, self._pepper))
        if found is None:
            return None
        session, user = found
        if user.disabled or now_ms - session.seen_ms > IDLE_MS or now_ms - session.created_ms > WHOLE_MS:
            return None
        if now_ms - session.seen_ms > TOUCH_MS:
            await self._database.write(touch_session(session.id, now_ms))
        return session, user

    async def list(self, user_id: str) -> list[Session]:
        """A user's sessions."""
        return await list_sessions(self._database, user_id)

    async def end(self, session_id: str, user_id: str) -> bool:
        """Whether there was such a session of this user."""
        [rows] = await self._database.write(end_session(session_id, user_id))
        return bool(rows)

    async def end_all(self, user_id: str, *, but: str = "") -> None:
        """Signs a user out everywhere, save in one session."""
        await self._database.write(end_sessions(user_id, but=but))
