"""`tollway audit list|verify|export`: who changed what here, and whether the log was touched."""

import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from tollway.cli.control import reading
from tollway.cli.terminal import console, print_json, time_of
from tollway.config import load
from tollway.storage.audit_log import AuditEntry, Searched, entries_in_order, list_entries
from tollway.storage.audit_log import verify as verify_chain


async def show(config_file: Path | None, searched: Searched, *, limit: int, as_json: bool) -> None:
    """Prints the newest entries that are meant, the newest first."""
    async with reading(load(config_file)) as database:
        found = await list_entries(database, limit=limit, searched=searched)
    if as_json:
        print_json([as_json_of(each) for each in found])
        return
    if not found:
        console().print("The audit log has no such entry.")
        return
    table = Table("number", "time", "who", "what", "to", "details", box=None, header_style="bold")
    for each in found:
        who, what, to = Text(each.actor), each.action, Text(each.target)
        table.add_row(str(each.number), time_of(each.created_ms), who, what, to, Text(each.details))
    console().print(table)


async def verify(config_file: Path | None, *, as_json: bool) -> int:
    """Prints whether any entry was changed or taken out; 1: so it was."""
    async with reading(load(config_file)) as database:
        found = await verify_chain(database)
    if as_json:
        print_json(found)
    elif found.broken:
        console().print("These entries were changed, or one before them was or is gone:")
        for each in found.broken:
            console().print(each, markup=False)
    else:
        told = f"{found.entries} entries, each as it was written. The newest one's hash: {found.last or 'none'}"
        console().print(told, markup=False, soft_wrap=True)
    return 1 if found.broken else 0


async def export(config_file: Path | None, file: Path | None) -> None:
    """Writes every entry as a line of JSON, oldest first: to a file that is not there yet, or to standard output."""
    async with reading(load(config_file)) as database:
        out = sys.stdout.buffer if file is None else file.open("xb")
        try:
            async for page in entries_in_order(database):
                out.write(b"".join(msgspec.json.encode(as_json_of(each)) + b"\n" for each in page))
            out.flush()
        finally:
            if file is not None:
                out.close()


def as_json_of(entry: AuditEntry) -> dict[str, Any]:
    """With its details as JSON, not as a text of it."""
    return msgspec.structs.asdict(entry) | {"details": msgspec.Raw(entry.details.encode())}
