"""Levels of models that an admin named on the site: read with every market, written when they change."""

import msgspec

from tollway.domain.aliases import Alias
from tollway.storage.database import Database, Statement

_decoder = msgspec.json.Decoder(Alias)


async def list_levels(database: Database) -> dict[str, Alias]:
    """By name. One that this version can't read is left out: nobody would know what it means."""
    found: dict[str, Alias] = {}
    for name, record in await database.read("SELECT name, record FROM levels ORDER BY name"):
        try:
            found[name] = _decoder.decode(record)
        except msgspec.DecodeError:
            continue
    return found


def set_level(alias: Alias, now_ms: int) -> Statement:
    """A new one, or in place of the one of this name."""
    sql = """
    INSERT INTO levels (name, record, changed_ms) VALUES (:name, :record, :now_ms)
    ON CONFLICT (name) DO UPDATE SET record = excluded.record, changed_ms = excluded.changed_ms
    """
    record = msgspec.json.encode(alias).decode()
    return Statement(sql, ({"name": alias.name, "record": record, "now_ms": now_ms},))


def delete_level(name: str) -> Statement:
    """Nobody answers to it, unless it was shipped: then that is back."""
    return Statement("DELETE FROM levels WHERE name = :name", ({"name": name},))
