"""`tollway workspaces set` and `tollway presets set`: settings in words, checked before they are kept."""

from typing import Any

import msgspec
from msgspec import Struct, structs

from tollway.domain.chat import MaxPrice, Percentiles, Preferences, SortBy
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.presets import PresetStatus
from tollway.domain.standing import WorkspaceSettings
from tollway.gateway.presets import found_preset
from tollway.routing.names import PRESET
from tollway.routing.rules import caps_of
from tollway.storage.database import Database
from tollway.storage.presets import designate, find_version, set_status

DEFAULT_MODEL = "default_model"
LISTS = ("order", "only", "ignore", "quantizations")
"""Preferences that are lists: said as words with commas between them."""
FIELDS = tuple(name for name in Preferences.__struct_fields__ if name != "options")
"""Preferences that can be said in a few words."""
INSIDE: dict[str, tuple[str, ...]] = {
    "max_price": MaxPrice.__struct_fields__,
    "sort": SortBy.__struct_fields__,
    "preferred_min_throughput": Percentiles.__struct_fields__,
    "preferred_max_latency": Percentiles.__struct_fields__,
}
"""Preferences that may be objects, and what these hold."""


class SetWorkspace(Struct, forbid_unknown_fields=True):
    """`changes`: `default_model`, or a field of `provider` (with a dot for one inside it) -> its value; empty: none."""

    workspace: str
    changes: dict[str, str] = {}


class Workspace(Struct):
    """A workspace's settings after a change."""

    workspace: str
    settings: WorkspaceSettings


class SetPreset(Struct, forbid_unknown_fields=True):
    """`tollway presets set`. What is None stays as it is."""

    workspace: str
    slug: str
    status: PresetStatus | None = None
    version: int | None = None


class PresetSet(Struct):
    """A preset after a change."""

    slug: str
    status: PresetStatus
    version: int


def changed(settings: WorkspaceSettings, changes: dict[str, str]) -> WorkspaceSettings:
    """InvalidRequest names what can't be set, or not so."""
    model = settings.default_model
    wishes: dict[str, Any] = msgspec.to_builtins(settings.provider or Preferences())
    for name, text in changes.items():
        if name == DEFAULT_MODEL:
            model = a_model(text, name) if text else None
        else:
            _change(wishes, name, text)
    found = converted(wishes, strict=False)
    return structs.replace(settings, default_model=model, provider=None if found == Preferences() else found)


def converted(wishes: dict[str, Any], *, strict: bool = True) -> Preferences:
    """A `provider` object as it is kept. InvalidRequest names what can't be set, or not so."""
    if unknown := sorted(wishes.keys() - set(FIELDS)):
        raise InvalidRequest(f"provider.{unknown[0][:80]} is no setting; there are {', '.join(FIELDS)}")
    try:
        found = msgspec.convert(wishes, Preferences, strict=strict)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error).replace("`$.", "`")) from None
    caps_of(found.max_price)
    return found


def a_model(name: str, param: str) -> str:
    """A default model as it is kept. InvalidRequest: it can't be one."""
    if PRESET in name or not 0 < len(name) <= 256 or not name.isprintable():
        raise InvalidRequest(f"{param}: name a model, as requests do; a preset can't be the default", param=param)
    return name


async def set_preset(database: Database, ask: SetPreset, now_ms: int) -> PresetSet:
    """NotFound: no such preset, or no such version of it."""
    preset, version = await found_preset(database, ask.workspace, ask.slug)
    if ask.version is not None:
        wanted = await find_version(database, preset.id, ask.version)
        if wanted is None:
            raise NotFound(f'The preset "{ask.slug}" has no version {ask.version}')
        await designate(database, preset.id, wanted.id, now_ms)
        version = wanted
    if ask.status is not None:
        await set_status(database, preset.id, ask.status, now_ms)
        preset = structs.replace(preset, status=ask.status)
    return PresetSet(preset.slug, preset.status, version.version)


def _change(wishes: dict[str, Any], name: str, text: str) -> None:
    field, dot, inner = name.removeprefix("provider.").partition(".")
    if field not in FIELDS or (dot and inner not in INSIDE.get(field, ())):
        known = ", ".join((DEFAULT_MODEL, *FIELDS))
        raise InvalidRequest(f"{name[:80]} is no setting; there are {known}", param=name[:80])
    if inner:
        held = wishes.get(field)
        held = dict(held) if isinstance(held, dict) else {}
        held.pop(inner, None)
        if text:
            held[inner] = text
        wishes[field] = held
    elif field in LISTS and text:
        wishes[field] = [each.strip() for each in text.split(",") if each.strip()]
    elif text:
        wishes[field] = text
    else:
        wishes.pop(field, None)
    if wishes.get(field) in ({}, []):
        del wishes[field]
