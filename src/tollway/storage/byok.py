"""Workspaces' own credentials for providers: written, listed, wiped, and put under another key of the ring."""

import base64
from collections.abc import Iterable

import msgspec

from tollway.domain.byok import Credential, Sealed, Wishes
from tollway.storage.database import Database, Row, Statement

COLUMNS = "id, workspace_id, provider, label, created_ms, version, ring_key, data_key, secret, record, deployed"
_wishes = msgspec.json.Decoder(Wishes)
_models = msgspec.json.Decoder(tuple[str, ...])


async def find_credential(database: Database, credential_id: str) -> Credential | None:
    """One that was not deleted, whoever's it is."""
    sql = f"SELECT {COLUMNS} FROM byok_credentials WHERE id = :id AND deleted_ms IS NULL"  # noqa: S608 (constants)
    rows = await database.read(sql, id=credential_id)
    return _credential(rows[0]) if rows else None


async def credentials_of(database: Database, workspace_id: str) -> list[Credential]:
    """A workspace's, the oldest first."""
    sql = f"""
    SELECT {COLUMNS} FROM byok_credentials WHERE workspace_id = :id AND deleted_ms IS NULL ORDER BY created_ms, id
    """  # noqa: S608 (constants)
    return [_credential(row) for row in await database.read(sql, id=workspace_id)]


async def all_credentials(database: Database) -> list[Credential]:
    """Everybody's."""
    sql = f"SELECT {COLUMNS} FROM byok_credentials WHERE deleted_ms IS NULL ORDER BY id"  # noqa: S608 (constants)
    return [_credential(row) for row in await database.read(sql)]


async def ring_keys_used(database: Database) -> set[str]:
    """The ids of the ring's keys without which some secret could not be opened."""
    rows = await database.read("SELECT DISTINCT ring_key FROM byok_credentials WHERE deleted_ms IS NULL")
    return {row[0] for row in rows}


def new_credential(credential: Credential) -> Statement:
    values = ", ".join(f":{name.strip()}" for name in COLUMNS.split(","))
    return Statement(f"INSERT INTO byok_credentials ({COLUMNS}) VALUES ({values})", (_row(credential),))  # noqa: S608 (constants)


def set_credential(credential: Credential, *, secret: bool) -> Statement:
    """Writes what its owner says about it; `secret`: another secret as well, with what belongs to that."""
    fields = ["record"]
    if secret:
        fields += ["label", "version", "ring_key", "data_key", "secret", "deployed"]
    changes = ", ".join(f"{name} = :{name}" for name in fields)
    row = _row(credential)
    sql = f"UPDATE byok_credentials SET {changes} WHERE id = :id AND deleted_ms IS NULL"  # noqa: S608 (constants)
    return Statement(sql, ({name: row[name] for name in ("id", *fields)},))


def delete_credential(credential_id: str, now_ms: int) -> Statement:
    """The row stays, since records name it; the secret and its key are wiped."""
    sql = """
    UPDATE byok_credentials SET deleted_ms = :now_ms, ring_key = NULL, data_key = NULL, secret = NULL WHERE id = :id
    """
    return Statement(sql, ({"id": credential_id, "now_ms": now_ms},))


def set_wrapped(credentials: Iterable[Credential]) -> Statement:
    """Other wraps of the same secrets. One that got another secret meanwhile keeps its own."""
    sql = """
    UPDATE byok_credentials SET ring_key = :ring_key, data_key = :data_key
    WHERE id = :id AND version = :version AND deleted_ms IS NULL
    """
    names = ("id", "version", "ring_key", "data_key")
    rows = ({name: row[name] for name in names} for row in map(_row, credentials))
    return Statement(sql, tuple(rows))


def _row(credential: Credential) -> dict[str, object]:
    sealed = credential.sealed
    return {
        "id": credential.id,
        "workspace_id": credential.workspace_id,
        "provider": credential.provider,
        "label": credential.label,
        "created_ms": credential.created_ms,
        "version": credential.version,
        "ring_key": sealed.ring_key,
        "data_key": base64.b64encode(sealed.data_key).decode(),
        "secret": base64.b64encode(sealed.data).decode(),
        "record": msgspec.json.encode(credential.wishes).decode(),
        "deployed": None if credential.deployed is None else msgspec.json.encode(credential.deployed).decode(),
    }


def _credential(row: Row) -> Credential:
    id_, workspace_id, provider, label, created_ms, version, ring_key, data_key, secret, record, deployed = row
    return Credential(
        id=id_,
        workspace_id=workspace_id,
        provider=provider,
        label=label,
        created_ms=created_ms,
        version=version,
        sealed=Sealed(ring_key, base64.b64decode(data_key), base64.b64decode(secret)),
        wishes=_wishes.decode(record),
        deployed=None if deployed is None else _models.decode(deployed),
    )
