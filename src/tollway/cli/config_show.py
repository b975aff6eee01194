"""`tollway config show`: the configuration in force, where each value comes from, secrets masked."""

from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from tollway.cli.terminal import console, print_json
from tollway.config import SECRETS, SECTIONS, leaves, load, origins

MASKED = "***"
_SECRET_NAMES = frozenset({"key", "keys", "ring", "client_secret", *(place.rpartition(".")[2] for place in SECRETS)})


def show(config_file: Path | None, *, as_json: bool) -> None:
    """Every value; `--json` gives `{"server.port": {"value": ..., "origin": ...}}`."""
    config = load(config_file)
    whence = origins(config_file, config.environment)
    tree = {name: msgspec.to_builtins(getattr(config, name)) for name in SECTIONS}
    values = {
        place: (_masked(place, value), whence.get(place, "default"))
        for place, value in leaves(tree)
        if not place.startswith("providers[") or place in whence
    }
    values.setdefault("storage.data_dir", (None, "default"))
    if values["storage.data_dir"][0] is None:
        values["storage.data_dir"] = (str(config.data_dir), "default")
    if as_json:
        print_json({place: {"value": value, "origin": origin} for place, (value, origin) in values.items()})
        return
    table = Table("setting", "value", "from", box=None, header_style="bold")
    for place, (value, origin) in values.items():
        shown = Text("not set", style="dim") if value is None else Text(str(value))
        table.add_row(Text(place), shown, Text(origin, style="dim" if origin == "default" else ""))
    console().print(table)


def _masked(place: str, value: object) -> object:
    name = place.rpartition(".")[2].partition("[")[0]
    if name in _SECRET_NAMES and value:
        return MASKED
    # A proxy's address may hold a password (http://user:password@host).
    if place.startswith("upstream.proxies") and isinstance(value, str) and "@" in value:
        return f"{value.partition('://')[0]}://{MASKED}@{value.rpartition('@')[2]}"
    return value
