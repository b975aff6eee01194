"""`tollway config show`: the configuration in force, where each value comes from, secrets masked."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from tollway.cli.terminal import console, print_json
from tollway.config import load, origins
from tollway.gateway.settings_shown import settings_shown


def show(config_file: Path | None, *, as_json: bool) -> None:
    """Every value; `--json` gives `{"server.port": {"value": ..., "origin": ...}}`."""
    config = load(config_file)
    whence = origins(config_file, config.environment)
    values = settings_shown(config, whence)
    if as_json:
        print_json({place: {"value": value, "origin": origin} for place, (value, origin) in values.items()})
        return
    table = Table("setting", "value", "from", box=None, header_style="bold")
    for place, (value, origin) in values.items():
        shown = Text("not set", style="dim") if value is None else Text(str(value))
        table.add_row(Text(place), shown, Text(origin, style="dim" if origin == "default" else ""))
    console().print(table)
