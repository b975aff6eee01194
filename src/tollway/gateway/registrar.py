"""What the command line does with users and places; a running server does the same at `/admin/v1`."""

from msgspec import Struct

from tollway.domain.people import Role, User
from tollway.gateway.admin_desk import AdminDesk, ChangedUser, LimitWorkspace, NewUser, StopWorkspace
from tollway.gateway.base import Gateway
from tollway.gateway.group_desk import GroupDesk, Move, SetGroup, ShownGroup
from tollway.gateway.member_desk import AddMembers, MemberDesk, RemoveMembers
from tollway.identity.actors import OPERATOR
from tollway.identity.people import People, Welcome, checked_email

PASSWORD_PAGE, JOIN_PAGE = "/password", "/join"


class ShownUser(Struct):
    """A user as a command prints them."""

    id: str
    email: str
    name: str
    admin: bool
    disabled: bool


class Linked(Struct):
    """A user and a link for them; the secret in it is here and nowhere else."""

    data: ShownUser
    url: str


class Invited(Struct):
    """A link that brings somebody in."""

    url: str


class Invitation(Struct):
    """`POST /admin/v1/invitations`. `email`: the only address that may take it; None: whoever has the link."""

    email: str | None = None
    workspace_id: str | None = None
    role: Role = Role.MEMBER


def page_link(public_url: str, page: str, token: str) -> str:
    """A link whose secret no server's log has: it stands behind the #."""
    return f"{public_url}{page}#{token}"


def shown_user(user: User) -> ShownUser:
    return ShownUser(user.id, user.email, user.name, user.admin, user.disabled)


class Registrar:
    """Needs what the one owner of the data directory has; every error is the API's own."""

    def __init__(
        self, admin: AdminDesk, members: MemberDesk, people: People, groups: GroupDesk, public_url: str
    ) -> None:
        self._admin = admin
        self._members = members
        self._people = people
        self._groups = groups
        self._public_url = public_url

    async def create_user(self, ask: NewUser) -> Linked:
        """A user without a password, and a link to choose one."""
        user, token = await self._admin.create_user(OPERATOR, ask, Gateway.now_ms())
        return self._linked(user, token)

    async def link(self, user: str) -> Linked:
        """A link to choose a new password."""
        found = await self._admin.find_user(user)
        return self._linked(found, await self._admin.link(OPERATOR, found, Gateway.now_ms()))

    async def change_user(self, user: str, ask: ChangedUser) -> ShownUser:
        """Another name, made an admin or not, kept out or not."""
        return shown_user(await self._admin.change_user(OPERATOR, user, ask, Gateway.now_ms()))

    async def invite(self, ask: Invitation) -> Invited:
        """A link to sign up, or to join a workspace."""
        if ask.workspace_id is not None:
            await self._admin.find_workspace(ask.workspace_id)
        email = checked_email(ask.email) if ask.email else None
        welcome = Welcome(email, ask.workspace_id, ask.role)
        token = await self._people.invite(OPERATOR, welcome, Gateway.now_ms())
        return Invited(page_link(self._public_url, JOIN_PAGE, token))

    async def set_role(self, workspace: str, user: str, role: Role | None) -> None:
        """A user's place in a workspace; None: no longer any."""
        found = await self._admin.find_user(user)
        if role is None:
            await self._members.remove(OPERATOR, workspace, RemoveMembers((found.id,)), Gateway.now_ms())
        else:
            await self._members.add(OPERATOR, workspace, AddMembers((found.id,), role), Gateway.now_ms())

    async def stop_workspace(self, workspace: str, ask: StopWorkspace) -> None:
        """None of its keys works, or they work again."""
        await self._admin.stop_workspace(OPERATOR, workspace, ask, Gateway.now_ms())

    async def limit_workspace(self, workspace: str, ask: LimitWorkspace) -> None:
        """Its own requests per minute, or those of the configuration."""
        await self._admin.limit_workspace(OPERATOR, workspace, ask, Gateway.now_ms())

    async def groups(self) -> list[ShownGroup]:
        """Groups with prices of their own, by name."""
        return await self._groups.shown()

    async def set_group(self, name: str, ask: SetGroup) -> None:
        """A new group, or another multiplier."""
        await self._groups.set(OPERATOR, name, ask, Gateway.now_ms())

    async def remove_group(self, name: str) -> None:
        """Who was in it pays the list's price."""
        await self._groups.remove(OPERATOR, name, Gateway.now_ms())

    async def move(self, ask: Move) -> None:
        """Into a group, or into none."""
        await self._groups.move(OPERATOR, ask, Gateway.now_ms())

    def _linked(self, user: User, token: str) -> Linked:
        return Linked(shown_user(user), page_link(self._public_url, PASSWORD_PAGE, token))
