"""People and places: users, the workspaces that they belong to and in which role, and who asks for a change."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from tollway.domain.errors import Forbidden, NotFound

SignUp = Literal["open", "invite", "off"]
"""Who may become a user: everybody, who has an invitation, or nobody but those whom an admin makes."""

ChallengeMethod = Literal["S256", "plain", "none"]
"""How an app proves that a code of the OAuth flow is its own (RFC 7636), or that it does not."""


class Role(StrEnum):
    """What a user is in a workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    MEMBER = "member"


class Right(StrEnum):
    """What somebody wants to do in a workspace."""

    SEE = "see it"
    USE = "use it"  # make keys of one's own, and see their records
    PAY = "buy credits for it"
    MANAGE = "manage it"  # everybody's keys and records, settings, members, budgets, provider keys
    OWN = "delete it or change its owners"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.ADMIN: frozenset({Right.SEE, Right.USE, Right.PAY, Right.MANAGE}),
    Role.BILLING: frozenset({Right.SEE, Right.PAY}),
    Role.MEMBER: frozenset({Right.SEE, Right.USE}),
}


class User(Struct, frozen=True):
    """Somebody who can sign in."""

    id: str
    email: str
    """Lower case; one user for each."""
    name: str
    created_ms: int
    email_verified: bool = False
    admin: bool = False
    """Operates this server: every workspace, providers, prices, users."""
    disabled: bool = False


class Workspace(Struct, frozen=True):
    """Where money, keys and records are: one person's, or a team's."""

    id: str
    slug: str
    name: str
    created_ms: int
    description: str | None = None
    personal: bool = False
    created_by: str | None = None
    updated_ms: int | None = None
    disabled_ms: int | None = None
    """Since when the operator lets none of its keys work."""
    rpm: int | None = None
    """Requests per minute, in place of those that are configured for every workspace; an admin sets it."""


class Member(Struct, frozen=True):
    """A user in a workspace."""

    workspace_id: str
    user_id: str
    role: Role
    created_ms: int


class Session(Struct, frozen=True):
    """A browser in which a user is signed in. `id` is a random name for it; the cookie's secret is not here."""

    id: str
    user_id: str
    created_ms: int
    seen_ms: int
    fresh_ms: int
    """When the user last showed a password, or came back from an issuer: admins must have done so lately."""
    address: str | None = None
    user_agent: str | None = None


class Actor(Struct, frozen=True):
    """Who asks for a change: a provisioning key, a signed-in user, or the operator at the server's own machine."""

    name: str
    """For the audit log: a user's e-mail address, a key's label, "operator"."""
    roles: Mapping[str, Role]
    """By workspace id."""
    workspace_id: str | None = None
    """The workspace that is meant where the request names none: the key's own, or the user's personal one."""
    user: User | None = None
    key_id: str | None = None
    session: Session | None = None
    operator: bool = False
    """Whether everything is allowed: the command line, or an admin who has signed in lately."""

    def may(self, right: Right, workspace_id: str) -> bool:
        """Whether the actor has this right there."""
        role = self.roles.get(workspace_id)
        return self.operator or (role is not None and right in RIGHTS[role])

    def require(self, right: Right, workspace_id: str) -> None:
        """NotFound: not even a member, so that there is nothing to be seen. Forbidden: the role does not allow it."""
        if not self.may(right, workspace_id):
            role = self.roles.get(workspace_id)
            if role is None:
                raise NotFound(NO_SUCH_WORKSPACE)
            raise Forbidden(
                f"Your role in this workspace is {role.value}: you can't {right.value}. Ask an admin of it."
            )

    def workspace(self, wanted: str | None, right: Right) -> str:
        """The id of the workspace that is meant. NotFound, Forbidden: as `require`."""
        workspace_id = wanted or self.workspace_id
        if workspace_id is None:
            raise NotFound(NO_SUCH_WORKSPACE)
        self.require(right, workspace_id)
        return workspace_id


NO_SUCH_WORKSPACE = "There is no such workspace."
