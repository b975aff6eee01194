"""Numbered migrations, applied in order, each in a transaction with its number and hash; a mismatch refuses."""

import hashlib
from importlib.resources import files

from tollway.storage.database import Database, StorageError
from tollway.storage.sqlite import SqliteDatabase

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)
"""


def shipped_migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of each migration in the package, in order."""
    folder = files("tollway.storage") / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(int(name.split("_", 1)[0]), name, (folder / name).read_text(encoding="utf-8")) for name in names]


async def migrate(database: SqliteDatabase) -> int:
    """Brings the schema to the newest number and returns it. StorageError: the database has what we don't know."""
    database.script(_TABLE)
    done = {number: (name, digest) for number, name, digest in await database.read("SELECT * FROM migrations")}
    known = shipped_migrations()
    if done and max(done) > max(number for number, _, _ in known):
        raise StorageError(f"the database is at migration {max(done)}, newer than this Tollway; upgrade Tollway")
    for number, name, sql in known:
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if number not in done:
            row = f"INSERT INTO migrations VALUES ({number}, '{name}', '{digest}');"  # noqa: S608 (our own file names)
            try:
                database.script(f"{sql}\n{row}")
            except StorageError as error:
                raise StorageError(f"migration {name} failed: {error}; nothing of it was kept") from error
        elif done[number][1] != digest:
            raise StorageError(f"migration {name} was changed after it was applied; restore the file, add a new one")
    return known[-1][0]


async def pending(database: Database) -> list[str]:
    """Names of migrations that this Tollway has and the database lacks. StorageError: it has what we don't know."""
    there = await database.read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'")
    done = {row[0] for row in await database.read("SELECT number FROM migrations")} if there else set()
    known = shipped_migrations()
    if done and max(done) > max(number for number, _, _ in known):
        raise StorageError(f"the database is at migration {max(done)}, newer than this Tollway; upgrade Tollway")
    return [name for number, name, _ in known if number not in done]


async def last_migration(database: Database) -> str:
    """The name of the newest one that was applied; "" before the first."""
    rows = await database.read("SELECT name FROM migrations ORDER BY number DESC LIMIT 1")
    return str(rows[0][0]) if rows else ""
