"""Departures: a user's account is deleted, with all that says who they were; teams, records and money stay whole."""

import asyncio
from collections.abc import Callable

import structlog

from tollway.domain.errors import InvalidRequest
from tollway.domain.people import Actor, Member, Role, User, Workspace
from tollway.gateway.background import Jobs
from tollway.gateway.books import Books
from tollway.gateway.retention import AT_ONCE, PAUSE_S
from tollway.identity.audit_log import AuditLog
from tollway.storage.database import Database, Statement, StorageError
from tollway.storage.departures import delete_user, emptied_workspaces, empty_workspace
from tollway.storage.generations import drop_records
from tollway.storage.keys import keys_of_user
from tollway.storage.members import find_workspace, members_of, memberships_of
from tollway.storage.usage_days import DAY_MS
from tollway.storage.users import other_admin
from tollway.telemetry import pulse

log = structlog.get_logger(__name__)

SETTLED_S = 60.0
"""By then an answer that was cut off has its record."""


class Departures:
    """`user` asks for themselves, or an admin does: who lets them in has checked it."""

    def __init__(
        self,
        database: Database,
        books: Books,
        audit: AuditLog,
        jobs: Jobs,
        forget: Callable[[bytes], None],
        forget_workspace: Callable[[str], None],
    ) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._jobs = jobs
        self._forget = forget
        self._forget_workspace = forget_workspace
        self._one = asyncio.Lock()
        """Of two owners of a team who go at once, one stays."""

    async def delete(self, actor: Actor, user: User, now_ms: int) -> None:
        """The user is gone at once, and their keys and streams are; records are emptied in the background.

        Workspaces of theirs alone go with them, and so do the credits in these. InvalidRequest: a team would have no
        owner, or this server no admin.
        """
        async with self._one:
            if user.admin and not await other_admin(self._database, user.id):
                raise InvalidRequest("This is the only admin: make another user one first.")
            going = await self._going(user)
            keys = await keys_of_user(self._database, user.id)
            changes: list[Statement] = []
            for workspace in going:
                changes += empty_workspace(workspace.id, now_ms)
            # The log is for ever: from here on it names them by their id only.
            own = actor.user is not None and actor.user.id == user.id
            who = Actor(f"user {user.id}", {}) if own else actor
            await self._audit.write(
                who, "user.deleted", user.id, *changes, *delete_user(user.id, now_ms),
                now_ms=now_ms, workspaces=[each.id for each in going], keys=len(keys),
            )  # fmt: skip
        for key in keys:
            self._forget(key.digest)
            self._books.revoke(key.id)
        for workspace in going:
            self._forget_workspace(workspace.id)
            for key_id in self._books.keys_of(workspace.id):
                self._books.revoke(key_id)
            self._jobs.spawn(self._empty(workspace.id, now_ms), "empty a workspace's records")

    async def keep_empty(self, now_ms: Callable[[], int]) -> None:
        """What a stop of the server broke off is done at its next start."""
        try:
            for workspace_id in await emptied_workspaces(self._database):
                await self._empty(workspace_id, now_ms())
            pulse.ran()
        except StorageError as error:
            pulse.failed(error)
            log.warning("could not look for records of users who are gone", error=str(error))

    async def _going(self, user: User) -> list[Workspace]:
        """The workspaces that nobody else is in. InvalidRequest: one that others are in, and nobody else owns."""
        going, stuck = [], []
        for held in await memberships_of(self._database, user.id):
            workspace = await find_workspace(self._database, held.workspace_id)
            if workspace is None:
                continue
            others = [each for each in await members_of(self._database, workspace.id) if each.user_id != user.id]
            if not others or (workspace.personal and workspace.created_by == user.id):
                going.append(workspace)
            elif held.role is Role.OWNER and not _owned(others):
                stuck.append(workspace.name)
        if stuck:
            raise InvalidRequest(
                f"You are the only owner of {', '.join(stuck)}: make another member an owner, or remove the others."
            )
        return going

    async def _empty(self, workspace_id: str, until_ms: int) -> None:
        """Twice: answers that were under way are recorded a moment later."""
        try:
            for wait_s in (0.0, SETTLED_S):
                await asyncio.sleep(wait_s)
                from_ms: int | None = 0
                while from_ms is not None:
                    from_ms = await drop_records(self._database, workspace_id, from_ms, until_ms + DAY_MS, AT_ONCE)
                    await asyncio.sleep(PAUSE_S)
        except StorageError as error:
            log.warning("could not empty records", workspace=workspace_id, error=str(error))


def _owned(members: list[Member]) -> bool:
    return any(each.role is Role.OWNER for each in members)
