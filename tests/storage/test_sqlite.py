"""SQLite: a write is all or nothing, the schema's rules hold, and the file is its owner's alone."""

import asyncio
import stat
from pathlib import Path

import apsw
import pytest

from tests.storage.ledgers import opened, run
from tollway.storage.database import ConflictError, NewRows, Statement, StorageError
from tollway.storage.sqlite import SqliteDatabase, SqliteReader, check_version, sqlite_version

ADD = "INSERT INTO workspaces (id, name, created_ms) VALUES (:id, :id, 0) RETURNING id"


def add(*names: str) -> Statement:
    """New workspaces, one row after the other."""
    return Statement(ADD, tuple({"id": name} for name in names))


async def workspaces(database: SqliteDatabase | SqliteReader) -> list[str]:
    """The names that are there."""
    return [row[0] for row in await database.read("SELECT id FROM workspaces ORDER BY id")]


def test_a_write_gives_what_it_returns(tmp_path: Path) -> None:
    """For each statement the rows that its RETURNING gave, in order."""

    async def test(database: SqliteDatabase) -> None:
        found = await database.write(add("a", "b"), Statement("UPDATE workspaces SET name = 'x'"), add("c"))
        assert found == [[("a",), ("b",)], [], [("c",)]]
        assert await workspaces(database) == ["a", "b", "c"]

    run(tmp_path, test)


BROKEN: dict[str, tuple[Statement | NewRows, type[StorageError]]] = {
    "a unique id twice": (add("b", "a"), ConflictError),
    "a unique id twice, in many rows": (
        NewRows("workspaces", ("id", "name", "created_ms"), [("a", "a", 0)]),
        ConflictError,
    ),
    "a rule of the schema": (Statement("INSERT INTO accounts VALUES ('x', -1, 0, 1)"), ConflictError),
    "a reference to nothing": (
        Statement("INSERT INTO transfers VALUES ('grant', 'r', 'no', 'where', 5, 0, '')"),
        ConflictError,
    ),
    "NULL": (Statement("INSERT INTO workspaces (id, name, created_ms) VALUES ('b', NULL, 0)"), ConflictError),
    "SQL that is none": (Statement("INSERT SOMETHING"), StorageError),
    "a table that is not there": (Statement("DELETE FROM nothing"), StorageError),
    "a parameter too few": (Statement(ADD, ({"id": "b"}, {})), ConflictError),
    "an integer too large": (Statement(ADD.replace("0", ":n"), ({"id": "b", "n": 2**63},)), ConflictError),
    "a type that is none": (Statement(ADD, ({"id": object()},)), ConflictError),
    "half a character": (Statement(ADD, ({"id": "\ud800"},)), ConflictError),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_write_is_all_or_nothing(case: str, tmp_path: Path) -> None:
    """Whichever statement fails, and however, nothing of the transaction is there; and the next one works."""
    statement, kind = BROKEN[case]

    async def test(database: SqliteDatabase) -> None:
        await database.write(add("a"))
        with pytest.raises(StorageError) as caught:
            await database.write(add("first"), statement, add("last"))
        assert type(caught.value) is kind
        assert caught.value.sure
        assert await workspaces(database) == ["a"]
        await database.write(add("next"))
        assert await workspaces(database) == ["a", "next"]

    run(tmp_path, test)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_new_rows_in_few_statements(count: int, tmp_path: Path) -> None:
    """However many rows, all are there, with their values."""

    async def test(database: SqliteDatabase) -> None:
        rows = [(f"w{number:03}", "it's \u00fc \x00 name", number) for number in range(count)]
        assert await database.write(NewRows("workspaces", ("id", "name", "created_ms"), rows)) == [[]]
        assert await database.read("SELECT id, name, created_ms FROM workspaces ORDER BY id") == rows

    run(tmp_path, test)


def test_writes_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    """Many writers in one process never see a locked database, and none is lost."""

    async def test(database: SqliteDatabase) -> None:
        await asyncio.gather(*(database.write(add(f"{number:03}")) for number in range(100)))
        assert len(await workspaces(database)) == 100

    run(tmp_path, test)


def test_a_bad_query_is_a_storage_error(tmp_path: Path) -> None:
    """Reading says what was wrong, and the reader lives on."""

    async def test(database: SqliteDatabase) -> None:
        with pytest.raises(StorageError, match="reading failed"):
            await database.read("SELECT * FROM nothing")
        with pytest.raises(StorageError, match="reading failed"):
            await database.read("DELETE FROM workspaces")
        assert await workspaces(database) == []

    run(tmp_path, test)


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    """Closing and opening again loses nothing."""

    async def test(database: SqliteDatabase) -> None:
        if not await workspaces(database):
            await database.write(add("a"))

    run(tmp_path, test)
    run(tmp_path, test)

    async def there(database: SqliteDatabase) -> None:
        assert await workspaces(database) == ["a"]

    run(tmp_path, there)


def test_a_commit_is_durable(tmp_path: Path) -> None:
    """WAL with synchronous=FULL (2), and references are checked (FAULTS.md, finding 3)."""

    async def test(database: SqliteDatabase) -> None:
        writer = database._writer
        found = [writer.pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys")]
        assert found == ["wal", 2, 1]

    run(tmp_path, test)


@pytest.mark.parametrize("there", [False, True])
def test_the_files_are_their_owners(there: bool, tmp_path: Path) -> None:
    """The database, its log and its shared memory have mode 0600, and a folder that was made 0700."""
    folder = tmp_path / "data"
    if there:
        folder.mkdir()
        (folder / "tollway.db").touch(mode=0o666)
        (folder / "tollway.db").chmod(0o666)

    async def test(database: SqliteDatabase) -> None:
        await database.write(add("a"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert modes == {"tollway.db": 0o600, "tollway.db-wal": 0o600, "tollway.db-shm": 0o600}
        if not there:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    run(folder, test)


def test_a_reader_only_reads(tmp_path: Path) -> None:
    """Beside a running writer it sees what was committed, and refuses every write."""

    async def test(database: SqliteDatabase) -> None:
        await database.write(add("a"))
        reader = SqliteReader(database.path)
        try:
            assert await workspaces(reader) == ["a"]
            with pytest.raises(StorageError, match="only reads"):
                await reader.write(add("b"))
            with pytest.raises(StorageError, match="reading failed"):
                await reader.read("DELETE FROM workspaces")
            await database.write(add("c"))
            assert await workspaces(reader) == ["a", "c"]
        finally:
            await reader.close()

    run(tmp_path, test)


def test_a_reader_of_nothing(tmp_path: Path) -> None:
    """A missing file is told as what it is, and is not made; what is no database fails when it is read."""
    with pytest.raises(StorageError, match=r"no database at .* yet"):
        SqliteReader(tmp_path / "tollway.db")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "tollway.db").write_text("This is a text and no database. " * 50)

    async def test() -> None:
        reader = SqliteReader(tmp_path / "tollway.db")
        try:
            with pytest.raises(StorageError, match="not a database"):
                await reader.read("SELECT 1 FROM workspaces")
        finally:
            await reader.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("version", "refused"), [("3.51.2", True), ("3.9.99", True), ("3.51.3", False), ("3.54.1", False)]
)
def test_a_sqlite_that_corrupts_is_refused(version: str, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.51.3 the WAL-reset bug can corrupt a database (FAULTS.md, finding 4); the one that we ship is newer."""
    check_version()
    assert tuple(map(int, sqlite_version().split("."))) >= (3, 51, 3)
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    if refused:
        with pytest.raises(StorageError, match=r"3\.51\.3 or newer is needed"):
            check_version()
    else:
        check_version()


def test_two_tests_have_two_databases(tmp_path: Path) -> None:
    """Databases of two folders know nothing of each other."""

    async def test() -> None:
        async with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
            await one.write(add("a"))
            assert await workspaces(two) == []

    asyncio.run(test())
