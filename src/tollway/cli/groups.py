"""`tollway groups list|set|remove|move`: groups with prices of their own, and who is in them."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from tollway.cli.registrar import registrar
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.gateway.group_desk import Move, SetGroup

NONE = "none"


async def show_all(config_file: Path | None, *, as_json: bool) -> None:
    """Prints every group, those of the file too."""
    async with registrar(load(config_file)) as clerk:
        found = await clerk.groups()
    if as_json:
        print_json(found)
        return
    if not found:
        console().print("Everybody pays the catalog's prices; make a group: tollway groups set NAME MULTIPLIER")
        return
    table = Table("group", "times", "workspaces", "keys", "from", box=None, header_style="bold")
    for each in found:
        keys = ", ".join(key[:12] for key in each.keys)
        source = "tollway.toml" if each.from_file else "here"
        table.add_row(Text(each.name), each.multiplier, Text(", ".join(each.workspaces)), keys, source)
    console().print(table)


async def set_group(config_file: Path | None, name: str, multiplier: str, *, as_json: bool) -> None:
    """Makes a group, or gives it another multiplier."""
    async with registrar(load(config_file)) as clerk:
        await clerk.set_group(name, SetGroup(multiplier))
    if as_json:
        print_json({"name": name, "multiplier": multiplier})
    else:
        console().print(f"{name} pays the catalog's prices, times {multiplier}.", markup=False)


async def remove(config_file: Path | None, name: str, *, as_json: bool) -> None:
    """Who was in it pays the list's price."""
    async with registrar(load(config_file)) as clerk:
        await clerk.remove_group(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        console().print(f"There is no group {name} any more.", markup=False)


async def move(
    config_file: Path | None, group: str, *, workspace: str | None, key: str | None, user: str | None, as_json: bool
) -> None:
    """Moves one of them into a group, or out of any."""
    wanted = None if group == NONE else group
    async with registrar(load(config_file)) as clerk:
        await clerk.move(Move(wanted, workspace, key, user))
    if as_json:
        print_json({"group": wanted, "workspace": workspace, "key": key, "user": user})
    else:
        told = "in no group any more" if wanted is None else f"in {wanted}"
        console().print(f"{workspace or key or user} is {told}.", markup=False)
