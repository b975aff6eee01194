"""A workspace's members: who may add and remove them, and give them roles; there is always an owner."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.people import RIGHTS, Actor, Member, Right, Role, Workspace
from tollway.gateway.books import Books
from tollway.gateway.user_desk import cut_streams, sign_out
from tollway.gateway.workspace_desk import WorkspaceDesk
from tollway.identity.audit_log import AuditLog
from tollway.storage import members
from tollway.storage.database import Database
from tollway.storage.keys import active_keys
from tollway.storage.users import find_user

UserIds = Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]


Found = tuple[list[Member], int, dict[str, tuple[str, str]]]
"""Members, a count, and everybody's e-mail address and name by id."""


class Colleague(Struct, frozen=True):
    """Somebody in a workspace of the actor's."""

    user_id: str
    email: str
    name: str
    manages: bool
    """Some workspace of these."""


class AddMembers(Struct):
    """`POST /workspaces/{id}/members/add`. `role`: ours; it is also given to those who are members already."""

    user_ids: UserIds
    role: Role | None = None


class RemoveMembers(Struct):
    """`POST /workspaces/{id}/members/remove`."""

    user_ids: UserIds


class MemberDesk:
    """All of a request's changes are made, or none. Who gets another role, or goes, is signed out everywhere."""

    def __init__(self, database: Database, books: Books, audit: AuditLog, workspaces: WorkspaceDesk) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._workspaces = workspaces

    async def list(self, actor: Actor, id_or_slug: str, *, offset: int, limit: int) -> Found:
        """A page of members, oldest first; the count is of all."""
        workspace = await self._workspaces.find(actor, id_or_slug)
        found = await members.members_of(self._database, workspace.id)
        return found[offset : offset + limit], len(found), await members.people_of(self._database, workspace.id)

    async def colleagues(self, actor: Actor) -> Sequence[Colleague]:
        """Everybody in the workspaces that the actor manages, by id."""
        found: dict[str, Colleague] = {}
        for place in actor.roles:
            if actor.may(Right.MANAGE, place):
                people = await members.people_of(self._database, place)
                for each in await members.members_of(self._database, place):
                    email, name = people[each.user_id]
                    known = found.get(each.user_id)
                    manages = Right.MANAGE in RIGHTS[each.role] or (known is not None and known.manages)
                    found[each.user_id] = Colleague(each.user_id, email, name, manages)
        return [found[user_id] for user_id in sorted(found)]

    async def add(self, actor: Actor, id_or_slug: str, ask: AddMembers, now_ms: int) -> Found:
        """The members that were named; the count is of the new ones.

        NotFound: a user whom the actor meets in no workspace: such a one is invited. InvalidRequest: nobody would own
        the workspace, or somebody would lose what their keys need.
        """
        workspace = await self._workspaces.find(actor, id_or_slug, Right.MANAGE)
        before = {each.user_id: each for each in await members.members_of(self._database, workspace.id)}
        after = dict(before)
        for user_id in dict.fromkeys(ask.user_ids):
            was = before.get(user_id)
            if was is None:
                await self._check_known(actor, user_id)
            role = ask.role or (was.role if was else Role.MEMBER)
            if Role.OWNER in (role, was.role if was else None) and (was is None or role is not was.role):
                actor.require(Right.OWN, workspace.id)
            if was is not None and Right.USE not in RIGHTS[role]:
                await self._check_keys(workspace, user_id)
            after[user_id] = Member(workspace.id, user_id, role, was.created_ms if was else now_ms)
        named = [after[user_id] for user_id in dict.fromkeys(ask.user_ids)]
        _check_owner(before.values(), after.values())
        changed = [each for each in named if each != before.get(each.user_id)]
        if changed:
            await self._audit.write(
                actor, "members.added", ", ".join(each.user_id for each in changed),
                *(members.set_member(each) for each in changed),
                *(sign_out(actor, each.user_id) for each in changed if each.user_id in before),
                now_ms=now_ms, workspace_id=workspace.id, roles=sorted({each.role.value for each in changed}),
            )  # fmt: skip
            for each in changed:
                was = before.get(each.user_id)
                if was is not None and not RIGHTS[was.role] <= RIGHTS[each.role]:
                    await cut_streams(self._database, self._books, each.user_id, workspace.id)
        people = await members.people_of(self._database, workspace.id)
        return named, len(after) - len(before), people

    async def remove(self, actor: Actor, id_or_slug: str, ask: RemoveMembers, now_ms: int) -> int:
        """How many were removed. Everybody may leave; to remove others is for those who manage the workspace."""
        alone = actor.key_id is None and actor.user is not None and set(ask.user_ids) == {actor.user.id}
        workspace = await self._workspaces.find(actor, id_or_slug, Right.SEE if alone else Right.MANAGE)
        before = {each.user_id: each for each in await members.members_of(self._database, workspace.id)}
        leaving = [before[user_id] for user_id in dict.fromkeys(ask.user_ids) if user_id in before]
        if any(each.role is Role.OWNER for each in leaving) and not alone:
            actor.require(Right.OWN, workspace.id)
        for each in leaving:
            await self._check_keys(workspace, each.user_id)
        _check_owner(before.values(), [each for each in before.values() if each not in leaving])
        if workspace.personal and any(each.user_id == workspace.created_by for each in leaving):
            raise InvalidRequest("This workspace is that user's own.", param="user_ids")
        if leaving:
            await self._audit.write(
                actor, "members.removed", ", ".join(each.user_id for each in leaving),
                *(members.remove_member(workspace.id, each.user_id) for each in leaving),
                *(sign_out(actor, each.user_id) for each in leaving),
                now_ms=now_ms, workspace_id=workspace.id,
            )  # fmt: skip
        return len(leaving)

    async def _check_known(self, actor: Actor, user_id: str) -> None:
        user = await find_user(self._database, user_id)
        known = actor.operator or (
            actor.user is not None and await members.share_a_workspace(self._database, actor.user.id, user_id)
        )
        if user is None or user.disabled or not known:
            raise NotFound("There is no such user; an invitation brings in others.")

    async def _check_keys(self, workspace: Workspace, user_id: str) -> None:
        """OpenRouter's rule: who has working keys stays (OPENROUTER.md 8.8)."""
        if working := await active_keys(self._database, workspace.id, user_id):
            raise InvalidRequest(
                f"This member has {working} working keys here: delete or disable them first.", param="user_ids"
            )


def _check_owner(before: Iterable[Member], after: Iterable[Member]) -> None:
    owners = [sum(each.role is Role.OWNER for each in found) for found in (before, after)]
    if owners[0] and not owners[1]:
        raise InvalidRequest("A workspace needs an owner: give another member that role first.", param="user_ids")
