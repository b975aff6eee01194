"""The commands about people and places: `tollway users`, `workspaces`, `groups`, `audit`, imported when called."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="A TOML file; default: ./tollway.toml")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts")]
ForWorkspace = Annotated[str, typer.Option("--workspace", help="Whose: a workspace's id")]
User = Annotated[str, typer.Argument(help="The user's e-mail address or id")]

users_app = typer.Typer(help="Who can sign in.", no_args_is_help=True)
workspaces_app = typer.Typer(
    help="Workspaces: what they want of their requests, and who is in them.", no_args_is_help=True
)
groups_app = typer.Typer(help="Groups with prices of their own, and who is in them.", no_args_is_help=True)
audit_app = typer.Typer(help="Who changed what.", no_args_is_help=True)


@users_app.command("list")
def users_list(
    search: Annotated[str, typer.Option(help="A part of the e-mail address or the name")] = "",
    admins: Annotated[bool, typer.Option("--admins", help="Only admins")] = False,
    disabled: Annotated[bool, typer.Option("--disabled", help="Only who is kept out")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List users."""
    from tollway.cli.users import show_all

    asyncio.run(show_all(config, search=search, admins=admins, disabled=disabled, as_json=as_json))


@users_app.command("show")
def users_show(user: User, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show a user, their workspaces and roles."""
    from tollway.cli.users import show

    asyncio.run(show(config, user, as_json=as_json))


@users_app.command("create")
def users_create(
    email: Annotated[str, typer.Argument(help="The user's e-mail address")],
    name: Annotated[str, typer.Option(help="How they are called")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="They administer this server")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a user, and print a link by which they choose a password."""
    from tollway.cli.users import create

    asyncio.run(create(config, email, name=name, admin=admin, as_json=as_json))


@users_app.command("invite")
def users_invite(
    email: Annotated[str | None, typer.Option(help="The only address that may take it")] = None,
    workspace: Annotated[str | None, typer.Option(help="A workspace that they join")] = None,
    role: Annotated[str, typer.Option(help="Their role there: owner, admin, billing, member")] = "member",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print a link by which somebody signs up, or joins a workspace."""
    from tollway.cli.users import invite

    asyncio.run(invite(config, email=email, workspace=workspace, role=role, as_json=as_json))


@users_app.command("link")
def users_link(user: User, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print a link to choose a new password, for who has lost theirs."""
    from tollway.cli.users import link

    asyncio.run(link(config, user, as_json=as_json))


@users_app.command("disable")
def users_disable(
    user: User,
    enable: Annotated[bool, typer.Option("--enable", help="Let them in again")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Keep a user out at once, with their sessions and keys, or let them in again."""
    from tollway.cli.users import disable

    asyncio.run(disable(config, user, disabled=not enable, as_json=as_json))


@users_app.command("admin")
def users_admin(
    user: User,
    take_away: Annotated[bool, typer.Option("--take-away", help="They administer it no more")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a user an admin of this server, or not any more."""
    from tollway.cli.users import set_admin

    asyncio.run(set_admin(config, user, admin=not take_away, as_json=as_json))


@audit_app.command("list")
def audit_list(
    action: Annotated[str | None, typer.Option(help="key.created, or key for all that happened to keys")] = None,
    actor: Annotated[str | None, typer.Option(help="Who did it, as the list shows it")] = None,
    target: Annotated[str | None, typer.Option(help="What it was done to: an id")] = None,
    workspace: Annotated[str | None, typer.Option(help="Where: a workspace's id")] = None,
    since: Annotated[datetime | None, typer.Option(help="From when on (UTC), e.g. 2027-01-31")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest")] = 100,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List entries of the audit log, the newest first."""
    from tollway.cli.audit import show
    from tollway.cli.terminal import utc_ms
    from tollway.storage.audit_log import Searched

    searched = Searched(workspace, actor, action, target, from_ms=utc_ms(since) if since else 0)
    asyncio.run(show(config, searched, limit=limit, as_json=as_json))


@audit_app.command("verify")
def audit_verify(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check whether any entry was changed or taken out. Exit code 1: so it was."""
    from tollway.cli.audit import verify

    raise typer.Exit(asyncio.run(verify(config, as_json=as_json)))


@audit_app.command("export")
def audit_export(
    file: Annotated[Path | None, typer.Option(help="A new file; default: standard output")] = None,
    config: ConfigFile = None,
) -> None:
    """Write every entry as a line of JSON, oldest first."""
    from tollway.cli.audit import export

    asyncio.run(export(config, file))


@workspaces_app.command("list")
def workspaces_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List workspaces and what they want of their requests."""
    from tollway.cli.workspaces import list_workspaces

    asyncio.run(list_workspaces(config, as_json=as_json))


@workspaces_app.command("show")
def workspaces_show(workspace: ForWorkspace = "default", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show what a workspace wants of its requests."""
    from tollway.cli.workspaces import show

    asyncio.run(show(config, workspace, as_json=as_json))


@workspaces_app.command("set")
def workspaces_set(
    changes: Annotated[list[str], typer.Argument(help="NAME=VALUE, such as ignore=acme,zenith; NAME= takes it back")],
    workspace: ForWorkspace = "default",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Change what a workspace wants: default_model, and any field of `provider`. A running server obeys at once."""
    from tollway.cli.workspaces import set_workspace

    asyncio.run(set_workspace(config, changes, workspace=workspace, as_json=as_json))


@workspaces_app.command("members")
def workspaces_members(workspace: ForWorkspace = "default", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List who is in a workspace, and in which role."""
    from tollway.cli.workspaces import show_members

    asyncio.run(show_members(config, workspace, as_json=as_json))


@workspaces_app.command("role")
def workspaces_role(
    user: User,
    role: Annotated[str, typer.Argument(help="owner, admin, billing or member; none takes them out")],
    workspace: ForWorkspace = "default",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a user into a workspace, give them another role, or take them out."""
    from tollway.cli.workspaces import set_role

    asyncio.run(set_role(config, user, role, workspace=workspace, as_json=as_json))


@workspaces_app.command("disable")
def workspaces_disable(
    workspace: Annotated[str, typer.Argument(help="A workspace's id or slug")],
    enable: Annotated[bool, typer.Option("--enable", help="Let its keys work again")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Stop every key of a workspace at once, or let them work again."""
    from tollway.cli.workspaces import disable

    asyncio.run(disable(config, workspace, disabled=not enable, as_json=as_json))


@workspaces_app.command("limit")
def workspaces_limit(
    workspace: Annotated[str, typer.Argument(help="A workspace's id or slug")],
    rpm: Annotated[str, typer.Argument(help="Requests a minute, or `none` for what the configuration says")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a workspace its own requests per minute, in force with the next request."""
    from tollway.cli.workspaces import limit

    asyncio.run(limit(config, workspace, rpm, as_json=as_json))


@groups_app.command("list")
def groups_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List groups, their multipliers, and the workspaces and keys in them."""
    from tollway.cli.groups import show_all

    asyncio.run(show_all(config, as_json=as_json))


@groups_app.command("set")
def groups_set(
    name: Annotated[str, typer.Argument(help="The group's name")],
    multiplier: Annotated[str, typer.Argument(help="Prices are the catalog's, times this: 0.85, 1.5")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a group, or change its multiplier. A running server prices the next request by it."""
    from tollway.cli.groups import set_group

    asyncio.run(set_group(config, name, multiplier, as_json=as_json))


@groups_app.command("remove")
def groups_remove(
    name: Annotated[str, typer.Argument(help="The group's name")], config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Remove a group: who was in it pays the list's price."""
    from tollway.cli.groups import remove

    asyncio.run(remove(config, name, as_json=as_json))


@groups_app.command("move")
def groups_move(
    group: Annotated[str, typer.Argument(help="The group's name; none takes them out")],
    workspace: Annotated[str | None, typer.Option(help="A workspace's id or slug")] = None,
    key: Annotated[str | None, typer.Option(help="A key's hash")] = None,
    user: Annotated[str | None, typer.Option(help="Each workspace that this user (e-mail or id) owns")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Move a workspace, a key, or what a user owns into a group."""
    from tollway.cli.groups import move

    asyncio.run(move(config, group, workspace=workspace, key=key, user=user, as_json=as_json))
