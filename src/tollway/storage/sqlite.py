"""SQLite through apsw: one writer that also checkpoints and one reader, each on its own thread; or a reader alone."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

from tollway.storage.database import ConflictError, NewRows, Row, Statement, StorageError

BUSY_MS = 5_000
VERSION_MIN = (3, 51, 3)
"""Earlier ones have the WAL-reset bug, which can corrupt a database (FAULTS.md, finding 4)."""


class SqliteDatabase:
    """`Database` on one file. `synchronous=FULL`: a commit that returned survives a power cut (FAULTS.md, 0.3)."""

    def __init__(self, path: Path) -> None:
        check_version()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Before SQLite sees the file: its WAL and its shared memory take over the mode that they find.
        path.touch(mode=0o600)
        path.chmod(0o600)
        self.path = path
        self._writer = _open(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_spill=OFF"):
            self._writer.execute(f"PRAGMA {pragma}")
        self._reader = _open(path, apsw.SQLITE_OPEN_READONLY)
        self._turn = asyncio.Lock()
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-read")

    async def read(self, sql: str, /, **parameters: Any) -> list[Row]:
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, self._read, sql, parameters)

    async def write(self, *statements: Statement | NewRows) -> list[list[Row]]:
        # Shielded: whoever is cancelled while it is written must not let the next one into the middle of it.
        return await asyncio.shield(asyncio.ensure_future(self._write_in_turn(statements)))

    async def close(self) -> None:
        """Finishes what is queued, then closes both connections."""
        for thread, connection in ((self._read_thread, self._reader), (self._write_thread, self._writer)):
            await asyncio.get_running_loop().run_in_executor(thread, connection.close)
            thread.shutdown()

    def script(self, sql: str) -> None:
        """Executes a migration's statements in one transaction, from the calling thread. StorageError: none of them."""
        try:
            with self._writer:
                for _ in self._writer.execute(sql):
                    pass
        except apsw.Error as error:
            raise StorageError(str(error)) from error

    def _read(self, sql: str, parameters: dict[str, Any]) -> list[Row]:
        return _rows(self._reader, sql, parameters)

    async def _write_in_turn(self, statements: tuple[Statement | NewRows, ...]) -> list[list[Row]]:
        loop = asyncio.get_running_loop()
        async with self._turn:
            if not isinstance(statements[0], NewRows) or not self._begin(wait_ms=0):
                return await loop.run_in_executor(self._write_thread, self._write, statements)
            # New rows go into pages that are in memory, and the disk is met at COMMIT. So only that is a thread's work:
            # to hand Python's lock over for each statement costs more than the statements themselves.
            answers = self._run(statements)
            await loop.run_in_executor(self._write_thread, self._commit)
            return answers

    def _write(self, statements: tuple[Statement | NewRows, ...]) -> list[list[Row]]:
        if not self._begin(wait_ms=BUSY_MS):
            raise StorageError("writing failed: another process is writing to the database")
        answers = self._run(statements)
        self._commit()
        return answers

    def _begin(self, *, wait_ms: int) -> bool:
        """Starts a transaction. False: another process has the file, and had it for `wait_ms`."""
        self._writer.set_busy_timeout(wait_ms)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            return False
        except apsw.Error as error:
            raise StorageError(f"writing failed: {error}") from error
        return True

    def _run(self, statements: tuple[Statement | NewRows, ...]) -> list[list[Row]]:
        """Executes the statements; on an error nothing of the transaction is left."""
        try:
            return [_execute(self._writer, statement) for statement in statements]
        except apsw.ConstraintError as error:
            _roll_back(self._writer)
            raise ConflictError(str(error)) from error
        except apsw.Error as error:
            raise StorageError(f"writing failed: {error}", sure=_roll_back(self._writer)) from error
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            # A parameter that can't be bound is the caller's mistake; the transaction must not stay open behind it.
            # A conflict, because it fails again however often it is tried: the committer singles such an entry out.
            _roll_back(self._writer)
            raise ConflictError(f"writing failed: {error!r}") from error

    def _commit(self) -> None:
        """Makes the transaction durable. A failure may have reached the disk: nothing is sure then."""
        try:
            self._writer.execute("COMMIT")
        except apsw.ConstraintError as error:
            _roll_back(self._writer)
            raise ConflictError(str(error)) from error
        except apsw.Error as error:
            _roll_back(self._writer)
            raise StorageError(f"writing failed: {error}", sure=False) from error


class SqliteReader:
    """`Database` that only reads, beside a server that runs or without one: no writer, no migration, no checkpoint."""

    def __init__(self, path: Path) -> None:
        """StorageError: the file is not there, or is no database."""
        check_version()
        if not path.is_file():
            raise StorageError(f"there is no database at {path} yet; the first `tollway serve` makes it")
        try:
            self._connection = _open(path, apsw.SQLITE_OPEN_READONLY)
        except apsw.Error as error:
            raise StorageError(f"{path} can't be opened: {error}") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-read")

    async def read(self, sql: str, /, **parameters: Any) -> list[Row]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, sql, parameters)

    async def write(self, *statements: Statement | NewRows) -> list[list[Row]]:
        """StorageError: only the process that holds the lock of the data directory writes (MONEY.md, Leases)."""
        raise StorageError(f"this connection only reads; {len(statements)} statements were refused")

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    def _read(self, sql: str, parameters: dict[str, Any]) -> list[Row]:
        return _rows(self._connection, sql, parameters)


ROWS_AT_ONCE = 64


def _execute(connection: apsw.Connection, statement: Statement | NewRows) -> list[Row]:
    if isinstance(statement, Statement):
        return list(connection.executemany(statement.sql, statement.rows))
    rows = statement.rows
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        sql = _insert(statement.table, statement.columns, len(part), statement.otherwise)
        connection.execute(sql, tuple(chain.from_iterable(part)))
    return []


@cache
def _insert(table: str, columns: tuple[str, ...], rows: int, otherwise: str) -> str:
    """One INSERT of several rows. All words in it are our own."""
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)} {otherwise}"  # noqa: S608 (constants)


def sqlite_version() -> str:
    """Of the library that we use, which is apsw's own and not the system's."""
    return apsw.sqlite_lib_version()


def check_version() -> None:
    """StorageError: a version that can corrupt a database."""
    version = tuple(int(part) for part in sqlite_version().split("."))
    if version < VERSION_MIN:
        raise StorageError(f"SQLite {sqlite_version()} can corrupt a database; 3.51.3 or newer is needed")


def _rows(connection: apsw.Connection, sql: str, parameters: dict[str, Any]) -> list[Row]:
    try:
        return list(connection.execute(sql, parameters))
    except apsw.Error as error:
        raise StorageError(f"reading failed: {error}") from error


def _open(path: Path, flags: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags, statementcachesize=256)
    connection.set_busy_timeout(BUSY_MS)
    return connection


def _roll_back(connection: apsw.Connection) -> bool:
    if not connection.in_transaction:
        return True
    try:
        connection.execute("ROLLBACK")
    except apsw.Error:
        return False
    return True
