"""Providers that an operator added on the site, and their sealed keys: read, written, deleted, wrapped anew."""

import base64
from collections.abc import Iterable

from tollway.domain.byok import Sealed
from tollway.domain.kept_providers import KeptKey, KeptProvider
from tollway.storage.database import Database, Row, Statement

KEY_COLUMNS = "id, provider, label, created_ms, ring_key, data_key, secret"


async def list_kept(database: Database) -> list[KeptProvider]:
    """All of them, by slug."""
    sql = "SELECT slug, record, created_ms, changed_ms FROM kept_providers ORDER BY slug"
    return [KeptProvider(*row) for row in await database.read(sql)]


async def list_kept_keys(database: Database) -> list[KeptKey]:
    """The keys of all, the oldest of each first."""
    sql = f"SELECT {KEY_COLUMNS} FROM kept_provider_keys ORDER BY provider, created_ms, id"  # noqa: S608 (constants)
    return [_key(row) for row in await database.read(sql)]


async def ring_keys_of_kept(database: Database) -> set[str]:
    """The ids of the ring's keys without which one of these could not be opened."""
    return {row[0] for row in await database.read("SELECT DISTINCT ring_key FROM kept_provider_keys")}


def set_kept(provider: KeptProvider) -> Statement:
    """A new one, or other words about one that is there."""
    sql = """
    INSERT INTO kept_providers (slug, record, created_ms, changed_ms)
    VALUES (:slug, :record, :created_ms, :changed_ms)
    ON CONFLICT (slug) DO UPDATE SET record = excluded.record, changed_ms = excluded.changed_ms
    """
    row = {
        "slug": provider.slug,
        "record": provider.record,
        "created_ms": provider.created_ms,
        "changed_ms": provider.changed_ms,
    }
    return Statement(sql, (row,))


def delete_kept(slug: str) -> tuple[Statement, ...]:
    """The provider and its keys."""
    row = ({"slug": slug},)
    return (delete_kept_keys(slug), Statement("DELETE FROM kept_providers WHERE slug = :slug", row))


def delete_kept_keys(slug: str) -> Statement:
    return Statement("DELETE FROM kept_provider_keys WHERE provider = :slug", ({"slug": slug},))


def new_kept_key(key: KeptKey) -> Statement:
    values = ", ".join(f":{name.strip()}" for name in KEY_COLUMNS.split(","))
    return Statement(f"INSERT INTO kept_provider_keys ({KEY_COLUMNS}) VALUES ({values})", (_row(key),))  # noqa: S608 (constants)


def delete_kept_key(slug: str, key_id: str) -> Statement:
    sql = "DELETE FROM kept_provider_keys WHERE id = :id AND provider = :slug"
    return Statement(sql, ({"id": key_id, "slug": slug},))


def set_kept_wrapped(keys: Iterable[KeptKey]) -> Statement:
    """Other wraps of the same secrets."""
    sql = "UPDATE kept_provider_keys SET ring_key = :ring_key, data_key = :data_key WHERE id = :id"
    rows = ({name: row[name] for name in ("id", "ring_key", "data_key")} for row in map(_row, keys))
    return Statement(sql, tuple(rows))


def _row(key: KeptKey) -> dict[str, object]:
    return {
        "id": key.id,
        "provider": key.provider,
        "label": key.label,
        "created_ms": key.created_ms,
        "ring_key": key.sealed.ring_key,
        "data_key": base64.b64encode(key.sealed.data_key).decode(),
        "secret": base64.b64encode(key.sealed.data).decode(),
    }


def _key(row: Row) -> KeptKey:
    id_, provider, label, created_ms, ring_key, data_key, secret = row
    sealed = Sealed(ring_key, base64.b64decode(data_key), base64.b64decode(secret))
    return KeptKey(id_, provider, label, created_ms, sealed)
