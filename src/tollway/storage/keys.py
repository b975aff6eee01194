"""Keys and workspaces, and what each key spent by day."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct, structs

from tollway.domain.chat import Preferences
from tollway.domain.guardrails import filters_of, rulings_of
from tollway.domain.identity import Key, KeyKind, LimitReset
from tollway.domain.money import Nanodollars
from tollway.domain.standing import Ruling, Standing, standing_of
from tollway.storage.byok import credentials_of
from tollway.storage.database import Database, Row, Statement
from tollway.storage.guardrails import guards_for
from tollway.storage.workspaces import settings_of

COLUMNS = """id, digest, workspace_id, name, label, kind, created_ms, usage_limit, limit_reset, expires_ms, disabled,
creator_user_id, rpm, default_model, updated_ms, include_byok, allowed_models, allowed_providers"""

ROOM_LABEL = "the site's chat room"
"""In place of a secret's ends: of keys whose secret nobody has."""

_decoder = msgspec.json.Decoder(tuple[str, ...])


class DaySpent(Struct, frozen=True):
    """What a key spent on a UTC day, counted in days since 1970."""

    day: int
    spent: Nanodollars
    last_ms: int = 0
    """When the last request of that day came."""
    byok: Nanodollars = 0
    """What went over the workspace's own credentials, at list price."""


async def create_workspace(database: Database, workspace_id: str, name: str, now_ms: int) -> str:
    """A workspace with its account, and its id; nothing happens if it is there, by this id or with this slug.

    One that was deleted is there again.
    """
    sql = "SELECT id FROM workspaces WHERE slug = :id AND id <> :id AND deleted_ms IS NULL"
    for (known,) in await database.read(sql, id=workspace_id):
        return str(known)
    await database.write(
        Statement(
            "INSERT INTO workspaces (id, slug, name, created_ms) VALUES (:id, :id, :name, :created_ms) "
            "ON CONFLICT (id) DO UPDATE SET deleted_ms = NULL",
            ({"id": workspace_id, "name": name, "created_ms": now_ms},),
        ),
        Statement("INSERT INTO accounts (id) VALUES (:id) ON CONFLICT (id) DO NOTHING", ({"id": workspace_id},)),
    )
    return workspace_id


async def workspace_exists(database: Database, workspace_id: str) -> bool:
    """Whether there is such a workspace."""
    sql = "SELECT 1 FROM workspaces WHERE id = :id AND deleted_ms IS NULL"
    return bool(await database.read(sql, id=workspace_id))


async def insert_key(database: Database, key: Key) -> None:
    """ConflictError: an id or digest that is there already."""
    await database.write(new_key(key))


def new_key(key: Key) -> Statement:
    row = _row(key)
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO keys ({COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


def set_key(key: Key) -> Statement:
    """Writes everything of a key that can change; its secret can't."""
    sql = """
    UPDATE keys SET name = :name, usage_limit = :usage_limit, limit_reset = :limit_reset, expires_ms = :expires_ms,
    disabled = :disabled, rpm = :rpm, default_model = :default_model, updated_ms = :updated_ms,
    include_byok = :include_byok, allowed_models = :allowed_models, allowed_providers = :allowed_providers
    WHERE id = :id AND deleted_ms IS NULL
    """
    return Statement(sql, (_row(key),))


def delete_key(key_id: str, now_ms: int) -> Statement:
    """It works no more and is not listed; what it did stays."""
    sql = "UPDATE keys SET deleted_ms = :now_ms, disabled = 1 WHERE id = :id"
    return Statement(sql, ({"id": key_id, "now_ms": now_ms},))


async def find_key_by_digest(database: Database, digest: bytes) -> Key | None:
    """The key with this HMAC digest and what its workspace wants, disabled and expired ones too, or None.

    A secret that was rotated finds its key, too, which expires for it when its time is over.

    A disabled user's keys are disabled, as long as the user is; and all keys of a workspace that is stopped.
    """
    columns = ", ".join(f"keys.{name.strip()}" for name in COLUMNS.split(","))
    sql = f"""
    SELECT {columns}, record, EXISTS (
        SELECT 1 FROM users WHERE users.disabled = 1 AND (users.id = keys.creator_user_id OR users.id = (
            SELECT created_by FROM workspaces WHERE workspaces.id = keys.workspace_id AND personal = 1))
    ) OR EXISTS (
        SELECT 1 FROM workspaces WHERE workspaces.id = keys.workspace_id AND disabled_ms IS NOT NULL
    ),
    (SELECT until_ms FROM rotated_secrets WHERE rotated_secrets.digest = :digest),
    EXISTS (SELECT 1 FROM guardrails WHERE workspace_id = keys.workspace_id),
    EXISTS (SELECT 1 FROM byok_credentials WHERE workspace_id = keys.workspace_id AND deleted_ms IS NULL),
    (SELECT workspaces.rpm FROM workspaces WHERE workspaces.id = keys.workspace_id)
    FROM keys LEFT JOIN workspace_settings USING (workspace_id) WHERE keys.deleted_ms IS NULL AND keys.id = COALESCE(
        (SELECT id FROM keys WHERE digest = :digest), (SELECT key_id FROM rotated_secrets WHERE digest = :digest))
    """  # noqa: S608 (constants)
    rows = await database.read(sql, digest=digest.hex())
    if not rows:
        return None
    *row, record, locked, until_ms, guarded, owns, workspace_rpm = rows[0]
    key = _key(tuple(row))
    if until_ms is not None:
        key = structs.replace(key, expires_ms=until_ms if key.expires_ms is None else min(until_ms, key.expires_ms))
    if locked:
        key = structs.replace(key, disabled=True)
    # Most workspaces have neither: for their keys one read is all.
    guards = await guards_for(database, key.workspace_id, key.id, key.creator_user_id) if guarded else []
    rulings = (*rulings_of(guards), *own_rulings(key))
    standing = standing_of(settings_of(record), key.default_model, rulings)
    own = await credentials_of(database, key.workspace_id) if owns else []
    if usable := tuple(each for each in own if each.opens_to(key.id, key.creator_user_id)):
        standing = structs.replace(standing or Standing(), own=usable)
    if filters := filters_of(guards):
        standing = structs.replace(standing or Standing(), filters=filters)
    return structs.replace(key, standing=standing, workspace_rpm=workspace_rpm)


def own_rulings(key: Key) -> tuple[Ruling, ...]:
    """What a key itself allows, below everybody above it."""
    if key.allowed_models is None and key.allowed_providers is None:
        return ()
    return (Ruling("the key's", Preferences(only=key.allowed_providers), key.allowed_models),)


async def find_key(database: Database, key_id: str) -> Key | None:
    """A key by its public id; None: there is none, or it was deleted."""
    sql = f"SELECT {COLUMNS} FROM keys WHERE id = :id AND deleted_ms IS NULL"  # noqa: S608 (constants)
    rows = await database.read(sql, id=key_id)
    return _key(rows[0]) if rows else None


async def list_keys(database: Database) -> list[Key]:
    """Every key, oldest first."""
    sql = f"SELECT {COLUMNS} FROM keys WHERE deleted_ms IS NULL ORDER BY created_ms, id"  # noqa: S608 (constants)
    return [_key(row) for row in await database.read(sql)]


async def digest_of_room(database: Database, workspace_id: str, user_id: str) -> bytes | None:
    """Of the key by which a user's chat room asks there; None: there is none, or it was deleted."""
    sql = """
    SELECT digest FROM keys WHERE workspace_id = :workspace_id AND creator_user_id = :user_id AND label = :label
    AND deleted_ms IS NULL
    """
    named = {"workspace_id": workspace_id, "user_id": user_id, "label": ROOM_LABEL}
    rows = await database.read(sql, **named)
    return bytes.fromhex(str(rows[0][0])) if rows else None


async def keys_of_workspace(
    database: Database,
    workspace_id: str,
    *,
    creator: str | None,
    disabled: bool,
    offset: int,
    limit: int,
    kind: KeyKind | None = None,
    unexpired_at_ms: int | None = None,
) -> list[Key]:
    """A workspace's keys, the newest first. `creator`: only those of this user. `disabled`: these too.

    `unexpired_at_ms`: only those that were not over at that time.
    """
    where = ["workspace_id = :workspace_id", "deleted_ms IS NULL"]
    named: dict[str, object] = {"workspace_id": workspace_id, "offset": offset, "limit": limit}
    if not disabled:
        where.append("disabled = 0")
    if creator is not None:
        where.append("creator_user_id = :creator")
        named["creator"] = creator
    if unexpired_at_ms is not None:
        where.append("(expires_ms IS NULL OR expires_ms > :at_ms)")
        named["at_ms"] = unexpired_at_ms
    if kind is not None:
        where.append("kind = :kind")
        named["kind"] = kind.value
    sql = f"""
    SELECT {COLUMNS} FROM keys WHERE {" AND ".join(where)} ORDER BY created_ms DESC, id LIMIT :limit OFFSET :offset
    """  # noqa: S608 (constants)
    return [_key(row) for row in await database.read(sql, **named)]


async def keys_of_user(database: Database, user_id: str, workspace_id: str | None = None) -> list[Key]:
    """Keys that a user made, and all of the user's own workspace. `workspace_id`: only those of this one."""
    sql = f"""
    SELECT {COLUMNS} FROM keys WHERE deleted_ms IS NULL AND (creator_user_id = :id OR workspace_id IN (
        SELECT workspaces.id FROM workspaces WHERE created_by = :id AND personal = 1))
    """  # noqa: S608 (constants)
    found = [_key(row) for row in await database.read(sql, id=user_id)]
    return [each for each in found if workspace_id in (None, each.workspace_id)]


async def keys_by_time(
    database: Database,
    *,
    before: Key | None = None,
    limit: int = 100,
    workspace_id: str | None = None,
    creator: str | None = None,
    disabled: bool | None = None,
) -> list[Key]:
    """Everybody's keys, the newest first. `before`: the last of the page before. `disabled`: only those, or none."""
    where = ["deleted_ms IS NULL"]
    named: dict[str, object] = {"limit": limit}
    if before is not None:
        where.append("(created_ms, id) < (:before_ms, :before_id)")
        named |= {"before_ms": before.created_ms, "before_id": before.id}
    for name, wanted in (("workspace_id", workspace_id), ("creator_user_id", creator), ("disabled", disabled)):
        if wanted is not None:
            where.append(f"{name} = :{name}")
            named[name] = int(wanted) if isinstance(wanted, bool) else wanted
    sql = f"""
    SELECT {COLUMNS} FROM keys WHERE {" AND ".join(where)} ORDER BY created_ms DESC, id DESC LIMIT :limit
    """  # noqa: S608 (constants)
    return [_key(row) for row in await database.read(sql, **named)]


async def ids_of_keys(database: Database, workspace_id: str) -> list[str]:
    """Ids of all its keys that were not deleted."""
    sql = "SELECT id FROM keys WHERE workspace_id = :id AND deleted_ms IS NULL"
    return [row[0] for row in await database.read(sql, id=workspace_id)]


async def active_keys(database: Database, workspace_id: str, creator: str | None = None) -> int:
    """How many keys of a workspace work, but for when they expire. `creator`: only those of this user."""
    sql = "SELECT COUNT(*) FROM keys WHERE workspace_id = :workspace_id AND disabled = 0 AND deleted_ms IS NULL"
    named = {"workspace_id": workspace_id}
    if creator is not None:
        sql, named = f"{sql} AND creator_user_id = :creator", {**named, "creator": creator}
    [[count]] = await database.read(sql, **named)
    return int(count)


async def key_is_of(database: Database, key_id: str, workspace_id: str, *, creator: str | None = None) -> bool:
    """Whether the workspace has or had this key. `creator`: and this user made it."""
    sql = "SELECT creator_user_id FROM keys WHERE id = :id AND workspace_id = :workspace_id"
    rows = await database.read(sql, id=key_id, workspace_id=workspace_id)
    return bool(rows) and creator in (None, rows[0][0])


async def was_key(database: Database, digest: bytes) -> bool:
    """Whether a key of ours has or had this HMAC digest: deleted ones, too."""
    sql = "SELECT 1 FROM keys WHERE digest = :digest UNION ALL SELECT 1 FROM rotated_secrets WHERE digest = :digest"
    return bool(await database.read(sql, digest=digest.hex()))


async def has_keys(database: Database) -> bool:
    """Whether any key was ever made."""
    return bool(await database.read("SELECT 1 FROM keys LIMIT 1"))


async def set_disabled(database: Database, key_id: str, disabled: bool) -> bytes | None:
    """Disables or enables a key; its digest, or None if there is no such key."""
    sql = "UPDATE keys SET disabled = :disabled WHERE id = :id AND deleted_ms IS NULL RETURNING digest"
    [rows] = await database.write(Statement(sql, ({"id": key_id, "disabled": int(disabled)},)))
    return bytes.fromhex(rows[0][0]) if rows else None


async def spent_by_day(database: Database, key_id: str) -> list[DaySpent]:
    """What the key spent on each day on which it was used, oldest first."""
    rows = await database.read(
        "SELECT day, spent, last_ms, byok FROM key_usage WHERE key_id = :id ORDER BY day", id=key_id
    )
    return [DaySpent(*row) for row in rows]


async def spent_by_key(database: Database, workspace_id: str, maker: str | None = None) -> dict[str, list[DaySpent]]:
    """The same of each key of the workspace, by the key's id; deleted ones too. `maker`: of those that he made."""
    sql = """
    SELECT key_id, day, spent, last_ms, byok FROM key_usage JOIN keys ON keys.id = key_id
    WHERE workspace_id = :workspace_id AND (:maker IS NULL OR creator_user_id = :maker) ORDER BY day
    """
    found: dict[str, list[DaySpent]] = {}
    for key_id, *row in await database.read(sql, workspace_id=workspace_id, maker=maker):
        found.setdefault(key_id, []).append(DaySpent(*row))
    return found


def counted_since(days: Iterable[DaySpent], day: int, *, byok: bool) -> Nanodollars:
    """What was spent from that day on. `byok`: with what callers' own providers bill."""
    return sum(each.spent + (each.byok if byok else 0) for each in days if each.day >= day)


def _row(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "digest": key.digest.hex(),
        "workspace_id": key.workspace_id,
        "name": key.name,
        "label": key.label,
        "kind": key.kind.value,
        "created_ms": key.created_ms,
        "usage_limit": key.limit,
        "limit_reset": key.limit_reset.value if key.limit_reset else None,
        "expires_ms": key.expires_ms,
        "disabled": int(key.disabled),
        "creator_user_id": key.creator_user_id,
        "rpm": key.rpm,
        "default_model": key.default_model,
        "updated_ms": key.updated_ms,
        "include_byok": int(key.include_byok),
        "allowed_models": _json(key.allowed_models),
        "allowed_providers": _json(key.allowed_providers),
    }


def _key(row: Row) -> Key:
    (key_id, digest, workspace, name, label, kind, created, limit, reset, expires, disabled, creator, rpm, *rest) = row
    model, updated_ms, include_byok, models, providers = rest
    return Key(
        id=key_id,
        digest=bytes.fromhex(digest),
        workspace_id=workspace,
        name=name,
        label=label,
        kind=KeyKind(kind),
        created_ms=created,
        limit=limit,
        limit_reset=LimitReset(reset) if reset else None,
        expires_ms=expires,
        disabled=bool(disabled),
        creator_user_id=creator,
        rpm=rpm,
        default_model=model,
        updated_ms=updated_ms,
        include_byok=bool(include_byok),
        allowed_models=_decoder.decode(models) if models else None,
        allowed_providers=_decoder.decode(providers) if providers else None,
    )


def _json(names: tuple[str, ...] | None) -> str | None:
    return None if names is None else msgspec.json.encode(names).decode()
