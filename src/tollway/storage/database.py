"""The one interface to a relational database: reads, and writes that are all or nothing."""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

Row = tuple[Any, ...]


class Statement(Struct, frozen=True):
    """One SQL text, executed once for each row of named parameters (`:name`)."""

    sql: str
    rows: tuple[dict[str, Any], ...] = ({},)


class NewRows(Struct, frozen=True):
    """New rows of one table, written by few statements: with one for each row, most of the time goes into handing
    Python's lock from thread to thread."""

    table: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    otherwise: str = ""
    """What becomes of a row that is there: `ON CONFLICT ...`. Without it that is a ConflictError."""


class StorageError(Exception):
    """The database could not do it. `sure` says whether it is known that nothing was written."""

    def __init__(self, message: str, *, sure: bool = True) -> None:
        super().__init__(message)
        self.sure = sure


class ConflictError(StorageError):
    """A UNIQUE or CHECK rule of the schema refused the write; nothing was written."""


class Database(Protocol):
    """SQL in the portable subset of SQLite and PostgreSQL (STYLE.md)."""

    async def read(self, sql: str, /, **parameters: Any) -> list[Row]:
        """Rows of one SELECT."""
        ...

    async def write(self, *statements: Statement | NewRows) -> list[list[Row]]:
        """Executes all statements in one durable transaction; for each, the rows that its RETURNING gave."""
        ...

    async def close(self) -> None: ...


def containing(text: str) -> str:
    """A LIKE pattern for what has this text in it, in lower case; to be used with `ESCAPE '!'`."""
    escaped = text.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"
