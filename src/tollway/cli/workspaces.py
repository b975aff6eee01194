"""`tollway workspaces ...`: what a workspace wants of its requests, what it may have, and who is in it."""

from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from tollway.cli.control import office, reading
from tollway.cli.registrar import registrar
from tollway.cli.terminal import console, day_of, print_json
from tollway.cli.users import role_of
from tollway.config import load
from tollway.domain.standing import RULED, WorkspaceSettings
from tollway.gateway.admin_desk import LimitWorkspace, StopWorkspace
from tollway.gateway.key_desk import RPM_MAX
from tollway.gateway.wishes import DEFAULT_MODEL, SetWorkspace
from tollway.storage.members import find_workspace, members_of, people_of
from tollway.storage.workspaces import list_settings

NO_LIMIT = "none"
NO_ROLE = "none"


async def list_workspaces(config_file: Path | None, *, as_json: bool) -> None:
    """Prints every workspace and what it wants."""
    async with reading(load(config_file)) as database:
        found = await list_settings(database)
    if as_json:
        print_json([{"workspace": id_, "settings": settings} for id_, settings in found])
        return
    if not found:
        console().print("There is no workspace yet; a key makes one: tollway keys create")
        return
    table = Table("workspace", "settings", box=None, header_style="bold")
    for id_, settings in found:
        table.add_row(Text(id_), Text(", ".join(f"{name}={value}" for name, value in said(settings)) or "none"))
    console().print(table)


async def show(config_file: Path | None, workspace: str, *, as_json: bool) -> None:
    """Prints what a workspace wants. LookupError: there is none of that name."""
    async with reading(load(config_file)) as database:
        found = dict(await list_settings(database)).get(workspace)
    if found is None:
        raise LookupError(f'there is no workspace "{workspace}"; `tollway workspaces list` shows them')
    _print(workspace, found, as_json)


async def set_workspace(config_file: Path | None, changes: list[str], *, workspace: str, as_json: bool) -> None:
    """Changes what a workspace wants: `name=value`, and without a value it is taken back. ValueError: not so."""
    pairs: dict[str, str] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise ValueError(f"{change}: write NAME=VALUE, or NAME= to take it back")
        pairs[name.strip()] = value.strip()
    async with office(load(config_file)) as operator:
        done = await operator.set_workspace(SetWorkspace(workspace, pairs))
    _print(done.workspace, done.settings, as_json)


async def show_members(config_file: Path | None, workspace: str, *, as_json: bool) -> None:
    """Prints who is in a workspace, oldest first. LookupError: there is none of that name."""
    async with reading(load(config_file)) as database:
        found = await find_workspace(database, workspace)
        if found is None:
            raise LookupError(f'there is no workspace "{workspace}"; `tollway workspaces list` shows them')
        members, people = await members_of(database, found.id), await people_of(database, found.id)
    if as_json:
        print_json([{"user": each.user_id, "email": people[each.user_id][0], "role": each.role} for each in members])
        return
    if not members:
        console().print(f"Nobody is in {workspace}; take somebody in: tollway workspaces role USER owner", markup=False)
        return
    table = Table("user", "email", "name", "role", "since", box=None, header_style="bold")
    for each in members:
        email, name = people[each.user_id]
        table.add_row(each.user_id, Text(email), Text(name), each.role.value, day_of(each.created_ms))
    console().print(table)


async def set_role(config_file: Path | None, user: str, role: str, *, workspace: str, as_json: bool) -> None:
    """Takes a user in, gives another role, or with "none" takes them out. ValueError: no such role."""
    wanted = None if role == NO_ROLE else role_of(role)
    async with registrar(load(config_file)) as clerk:
        await clerk.set_role(workspace, user, wanted)
    if as_json:
        print_json({"workspace": workspace, "user": user, "role": wanted})
    elif wanted is None:
        console().print(f"{user} is not in {workspace} any more.", markup=False)
    else:
        console().print(f"{user} is {wanted.value} of {workspace}.", markup=False)


async def disable(config_file: Path | None, workspace: str, *, disabled: bool, as_json: bool) -> None:
    """Stops every key of a workspace, or lets them work again."""
    async with registrar(load(config_file)) as clerk:
        await clerk.stop_workspace(workspace, StopWorkspace(disabled))
    if as_json:
        print_json({"workspace": workspace, "disabled": disabled})
        return
    said_so = "stopped: requests with its keys are refused" if disabled else "not stopped: its keys work"
    console().print(f"{workspace} is {said_so}.", markup=False)


async def limit(config_file: Path | None, workspace: str, rpm: str, *, as_json: bool) -> None:
    """A workspace's own requests per minute, or with "none" those of the configuration. ValueError: neither."""
    if rpm != NO_LIMIT and not (rpm.isascii() and rpm.isdecimal() and 1 <= int(rpm[:12]) <= RPM_MAX):
        raise ValueError(f"{rpm[:40]!r} is no limit: a whole number from 1 to {RPM_MAX:,}, or {NO_LIMIT}")
    wanted = None if rpm == NO_LIMIT else int(rpm)
    async with registrar(load(config_file)) as clerk:
        await clerk.limit_workspace(workspace, LimitWorkspace(wanted))
    if as_json:
        print_json({"workspace": workspace, "rpm": wanted})
        return
    told = "as many requests a minute as limits.workspace_rpm says" if wanted is None else f"{wanted:,} a minute"
    console().print(f"{workspace} may have {told}.", markup=False)


def said(settings: WorkspaceSettings) -> list[tuple[str, str]]:
    """Each setting as it may be written: its name and its value."""
    found = [] if settings.default_model is None else [(DEFAULT_MODEL, settings.default_model)]
    for name, value in msgspec.to_builtins(settings.provider or {}).items():
        if isinstance(value, dict):
            found += [(f"{name}.{inner}", str(each)) for inner, each in value.items()]
        else:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            found.append((name, text.lower() if isinstance(value, bool) else text))
    return found


def _print(workspace: str, settings: WorkspaceSettings, as_json: bool) -> None:
    if as_json:
        print_json({"workspace": workspace, "settings": settings})
        return
    out = console()
    pairs = said(settings)
    if not pairs:
        out.print(f"{workspace} leaves everything to its requests.", markup=False)
        return
    table = Table("setting", "value", "and a request", box=None, header_style="bold")
    for name, value in pairs:
        rule = "may narrow it, never widen it" if name.partition(".")[0] in RULED else "may say otherwise"
        table.add_row(name, Text(value), rule)
    out.print(table)
