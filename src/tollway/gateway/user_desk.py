"""Users as admins see them: disabled and enabled, made admins, signed out; what they lose ends at once."""

import asyncio
from collections.abc import Callable

from msgspec import structs

from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.people import Actor, User
from tollway.gateway.books import Books
from tollway.identity.audit_log import AuditLog
from tollway.storage.database import Database, Statement
from tollway.storage.keys import keys_of_user
from tollway.storage.users import disable_user, end_sessions, find_user, make_admin, other_admin


class UserDesk:
    """For admins who signed in lately, and the command line: others get a Forbidden."""

    def __init__(self, database: Database, books: Books, audit: AuditLog, forget: Callable[[bytes], None]) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._forget = forget
        """A key's digest: whoever has it in memory must read it again."""
        self._one = asyncio.Lock()
        """Of two admins who disable each other, one stays."""

    async def find(self, actor: Actor, user_id: str) -> User:
        """NotFound: there is none. Forbidden: the actor is no admin, or has not signed in lately."""
        if not actor.operator:
            raise Forbidden("For admins who signed in lately.")
        user = await find_user(self._database, user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def disable(self, actor: Actor, user_id: str, now_ms: int) -> User:
        """Their sessions and streams end, their keys are refused. InvalidRequest: nobody else is an admin."""
        async with self._one:
            user = await self.find(actor, user_id)
            if user.disabled:
                return user
            await self._check_admin_left(user)
            changes = (disable_user(user.id, True), end_sessions(user.id))
            await self._audit.write(actor, "user.disabled", user.id, *changes, now_ms=now_ms)
        for key in await keys_of_user(self._database, user.id):
            self._forget(key.digest)
            self._books.revoke(key.id)
        return structs.replace(user, disabled=True)

    async def enable(self, actor: Actor, user_id: str, now_ms: int) -> User:
        """They can sign in again, and their keys work again, but for those that were disabled by themselves."""
        async with self._one:
            user = await self.find(actor, user_id)
            if not user.disabled:
                return user
            await self._audit.write(actor, "user.enabled", user.id, disable_user(user.id, False), now_ms=now_ms)
        for key in await keys_of_user(self._database, user.id):
            self._forget(key.digest)
            if not key.disabled:
                self._books.restore(key.id)
        return structs.replace(user, disabled=False)

    async def set_admin(self, actor: Actor, user_id: str, admin: bool, now_ms: int) -> User:
        """Makes or unmakes an admin, who must sign in again. InvalidRequest: nobody else is an admin."""
        async with self._one:
            user = await self.find(actor, user_id)
            if user.admin is admin:
                return user
            if not admin:
                await self._check_admin_left(user)
            changes = (make_admin(user.id, admin), sign_out(actor, user.id))
            await self._audit.write(actor, "user.admin", user.id, *changes, now_ms=now_ms, admin=admin)
        if not admin:
            await cut_streams(self._database, self._books, user.id)
        return structs.replace(user, admin=admin)

    async def end_sessions(self, actor: Actor, user_id: str, now_ms: int) -> None:
        """Signs a user out everywhere."""
        user = await self.find(actor, user_id)
        await self._audit.write(actor, "sessions.ended", user.id, end_sessions(user.id), now_ms=now_ms)

    async def _check_admin_left(self, user: User) -> None:
        if user.admin and not user.disabled and not await other_admin(self._database, user.id):
            raise InvalidRequest("This is the only admin: make another user one first.")


def sign_out(actor: Actor, user_id: str) -> Statement:
    """Every session of a user whose role changes, save the one in which the user changes it (FAULTS.md 4.1)."""
    own = actor.session.id if actor.session is not None and actor.session.user_id == user_id else ""
    return end_sessions(user_id, but=own)


async def cut_streams(database: Database, books: Books, user_id: str, workspace_id: str | None = None) -> None:
    """Answers under way for a user's keys end; `workspace_id`: of this one only. The keys themselves go on."""
    for key in await keys_of_user(database, user_id, workspace_id):
        books.cut(key.id)
