"""Who carries out what a command does with users and places: the running server at `/admin/v1`, or the command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Struct

from tollway.app import open_people
from tollway.cli.control import DEADLINES, nobody_knows, own_database, owner
from tollway.config import Config
from tollway.domain.errors import TollwayError, Unavailable
from tollway.domain.http import HttpRequest
from tollway.domain.people import Role
from tollway.gateway.admin_desk import AdminDesk, ChangedUser, LimitWorkspace, NewUser, StopWorkspace
from tollway.gateway.books import Books
from tollway.gateway.group_desk import GroupDesk, Move, SetGroup, ShownGroup
from tollway.gateway.member_desk import AddMembers, MemberDesk, RemoveMembers
from tollway.gateway.registrar import Invitation, Invited, Linked, Registrar, ShownUser
from tollway.gateway.server_lists import error_message, send
from tollway.gateway.user_desk import UserDesk
from tollway.gateway.workspace_desk import WorkspaceDesk
from tollway.identity.audit_log import AuditLog
from tollway.storage.files import Control
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault


class Clerk(Protocol):
    """What an operator may do with people; `gateway/registrar.py` says what each does and which errors it raises."""

    async def create_user(self, ask: NewUser) -> Linked: ...

    async def link(self, user: str) -> Linked: ...

    async def change_user(self, user: str, ask: ChangedUser) -> ShownUser: ...

    async def invite(self, ask: Invitation) -> Invited: ...

    async def set_role(self, workspace: str, user: str, role: Role | None) -> None: ...

    async def stop_workspace(self, workspace: str, ask: StopWorkspace) -> None: ...
    async def limit_workspace(self, workspace: str, ask: LimitWorkspace) -> None: ...

    async def groups(self) -> list[ShownGroup]: ...

    async def set_group(self, name: str, ask: SetGroup) -> None: ...

    async def remove_group(self, name: str) -> None: ...

    async def move(self, ask: Move) -> None: ...


class RemoteRegistrar:
    """The running server's. Every method raises TollwayError with the server's own words."""

    def __init__(self, client: UpstreamClient, control: Control) -> None:
        self._client = client
        self._control = control

    async def create_user(self, ask: NewUser) -> Linked:
        return msgspec.convert(await self._ask("POST", "users", ask), Linked)

    async def link(self, user: str) -> Linked:
        return msgspec.convert(await self._ask("POST", f"users/{_part(user)}/link"), Linked)

    async def change_user(self, user: str, ask: ChangedUser) -> ShownUser:
        return msgspec.convert((await self._ask("PATCH", f"users/{_part(user)}", ask))["data"], ShownUser)

    async def invite(self, ask: Invitation) -> Invited:
        return msgspec.convert((await self._ask("POST", "invitations", ask))["data"], Invited)

    async def set_role(self, workspace: str, user: str, role: Role | None) -> None:
        found = (await self._ask("GET", f"users/{_part(user)}"))["data"]["id"]
        members = f"workspaces/{_part(workspace)}/members"
        if role is None:
            await self._ask("POST", f"{members}/remove", RemoveMembers((found,)))
        else:
            await self._ask("POST", f"{members}/add", AddMembers((found,), role))

    async def stop_workspace(self, workspace: str, ask: StopWorkspace) -> None:
        await self._ask("POST", f"workspaces/{_part(workspace)}/disable", ask)

    async def limit_workspace(self, workspace: str, ask: LimitWorkspace) -> None:
        await self._ask("POST", f"workspaces/{_part(workspace)}/limit", ask)

    async def groups(self) -> list[ShownGroup]:
        return msgspec.convert((await self._ask("GET", "groups"))["data"], list[ShownGroup])

    async def set_group(self, name: str, ask: SetGroup) -> None:
        await self._ask("PUT", f"groups/{_part(name)}", ask)

    async def remove_group(self, name: str) -> None:
        await self._ask("DELETE", f"groups/{_part(name)}")

    async def move(self, ask: Move) -> None:
        await self._ask("POST", "group-members", ask)

    async def _ask(self, method: str, path: str, ask: Struct | None = None) -> Any:
        headers = (("authorization", f"Bearer {self._control.token}"), ("content-type", "application/json"))
        body = b"" if ask is None else msgspec.json.encode(ask)
        try:
            status, answer = await send(
                self._client, HttpRequest(method, f"{self._control.url}/admin/v1/{path}", headers, body), DEADLINES
            )
        except UpstreamFault as fault:
            raise Unavailable(
                f"The server at {self._control.url} broke off ({fault.message}); whether the change was made is not "
                "known: look before you repeat it"
            ) from None
        if status not in (200, 201):
            raise TollwayError(error_message(answer) or f"The server answered with status {status}; its log says why")
        return msgspec.json.decode(answer)


@asynccontextmanager
async def registrar(config: Config) -> AsyncIterator[Clerk]:
    """The running server's registrar, or our own while we hold the lock of the data directory."""
    async with owner(config) as (client, server):
        if server is not None:
            yield RemoteRegistrar(client, server)
            return
        async with own_database(config) as (database, pepper):
            books, audit = Books(database), AuditLog(database)
            people = open_people(config, database, pepper, audit, books)
            users = UserDesk(database, books, audit, nobody_knows)
            places = WorkspaceDesk(database, books, audit, nobody_knows, config.records)
            members = MemberDesk(database, books, audit, places)
            admin = AdminDesk(database, books, audit, people, users, nobody_knows)
            groups = GroupDesk(database, audit, config.billing.groups, lambda _: None)
            yield Registrar(admin, members, people, groups, config.public_url)


def _part(text: str) -> str:
    """One part of a path, whatever is in it."""
    return quote(text, safe="")
