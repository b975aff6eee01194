"""Providers and levels that the operator added on the site, as if tollway.toml had said so: merged into one Config."""

import msgspec
import structlog
from msgspec.structs import replace

from tollway.config import Config, ProviderConfig
from tollway.domain.catalog import Catalog
from tollway.domain.kept_providers import KeptKey, KeptProvider
from tollway.identity.credentials import KeyRing, Unreadable
from tollway.storage.database import Database
from tollway.storage.kept_providers import list_kept, list_kept_keys
from tollway.storage.levels import list_levels

log = structlog.get_logger(__name__)

_decoder = msgspec.json.Decoder(ProviderConfig)


async def with_kept(config: Config, database: Database, ring: KeyRing | None) -> Config:
    """What the file says of a provider wins, save whether it is on, and its weight where the file says none.

    `ring` None: their keys stay closed.
    """
    config, kept = await _with_levels(config, database), {}
    for each in await list_kept(database):
        try:
            kept[each.slug] = decoded(each)
        except msgspec.MsgspecError as error:
            log.error("a provider that was added on the site can't be read", provider=each.slug, error=str(error))
    if not kept:
        return config
    keys = _opened(await list_kept_keys(database), ring)
    providers = [merged(mine, kept.pop(mine.slug, mine)) for mine in config.providers]
    providers += [replace(said, keys=tuple(keys.get(slug, ()))) for slug, said in kept.items()]
    return replace(config, providers=tuple(providers))


async def _with_levels(config: Config, database: Database) -> Config:
    """Levels of the file stay as they are, and replace those of the same name."""
    file = config.routing.aliases
    taken = {each.name for each in file}
    added = tuple(each for name, each in (await list_levels(database)).items() if name not in taken)
    return replace(config, routing=replace(config.routing, aliases=(*added, *file))) if added else config


def merged(mine: ProviderConfig, said: ProviderConfig) -> ProviderConfig:
    """A block of the file, with what the site says of the same provider."""
    weight = said.weight if mine.weight is None else mine.weight
    return replace(mine, enabled=mine.enabled and said.enabled, weight=weight)


def decoded(kept: KeptProvider) -> ProviderConfig:
    """What is kept of one, without its keys. msgspec.MsgspecError: it can't be read."""
    return _decoder.decode(kept.record)


def encoded(provider: ProviderConfig) -> str:
    """What is kept of one: everything but its keys."""
    return msgspec.json.encode(replace(provider, key=None, keys=())).decode()


def paused(catalog: Catalog, config: Config) -> Catalog:
    """The endpoints of providers that are switched off are switched off, so that everybody is told the same reason."""
    off = {mine.slug for mine in config.providers if not mine.enabled}
    if not off:
        return catalog
    endpoints = {
        model: tuple(replace(each, enabled=False) if each.provider in off else each for each in found)
        for model, found in catalog.endpoints.items()
    }
    return replace(catalog, endpoints=endpoints)


def _opened(keys: list[KeptKey], ring: KeyRing | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in keys if ring is not None else ():
        try:
            secret = ring.open(each.sealed, each.place) if ring is not None else ""
        except Unreadable as error:
            log.error("a key of a provider can't be opened", provider=each.provider, key=each.label, error=str(error))
        else:
            found.setdefault(each.provider, []).append(secret)
    return found
