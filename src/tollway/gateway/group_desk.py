"""Groups with prices of their own, as an admin makes and fills them: in force with the next request, no restart."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.people import Actor, Role
from tollway.domain.storefronts import Group, GroupMember, Multiplier, Name
from tollway.identity.audit_log import AuditLog
from tollway.storage import price_groups as rows
from tollway.storage.database import Database
from tollway.storage.keys import find_key
from tollway.storage.members import find_workspace, memberships_of
from tollway.storage.users import find_user_by

NO_SUCH_GROUP = "There is no such group."
Text = Annotated[str, Meta(min_length=1, max_length=200)]


class SetGroup(Struct, forbid_unknown_fields=True):
    """`PUT /admin/v1/groups/{name}`: a new group, or another multiplier."""

    multiplier: Multiplier


class Move(Struct, forbid_unknown_fields=True):
    """`POST /admin/v1/group-members`: one of `workspace_id`, `key_hash` and `user_id`; `group` null: into none."""

    group: Name | None
    workspace_id: Text | None = None
    """An id or a slug."""
    key_hash: Text | None = None
    user_id: Text | None = None
    """An id or an e-mail address: each workspace that this user owns."""


class ShownGroup(Struct, frozen=True):
    """A group, and where it is changed."""

    name: str
    multiplier: str
    workspaces: tuple[str, ...]
    keys: tuple[str, ...]
    from_file: bool
    """Its multiplier, and whom the file names, are changed in tollway.toml."""


class GroupDesk:
    """Every actor here is an admin who signed in lately, or the operator: who lets them in has checked it."""

    def __init__(
        self, database: Database, audit: AuditLog, file: Sequence[Group], swap: Callable[[Sequence[Group]], None]
    ) -> None:
        self._database = database
        self._audit = audit
        self._file = {group.name: group for group in file}
        self._swap = swap
        """Has the next request priced by other groups."""
        self._one = asyncio.Lock()
        """Of two changes, the second sees what the first has done."""

    async def load(self) -> None:
        """Puts in force what is in the file and in the database."""
        self._swap(await self.groups())

    async def groups(self) -> tuple[Group, ...]:
        """All of them, the file's last: in a workspace or key that two name, the last one's price counts."""
        found = {name: Group(name, by) for name, by in (await rows.list_groups(self._database)).items()} | self._file
        named = {(kind, id_) for group in self._file.values() for kind, id_ in _members(group)}
        for member, name in await rows.list_members(self._database):
            if name in found and (member.kind, member.id) not in named:
                found[name] = _with(found[name], member)
        return tuple(found.values())

    async def shown(self) -> list[ShownGroup]:
        """All of them, by name."""
        return [
            ShownGroup(group.name, group.multiplier, group.workspaces, group.keys, group.name in self._file)
            for group in sorted(await self.groups(), key=lambda group: group.name)
        ]

    async def set(self, actor: Actor, name: str, ask: SetGroup, now_ms: int) -> ShownGroup:
        """A new group, or another multiplier. InvalidRequest: not a name, no multiplier, or it is the file's."""
        group = checked(name, ask.multiplier)
        async with self._one:
            if name in self._file:
                raise InvalidRequest(f'"{name}" is a group of tollway.toml: change its multiplier there.', param="name")
            before = (await rows.list_groups(self._database)).get(name)
            if before != group.multiplier:
                change = rows.set_group(name, group.multiplier, now_ms)
                details = {"multiplier": group.multiplier, **({} if before is None else {"before": before})}
                action = "group.created" if before is None else "group.changed"
                await self._audit.write(actor, action, name, change, now_ms=now_ms, **details)
                await self.load()
            return next(each for each in await self.shown() if each.name == name)

    async def remove(self, actor: Actor, name: str, now_ms: int) -> None:
        """Who was in it pays the list's price. NotFound: no admin made it."""
        async with self._one:
            if name in self._file:
                raise InvalidRequest(f'"{name}" is a group of tollway.toml: take it out there.', param="name")
            if name not in await rows.list_groups(self._database):
                raise NotFound(NO_SUCH_GROUP)
            await self._audit.write(actor, "group.deleted", name, *rows.delete_group(name), now_ms=now_ms)
            await self.load()

    async def move(self, actor: Actor, ask: Move, now_ms: int) -> list[GroupMember]:
        """Into a group, out of the one before -> who was moved. NotFound: no such group, workspace, key or user."""
        async with self._one:
            if ask.group is not None and ask.group not in {group.name for group in await self.groups()}:
                raise NotFound(NO_SUCH_GROUP)
            target, moved = await self._meant(ask)
            for member in moved:
                self._check_not_in_file(member)
            changes = [
                rows.delete_group_of(each) if ask.group is None else rows.set_group_of(each, ask.group, now_ms)
                for each in moved
            ]
            places = set(moved.values())
            await self._audit.write(
                actor, "group.moved", target, *changes,
                now_ms=now_ms, workspace_id=places.pop() if len(places) == 1 else None,
                group=ask.group, members=[f"{each.kind} {each.id}" for each in moved],
            )  # fmt: skip
            await self.load()
        return list(moved)

    async def target(self, ask: Move) -> str:
        """The id of what a move names, as the audit log has it. NotFound: there is no such."""
        return (await self._meant(ask))[0]

    async def _meant(self, ask: Move) -> tuple[str, dict[GroupMember, str]]:
        """The id of what was named; who is to be moved, and of which workspace each is."""
        if sum(each is not None for each in (ask.workspace_id, ask.key_hash, ask.user_id)) != 1:
            raise InvalidRequest("Name one of `workspace_id`, `key_hash` and `user_id`.", param="workspace_id")
        if ask.key_hash is not None:
            key = await find_key(self._database, ask.key_hash)
            if key is None:
                raise NotFound("There is no such key.")
            return key.id, {GroupMember("key", key.id): key.workspace_id}
        if ask.workspace_id is not None:
            workspace = await find_workspace(self._database, ask.workspace_id)
            if workspace is None:
                raise NotFound("There is no such workspace.")
            return workspace.id, {GroupMember("workspace", workspace.id): workspace.id}
        user = await find_user_by(self._database, ask.user_id or "")
        if user is None:
            raise NotFound("There is no such user.")
        places = [
            each.workspace_id for each in await memberships_of(self._database, user.id) if each.role is Role.OWNER
        ]
        if not places:
            raise InvalidRequest("This user owns no workspace.", param="user_id")
        return user.id, {GroupMember("workspace", id_): id_ for id_ in places}

    def _check_not_in_file(self, member: GroupMember) -> None:
        for group in self._file.values():
            if (member.kind, member.id) in _members(group):
                raise InvalidRequest(
                    f'tollway.toml puts this {member.kind} into "{group.name}": change it there.', param="group"
                )


def checked(name: str, multiplier: str) -> Group:
    """A group as the file would have it. InvalidRequest: why it can't be one."""
    try:
        if "/" in name:
            raise msgspec.ValidationError("a URL has one part for it - at `$.name`")
        return msgspec.convert({"name": name, "multiplier": multiplier}, Group)
    except msgspec.ValidationError as error:
        param = "name" if "$.name" in str(error) else "multiplier"
        told = {"name": "letters, digits, and . _ : -, at most 128", "multiplier": "such as 0.85 or 1.5, and not 0"}
        raise InvalidRequest(f"{param}: {told[param]}", param=param) from None


def _members(group: Group) -> list[tuple[str, str]]:
    return [*(("workspace", id_) for id_ in group.workspaces), *(("key", id_) for id_ in group.keys)]


def _with(group: Group, member: GroupMember) -> Group:
    if member.kind == "key":
        return structs.replace(group, keys=(*group.keys, member.id))
    return structs.replace(group, workspaces=(*group.workspaces, member.id))
