"""Migrations: a fresh database, one that is up to date, one that is behind, changed or newer."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.storage.ledgers import run
from tollway.storage import migrate as migrating
from tollway.storage.database import StorageError
from tollway.storage.migrate import migrate, pending, shipped_migrations
from tollway.storage.sqlite import SqliteDatabase

SHIPPED = shipped_migrations()
NEWEST = SHIPPED[-1][0]


def bare(folder: Path) -> SqliteDatabase:
    """A database that was never migrated."""
    return SqliteDatabase(folder / "tollway.db")


def ship(monkeypatch: pytest.MonkeyPatch, *migrations: tuple[int, str, str]) -> None:
    """Another Tollway, with these migrations."""
    monkeypatch.setattr(migrating, "shipped_migrations", lambda: list(migrations))


def test_they_are_numbered_in_order() -> None:
    """1, 2, 3 ... without a gap, each with a name that says what it brings."""
    assert [number for number, _, _ in SHIPPED] == list(range(1, NEWEST + 1))
    assert all(name.startswith(f"{number:04}_") and name.endswith(".sql") for number, name, _ in SHIPPED)


def test_a_fresh_database(tmp_path: Path) -> None:
    """All migrations are applied, each noted with its hash, and then none is pending."""

    async def test() -> None:
        database = bare(tmp_path)
        try:
            assert await pending(database) == [name for _, name, _ in SHIPPED]
            assert await migrate(database) == NEWEST
            assert await pending(database) == []
            noted = await database.read("SELECT * FROM migrations ORDER BY number")
            assert noted == [(n, name, hashlib.sha256(sql.encode()).hexdigest()) for n, name, sql in SHIPPED]
        finally:
            await database.close()

    asyncio.run(test())


def test_again_changes_nothing(tmp_path: Path) -> None:
    """A second and a third start find everything done, and keep the data."""

    async def test(database: SqliteDatabase) -> None:
        schema = await database.read("SELECT sql FROM sqlite_master ORDER BY name")
        database.script("INSERT INTO workspaces (id, name, created_ms) VALUES ('a', 'a', 0)")
        for _ in range(2):
            assert await migrate(database) == NEWEST
        assert await database.read("SELECT sql FROM sqlite_master ORDER BY name") == schema
        assert await database.read("SELECT id FROM workspaces") == [("a",)]

    run(tmp_path, test)


def test_only_what_is_new_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade applies the migrations that were added, over the data that is there."""
    new = (NEWEST + 1, f"{NEWEST + 1:04}_new.sql", "ALTER TABLE workspaces ADD COLUMN colour TEXT DEFAULT 'red';")

    async def test(database: SqliteDatabase) -> None:
        database.script("INSERT INTO workspaces (id, name, created_ms) VALUES ('a', 'a', 0)")
        ship(monkeypatch, *SHIPPED, new)
        assert await pending(database) == [new[1]]
        assert await migrate(database) == NEWEST + 1
        assert await database.read("SELECT id, colour FROM workspaces") == [("a", "red")]

    run(tmp_path, test)


def test_a_changed_migration_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied may not be another text now: the schema would not be what the code believes."""

    async def test(database: SqliteDatabase) -> None:
        number, name, sql = SHIPPED[0]
        ship(monkeypatch, (number, name, sql + "-- a comment\n"), *SHIPPED[1:])
        with pytest.raises(StorageError, match=f"{name} was changed after it was applied; restore the file"):
            await migrate(database)

    run(tmp_path, test)


def test_a_newer_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older Tollway does not touch what a newer one made; neither starting nor looking."""

    async def test(database: SqliteDatabase) -> None:
        ship(monkeypatch, SHIPPED[0])
        for refused in (migrate(database), pending(database)):
            with pytest.raises(StorageError, match=f"at migration {NEWEST}, newer than this Tollway; upgrade"):
                await refused

    run(tmp_path, test)


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a migration is none: the next start tries the whole again, and then succeeds."""
    half = "CREATE TABLE new_things (id TEXT); INSERT INTO nowhere VALUES (1);"
    name = f"{NEWEST + 1:04}_new.sql"

    async def test(database: SqliteDatabase) -> None:
        ship(monkeypatch, *SHIPPED, (NEWEST + 1, name, half))
        with pytest.raises(StorageError, match=f"migration {name} failed: .*nowhere"):
            await migrate(database)
        assert await database.read("SELECT 1 FROM sqlite_master WHERE name = 'new_things'") == []
        assert await pending(database) == [name]
        ship(monkeypatch, *SHIPPED, (NEWEST + 1, name, "CREATE TABLE new_things (id TEXT);"))
        assert await migrate(database) == NEWEST + 1

    run(tmp_path, test)
