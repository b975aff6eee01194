"""`/account/v1/...`: signing up, in and out, one's sessions, password and invitations; for our own pages."""

from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer, read_json
from tollway.api.browser import cookie_name, csrf_token, drop_session, keep_session, start_session
from tollway.api.house import House
from tollway.api.table import tells
from tollway.domain.errors import Forbidden, NotFound
from tollway.domain.people import Right, Role, Session, User
from tollway.identity.people import Welcome, checked_email
from tollway.storage.members import find_workspace


class SetUp(Struct, forbid_unknown_fields=True):
    """The first start's link: `token` comes from it."""

    token: str
    email: str
    password: str
    name: str = ""


class SignUp(Struct, forbid_unknown_fields=True):
    """`invitation`: the secret of a link that somebody sent."""

    email: str
    password: str
    name: str = ""
    invitation: str | None = None


class SignIn(Struct, forbid_unknown_fields=True):
    email: str
    password: str


class ChangePassword(Struct, forbid_unknown_fields=True):
    old: str
    new: str


class ResetPassword(Struct, forbid_unknown_fields=True):
    token: str
    new: str


class Join(Struct, forbid_unknown_fields=True):
    invitation: str


class Invite(Struct, forbid_unknown_fields=True):
    """`email`: the only address that may take it; None: whoever has the link."""

    email: str | None = None
    workspace_id: str | None = None
    role: Role = Role.MEMBER


async def set_up(house: House, request: Request) -> Response:
    """The first admin, by the link that the first start prints."""
    ask = await read_json(request, SetUp)
    user = await house.people.set_up(ask.token, ask.email, ask.password, ask.name, house.gateway.now_ms())
    return await begin_session(house, request, user)


async def sign_up(house: House, request: Request) -> Response:
    """A new user, signed in."""
    ask = await read_json(request, SignUp)
    now_ms = house.gateway.now_ms()
    house.people.passwords.count(f"new {ask.email}", house.proxies.client_of_request(request), now_ms * 1_000_000)
    user = await house.people.sign_up(ask.email, ask.password, ask.name, now_ms, ask.invitation)
    return await begin_session(house, request, user)


async def sign_in(house: House, request: Request) -> Response:
    """A new session; whatever session the browser had before ends."""
    ask = await read_json(request, SignIn)
    user = await house.people.sign_in(
        ask.email, ask.password, address=house.proxies.client_of_request(request), now_ms=house.gateway.now_ms()
    )
    return await begin_session(house, request, user)


async def sign_out(house: House, request: Request) -> Response:
    """Ends this session on our side too."""
    user, session = signed_in_self(request)
    await house.people.sessions.end(session.id, user.id)
    response = json_answer({"data": {"signed_out": True}})
    drop_session(house, response)
    return response


async def get_me(house: House, request: Request) -> Response:
    """Who is signed in, where they belong, and the token that changes must carry in `X-CSRF-Token`."""
    user, session = signed_in_self(request)
    workspaces = []
    for workspace_id, role in actor(request).roles.items():
        if (found := await find_workspace(house.database, workspace_id)) is not None:
            shown = {"id": found.id, "slug": found.slug, "name": found.name, "personal": found.personal}
            workspaces.append({**shown, "role": role.value})
    token = request.cookies[cookie_name(house)]
    data = {
        "user": user_json(user),
        "workspaces": workspaces,
        "session_id": session.id,
        "csrf_token": csrf_token(house, token),
    }
    return json_answer({"data": data})


async def list_sessions(house: House, request: Request) -> Response:
    """Where the user is signed in."""
    user, session = signed_in_self(request)
    found = await house.people.sessions.list(user.id)
    return json_answer({"data": [_session_json(each, current=each.id == session.id) for each in found]})


async def end_session(house: House, request: Request) -> Response:
    """Signs one of the user's browsers out. NotFound: another user's is like an absent one."""
    user, _ = signed_in_self(request)
    if not await house.people.sessions.end(request.path_params["id"], user.id):
        raise NotFound("There is no such session.")
    return json_answer({"data": {"deleted": True}})


async def change_password(house: House, request: Request) -> Response:
    """Every other session ends."""
    user, session = signed_in_self(request)
    ask = await read_json(request, ChangePassword)
    await house.people.change_password(user, ask.old, ask.new, house.gateway.now_ms(), keep_session=session.id)
    return json_answer({"data": {"changed": True}})


async def reset_password(house: House, request: Request) -> Response:
    """A new password by a link, and a new session."""
    ask, now_ms = await read_json(request, ResetPassword), house.gateway.now_ms()
    house.people.passwords.count_arrival(house.proxies.client_of_request(request), now_ms * 1_000_000)
    user = await house.people.reset_password(ask.token, ask.new, now_ms)
    return await begin_session(house, request, user)


async def join(house: House, request: Request) -> Response:
    """Takes an invitation to a workspace."""
    user, _ = signed_in_self(request)
    ask = await read_json(request, Join)
    workspace_id = await house.people.join(user, ask.invitation, house.gateway.now_ms())
    return json_answer({"data": {"workspace_id": workspace_id}})


@tells(status=201)
async def invite(house: House, request: Request) -> Response:
    """A link that lets somebody sign up, or join a workspace that the actor manages. Its secret is shown once."""
    who = actor(request)
    ask = await read_json(request, Invite)
    if ask.workspace_id is None and not who.operator:
        raise Forbidden("Only an admin of this server may invite people to it; say which workspace to invite them to.")
    if ask.workspace_id is not None:
        who.require(Right.OWN if ask.role is Role.OWNER else Right.MANAGE, ask.workspace_id)
        if await find_workspace(house.database, ask.workspace_id) is None:
            raise NotFound("There is no such workspace.")
    email = checked_email(ask.email) if ask.email else None
    welcome = Welcome(email, ask.workspace_id, ask.role)
    token = await house.people.invite(who, welcome, house.gateway.now_ms())
    return json_answer({"data": {"invitation": token, "url": f"{house.config.public_url}/join#{token}"}}, 201)


async def begin_session(house: House, request: Request, user: User) -> Response:
    """Signs the browser in: the user, and the token for changes."""
    token = await start_session(house, request, user)
    response = json_answer({"data": {"user": user_json(user), "csrf_token": csrf_token(house, token)}})
    keep_session(house, response, token)
    return response


def user_json(user: User) -> dict[str, Any]:
    """What a user may see of themselves."""
    return {
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "name": user.name,
        "admin": user.admin,
        "created_at": iso(user.created_ms),
    }


def _session_json(session: Session, *, current: bool) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": iso(session.created_ms),
        "last_seen_at": iso(session.seen_ms),
        "address": session.address,
        "user_agent": session.user_agent,
        "current": current,
    }


def signed_in_self(request: Request) -> tuple[User, Session]:
    """Who asks, and by which session. Forbidden: nobody who is signed in."""
    who = actor(request)
    if who.user is None or who.session is None:
        raise Forbidden("This URL is for somebody who is signed in.")
    return who.user, who.session
