"""What admins do with everybody's users and workspaces: the same for the API and the command line."""

from collections.abc import Callable
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.ledger import PLATFORM_ACCOUNTS
from tollway.domain.people import NO_SUCH_WORKSPACE, Actor, User, Workspace
from tollway.gateway.books import Books
from tollway.gateway.key_desk import RPM_MAX
from tollway.gateway.user_desk import UserDesk
from tollway.identity.audit_log import AuditLog
from tollway.identity.guest import WORKSPACE as GUESTS
from tollway.identity.people import People
from tollway.storage import members, users
from tollway.storage.database import Database
from tollway.storage.keys import find_key

NO_SUCH_USER = "There is no such user."


class NewUser(Struct, forbid_unknown_fields=True):
    """`POST /admin/v1/users`: they choose a password by the link that the answer has."""

    email: str
    name: Annotated[str, Meta(max_length=100)] = ""
    admin: bool = False


class ChangedUser(Struct, forbid_unknown_fields=True):
    """`PATCH /admin/v1/users/{id}`: what is left out stays. `admin` and `disabled` are changed one after the other."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    admin: bool | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class StopWorkspace(Struct, forbid_unknown_fields=True):
    """`POST /admin/v1/workspaces/{id}/disable`; `disabled: false` lets it go on."""

    disabled: bool = True


class LimitWorkspace(Struct, forbid_unknown_fields=True):
    """`POST /admin/v1/workspaces/{id}/limit`; `rpm` null: as the configuration says."""

    rpm: Annotated[int, Meta(ge=1, le=RPM_MAX)] | None


class AdminDesk:
    """Every actor here is an admin who signed in lately, or the operator: who lets them in has checked it."""

    def __init__(
        self,
        database: Database,
        books: Books,
        audit: AuditLog,
        people: People,
        user_desk: UserDesk,
        forget_workspace: Callable[[str], None],
    ) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._people = people
        self._users = user_desk
        self._forget_workspace = forget_workspace

    async def find_user(self, id_or_email: str) -> User:
        """NotFound: there is none."""
        user = await users.find_user_by(self._database, id_or_email)
        if user is None:
            raise NotFound(NO_SUCH_USER)
        return user

    async def create_user(self, actor: Actor, ask: NewUser, now_ms: int) -> tuple[User, str]:
        """A user without a password, and the secret of a link to choose one. InvalidRequest: the address is taken."""
        user = await self._people.create(actor, ask.email, ask.name, now_ms, admin=ask.admin)
        return user, await self.link(actor, user, now_ms)

    async def link(self, actor: Actor, user: User, now_ms: int) -> str:
        """The secret of a link to choose a new password; the old one works until it is taken."""
        if user.disabled:
            raise InvalidRequest("This user is disabled: enable them first, or the link would not work.")
        return await self._people.password_link(user, now_ms, actor)

    async def change_user(self, actor: Actor, id_or_email: str, ask: ChangedUser, now_ms: int) -> User:
        """The next request sees it. InvalidRequest: nobody would administer this server."""
        user = await self.find_user(id_or_email)
        if ask.admin is not UNSET and ask.disabled is not UNSET:
            raise InvalidRequest("Say either `admin` or `disabled`: one after the other.", param="admin")
        if ask.admin is not UNSET:
            user = await self._users.set_admin(actor, user.id, ask.admin, now_ms)
        elif ask.disabled is not UNSET:
            change = self._users.disable if ask.disabled else self._users.enable
            user = await change(actor, user.id, now_ms)
        if ask.name is not UNSET and ask.name != user.name:
            user = structs.replace(user, name=ask.name)
            await self._audit.write(actor, "user.renamed", user.id, users.set_user(user), now_ms=now_ms)
        return user

    async def find_workspace(self, id_or_slug: str) -> Workspace:
        """NotFound: there is none."""
        found = await members.find_workspace(self._database, id_or_slug)
        if found is None:
            raise NotFound(NO_SUCH_WORKSPACE)
        return found

    async def stop_workspace(self, actor: Actor, id_or_slug: str, ask: StopWorkspace, now_ms: int) -> Workspace:
        """None of its keys works from now on, and their answers under way end; or they work again."""
        workspace = await self.find_workspace(id_or_slug)
        if workspace.id == GUESTS or workspace.id in PLATFORM_ACCOUNTS:
            raise InvalidRequest("Guests come in by `guest.models`: empty it to keep them out.")
        if (workspace.disabled_ms is not None) is ask.disabled:
            return workspace
        disabled_ms = now_ms if ask.disabled else None
        await self._audit.write(
            actor, "workspace.disabled" if ask.disabled else "workspace.enabled", workspace.id,
            members.set_workspace_disabled(workspace.id, disabled_ms), now_ms=now_ms, workspace_id=workspace.id,
        )  # fmt: skip
        self._forget_workspace(workspace.id)
        for key_id in self._books.keys_of(workspace.id):
            key = await find_key(self._database, key_id)
            if ask.disabled:
                self._books.revoke(key_id)
            elif key is not None and not key.disabled:
                self._books.restore(key_id)
        return structs.replace(workspace, disabled_ms=disabled_ms)

    async def limit_workspace(self, actor: Actor, id_or_slug: str, ask: LimitWorkspace, now_ms: int) -> Workspace:
        """Its own requests per minute, in force with the next request; or those of the configuration again."""
        workspace = await self.find_workspace(id_or_slug)
        if workspace.id == GUESTS or workspace.id in PLATFORM_ACCOUNTS:
            raise InvalidRequest("Guests have `limits.guest_rpm`: change that.")
        if workspace.rpm == ask.rpm:
            return workspace
        await self._audit.write(
            actor, "workspace.limited", workspace.id, members.set_workspace_rpm(workspace.id, ask.rpm),
            now_ms=now_ms, workspace_id=workspace.id, rpm=ask.rpm, before=workspace.rpm,
        )  # fmt: skip
        self._forget_workspace(workspace.id)
        return structs.replace(workspace, rpm=ask.rpm)
