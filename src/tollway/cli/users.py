"""`tollway users list|show|create|invite|link|disable|admin`: who can sign in here."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from tollway.cli.control import reading
from tollway.cli.registrar import registrar
from tollway.cli.terminal import console, day_of, print_json
from tollway.config import load
from tollway.domain.people import Role, User
from tollway.gateway.admin_desk import ChangedUser, NewUser
from tollway.gateway.registrar import Invitation, Linked, ShownUser, shown_user
from tollway.storage.keys import keys_by_time
from tollway.storage.members import memberships_of
from tollway.storage.users import find_user, find_user_with_password, list_sessions, list_users

AT_ONCE = 1000


async def show_all(config_file: Path | None, *, search: str, admins: bool, disabled: bool, as_json: bool) -> None:
    """Prints users, oldest first. `admins`, `disabled`: only those."""
    found: list[User] = []
    async with reading(load(config_file)) as database:
        while True:
            page = await list_users(
                database,
                after=found[-1].id if found else "",
                limit=AT_ONCE,
                search=search,
                admin=True if admins else None,
                disabled=True if disabled else None,
            )
            found += page
            if len(page) < AT_ONCE:
                break
    if as_json:
        print_json([shown_user(each) for each in found])
        return
    if not found:
        console().print("There is no such user; make one: tollway users create EMAIL")
        return
    table = Table("id", "email", "name", "state", "since", box=None, header_style="bold")
    for each in found:
        table.add_row(each.id, Text(each.email), Text(each.name), state_of(shown_user(each)), day_of(each.created_ms))
    console().print(table)


async def show(config_file: Path | None, user: str, *, as_json: bool) -> None:
    """Prints a user, where they belong, and their keys. LookupError: there is none."""
    async with reading(load(config_file)) as database:
        found = await find_user(database, user)
        if found is None and (known := await find_user_with_password(database, user.strip().lower())):
            found = known[0]
        if found is None:
            raise LookupError(f'there is no user "{user}"; `tollway users list` shows them')
        places = await memberships_of(database, found.id)
        keys = await keys_by_time(database, creator=found.id, limit=AT_ONCE)
        sessions = await list_sessions(database, found.id)
    if as_json:
        print_json(
            {
                "user": shown_user(found),
                "workspaces": {each.workspace_id: each.role for each in places},
                "sessions": len(sessions),
                "keys": [{"id": key.id, "label": key.label, "disabled": key.disabled} for key in keys],
            }
        )
        return
    out = console()
    out.print(f"{found.email} ({found.name}), id {found.id}: {state_of(shown_user(found))}", markup=False)
    for each in places:
        out.print(f"{each.role.value} of workspace {each.workspace_id}", markup=False)
    out.print(f"{len(sessions)} sessions, {len(keys)} keys", markup=False)


async def create(config_file: Path | None, email: str, *, name: str, admin: bool, as_json: bool) -> None:
    """Makes a user and prints the link by which they choose a password. TollwayError: the address is taken."""
    async with registrar(load(config_file)) as clerk:
        _print_link(await clerk.create_user(NewUser(email, name, admin)), as_json)


async def link(config_file: Path | None, user: str, *, as_json: bool) -> None:
    """Prints a link to choose a new password."""
    async with registrar(load(config_file)) as clerk:
        _print_link(await clerk.link(user), as_json)


async def invite(
    config_file: Path | None, *, email: str | None, workspace: str | None, role: str, as_json: bool
) -> None:
    """Prints a link to sign up, or to join a workspace. ValueError: no such role."""
    async with registrar(load(config_file)) as clerk:
        done = await clerk.invite(Invitation(email, workspace, role_of(role)))
    if as_json:
        print_json(done)
    else:
        console().print(f"{done.url}\nThis link works once, for 7 days.", markup=False, soft_wrap=True)


async def disable(config_file: Path | None, user: str, *, disabled: bool, as_json: bool) -> None:
    """Keeps a user out at once, with their sessions and keys; or lets them in again."""
    await _change(config_file, user, ChangedUser(disabled=disabled), as_json)


async def set_admin(config_file: Path | None, user: str, *, admin: bool, as_json: bool) -> None:
    """Makes a user an admin of this server, or not any more."""
    await _change(config_file, user, ChangedUser(admin=admin), as_json)


async def _change(config_file: Path | None, user: str, ask: ChangedUser, as_json: bool) -> None:
    async with registrar(load(config_file)) as clerk:
        done = await clerk.change_user(user, ask)
    if as_json:
        print_json(done)
    else:
        console().print(f"{done.email}: {state_of(done)}", markup=False)


def state_of(user: ShownUser) -> str:
    """In words."""
    return "disabled" if user.disabled else "admin" if user.admin else "user"


def role_of(text: str) -> Role:
    """ValueError: it is none."""
    try:
        return Role(text)
    except ValueError:
        raise ValueError(f"{text} is no role: it is one of {', '.join(Role)}") from None


def _print_link(done: Linked, as_json: bool) -> None:
    if as_json:
        print_json({"user": done.data, "url": done.url})
        return
    told = f"{done.url}\nWith this link {done.data.email} chooses a password: once, within a day."
    console().print(told, markup=False, soft_wrap=True)
