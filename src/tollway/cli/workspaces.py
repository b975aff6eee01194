"""`tollway workspaces list|show|set`: what a workspace wants of each of its requests."""

from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from tollway.cli.control import office, reading
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.domain.standing import RULED, WorkspaceSettings
from tollway.gateway.wishes import DEFAULT_MODEL, SetWorkspace
from tollway.storage.workspaces import list_settings


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
