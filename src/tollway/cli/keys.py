"""`tollway keys create|list|disable`: keys that callers use; a secret is shown once."""

from datetime import UTC, datetime
from pathlib import Path

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tollway.cli.control import office, reading
from tollway.cli.terminal import console, day_of, print_json, time_of
from tollway.config import load
from tollway.domain.identity import Key, LimitReset
from tollway.domain.money import nanodollars_to_text
from tollway.gateway.office import CreateKey, Disable
from tollway.storage.keys import list_keys as all_keys
from tollway.storage.keys import spent_by_day

ID_SHOWN = 12
"""Characters of an id in a table; any unique beginning names the key."""


async def create(
    config_file: Path | None,
    *,
    name: str,
    workspace: str,
    limit: str | None,
    reset: str | None,
    expires: str | None,
    as_json: bool,
    rpm: int | None = None,
    default_model: str | None = None,
    provisioning: bool = False,
) -> None:
    """Makes a key and prints it. ValueError: a reset or a date that is none; TollwayError: see `Office.create_key`."""
    ask = CreateKey(
        name=name,
        workspace=workspace,
        limit=limit,
        limit_reset=_reset(reset),
        expires_at=_moment(expires),
        rpm=rpm,
        default_model=default_model,
        provisioning=provisioning,
    )
    config = load(config_file)
    async with office(config) as operator:
        made = await operator.create_key(ask)
    if as_json:
        print_json(made)
        return
    out = console()
    out.print(Panel(Text(made.key, style="bold"), title="The key, shown this once", expand=False), soft_wrap=True)
    out.print(f"workspace {made.workspace}, id {made.id[:ID_SHOWN]}", markup=False)
    out.print(f"Use it:  curl {config.public_url}/api/v1/key -H 'Authorization: Bearer {made.key}'", soft_wrap=True)


async def list_keys(config_file: Path | None, *, as_json: bool) -> None:
    """Prints every key, oldest first; never a secret, which nobody has."""
    async with reading(load(config_file)) as database:
        keys = await all_keys(database)
        spent = {key.id: sum(day.spent for day in await spent_by_day(database, key.id)) for key in keys}
    now = datetime.now(UTC)
    if as_json:
        print_json([_as_json(key, spent[key.id]) for key in keys])
        return
    out = console()
    if not keys:
        out.print("There is no key yet; make one: tollway keys create --name NAME")
        return
    table = Table("id", "name", "label", "workspace", "spent", "limit", "made", "state", box=None, header_style="bold")
    for key in keys:
        limit = f"${nanodollars_to_text(key.limit)}" if key.limit is not None else "none"
        if key.limit_reset:
            limit += f" {key.limit_reset.value}"
        made = day_of(key.created_ms)
        cost = f"${nanodollars_to_text(spent[key.id])}"
        row = (key.id[:ID_SHOWN], Text(key.name), key.label, key.workspace_id, cost, limit, made, _state(key, now))
        table.add_row(*row)
    out.print(table)


async def disable(config_file: Path | None, key_id: str, *, disabled: bool, as_json: bool = False) -> None:
    """Stops a key, or lets it work again. LookupError: no key, or more than one, begins like this."""
    config = load(config_file)
    async with reading(config) as database:
        found = [key for key in await all_keys(database) if key.id.startswith(key_id)]
    if len(found) != 1 or not key_id:
        many = "more than one key begins" if found else "no key begins"
        raise LookupError(f'{many} with "{key_id}"; `tollway keys list` shows them')
    key = found[0]
    async with office(config) as operator:
        await operator.disable_key(Disable(key.id, disabled))
    if as_json:
        print_json(Disable(key.id, disabled))
        return
    said = "disabled: the next request with it is refused" if disabled else "enabled"
    console().print(f"{key.id[:ID_SHOWN]} ({key.name}, {key.label}) is {said}.", markup=False)


def _reset(text: str | None) -> LimitReset | None:
    if text is None:
        return None
    try:
        return LimitReset(text)
    except ValueError:
        raise ValueError(f"--reset {text}: it is one of {', '.join(each.value for each in LimitReset)}") from None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--expires {text}: not a time; write it like 2027-01-31T00:00:00Z") from None


def _state(key: Key, now: datetime) -> Text:
    if key.disabled:
        return Text("disabled", style="red")
    if key.expires_ms is None:
        return Text("works", style="green")
    if key.expires_ms <= now.timestamp() * 1000:
        return Text("expired", style="red")
    return Text(f"works until {time_of(key.expires_ms)}", style="green")


def _as_json(key: Key, spent: int) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "label": key.label,
        "workspace": key.workspace_id,
        "spent": nanodollars_to_text(spent),
        "limit": None if key.limit is None else nanodollars_to_text(key.limit),
        "limit_reset": key.limit_reset,
        "rpm": key.rpm,
        "default_model": key.default_model,
        "created_at": time_of(key.created_ms),
        "expires_at": None if key.expires_ms is None else time_of(key.expires_ms),
        "disabled": key.disabled,
    }
