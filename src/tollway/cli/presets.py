"""`tollway presets list|show|set`: a workspace's presets, whether they can be used, and which version counts."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from tollway.cli.control import office, reading
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.domain.presets import PresetStatus
from tollway.gateway.presets import PRESETS_MAX, VERSIONS_MAX, found_preset
from tollway.gateway.wishes import SetPreset
from tollway.storage.presets import list_presets, list_versions


async def show_all(config_file: Path | None, *, workspace: str, as_json: bool) -> None:
    """Prints a workspace's presets, the last changed first."""
    async with reading(load(config_file)) as database:
        found = await list_presets(database, workspace, limit=PRESETS_MAX, offset=0)
    if as_json:
        print_json(found)
        return
    if not found:
        console().print(
            f"{workspace} has no preset; POST /api/v1/presets/SLUG/chat/completions makes one", markup=False
        )
        return
    table = Table("preset", "status", "id", box=None, header_style="bold")
    for each in found:
        table.add_row(Text(each.slug), each.status.value, each.id)
    console().print(table)


async def show(config_file: Path | None, slug: str, *, workspace: str, as_json: bool) -> None:
    """Prints a preset's versions. NotFound: the workspace has none of this slug."""
    async with reading(load(config_file)) as database:
        preset, counts = await found_preset(database, workspace, slug)
        versions = await list_versions(database, preset.id, limit=VERSIONS_MAX, offset=0)
    if as_json:
        print_json({"preset": preset, "version": counts.version, "versions": versions})
        return
    out = console()
    out.print(f"{slug} is {preset.status.value}; version {counts.version} counts.", markup=False)
    for each in versions:
        out.print(f"{each.version}: {each.config}", markup=False)
        if each.system_prompt:
            out.print(f"   {each.system_prompt}", markup=False)


async def set_preset(
    config_file: Path | None, slug: str, *, workspace: str, status: str | None, version: int | None, as_json: bool
) -> None:
    """Lets a preset be used or not, or has another version count. ValueError: no such status."""
    try:
        wanted = None if status is None else PresetStatus(status)
    except ValueError:
        raise ValueError(f"--status {status}: it is one of {', '.join(PresetStatus)}") from None
    async with office(load(config_file)) as operator:
        done = await operator.set_preset(SetPreset(workspace, slug, wanted, version))
    if as_json:
        print_json(done)
    else:
        console().print(f"{done.slug} is {done.status.value}; version {done.version} counts.", markup=False)
