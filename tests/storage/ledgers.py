"""A migrated database with a workspace, a key and a way to write generations; closed at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw

from tollway.domain.generation import Attempt, Generation, Usage
from tollway.domain.health import Outcome
from tollway.domain.identity import Key
from tollway.domain.ledger import PROMOTIONS, Transfer, TransferKind
from tollway.identity.keys import issue_key
from tollway.storage.keys import create_workspace, insert_key
from tollway.storage.ledger import open_accounts, post_transfers
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase

HOME, AWAY = "home", "away"
DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteDatabase]:
    """A migrated database in this folder."""
    database = SqliteDatabase(folder / "tollway.db")
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()


def run(folder: Path, test: Callable[[SqliteDatabase], Awaitable[None]]) -> None:
    """A test on a database in this folder."""

    async def inside() -> None:
        async with opened(folder) as database:
            await test(database)

    asyncio.run(inside())


async def settle_in(database: SqliteDatabase, credits_nano: int = 1_000) -> Key:
    """The platform's accounts, two workspaces, credits for one of them, and its key."""
    await open_accounts(database)
    for workspace in (HOME, AWAY):
        await create_workspace(database, workspace, workspace, NOW_MS)
    key, _ = issue_key(workspace_id=HOME, name="key", pepper=b"pepper", now_ms=NOW_MS)
    await insert_key(database, key)
    await post_transfers(database, [grant("first", credits_nano)])
    return key


def grant(ref: str, amount: int, workspace: str = HOME) -> Transfer:
    """Credits from the platform's promotions."""
    return Transfer(TransferKind.GRANT, ref, PROMOTIONS, workspace, amount, NOW_MS, "test")


def generation(id_: str, key: Key, *, cost: int = 0, absorbed: int = 0, **fields: Any) -> Generation:
    """A finished request; what is not named has a plain value."""
    values: dict[str, Any] = {
        "workspace_id": key.workspace_id,
        "created_ms": NOW_MS + 5,
        "model": "test/model",
        "api_type": "completions",
        "origin": "/api/v1/chat/completions",
        "streamed": True,
        "cancelled": False,
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
        "endpoint_id": "a:m",
        "provider": "a",
        "price_id": 1,
        "usage": Usage(prompt=3, completion=4, reasoning=1),
        "cache_discount": -2,
        "latency_ms": 5,
        "generation_ms": 6,
        "attempts": (Attempt("a:m", "a", Outcome.SUCCEEDED, 200, 5),),
        **fields,
    }
    return Generation(id=id_, key_id=key.id, cost=cost, absorbed=absorbed, **values)


def behind_its_back(database: SqliteDatabase, *sql: str) -> None:
    """Changes a database as a broken program would: by another connection, without its rules."""
    connection = apsw.Connection(str(database.path))
    connection.set_busy_timeout(5_000)
    connection.execute("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
    for each in sql:
        connection.execute(each)
    connection.close()
