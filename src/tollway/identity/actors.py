"""Who asks for a change: from a provisioning key or a session to what they may do where."""

from msgspec import structs

from tollway.domain.errors import NotFound
from tollway.domain.identity import Key
from tollway.domain.people import NO_SUCH_WORKSPACE, Actor, Right, Role, Session, User
from tollway.identity.sessions import FRESH_MS
from tollway.storage.database import Database
from tollway.storage.members import find_workspace, memberships_of
from tollway.storage.users import find_user

OPERATOR = Actor("operator", {}, operator=True)
"""The command line at the server's own machine."""


async def actor_of_key(database: Database, key: Key) -> Actor:
    """A provisioning key manages its own workspace. One that a user made manages what that user manages today."""
    creator = await find_user(database, key.creator_user_id) if key.creator_user_id else None
    roles = {key.workspace_id: Role.ADMIN}
    if creator is not None:
        held = [] if creator.disabled else await memberships_of(database, creator.id)
        roles = {each.workspace_id: Role.ADMIN for each in held if each.role in (Role.OWNER, Role.ADMIN)}
    return Actor(f"key {key.label}", roles, key.workspace_id, user=creator, key_id=key.id)


async def actor_of_session(database: Database, session: Session, user: User, now_ms: int) -> Actor:
    """A signed-in user; an admin who signed in lately may do everything."""
    actor = await actor_of_user(database, user)
    return structs.replace(actor, session=session, operator=user.admin and now_ms - session.fresh_ms <= FRESH_MS)


async def actor_of_user(database: Database, user: User) -> Actor:
    """A user who is not there now: what they may do in every workspace that they are a member of."""
    held = await memberships_of(database, user.id)
    roles = {each.workspace_id: each.role for each in held}
    return Actor(user.email, roles, held[0].workspace_id if held else None, user=user)


async def workspace_of(database: Database, actor: Actor, wanted: str | None, right: Right) -> str:
    """The id of the workspace that is to be changed, and is there: an operator may name any. NotFound, Forbidden."""
    found = await find_workspace(database, actor.workspace(wanted, right))
    if found is None:
        raise NotFound(NO_SUCH_WORKSPACE)
    return found.id
