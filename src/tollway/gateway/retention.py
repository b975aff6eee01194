"""Retention: records of finished requests, and what is kept of their content, go after a time; the ledger stays."""

import asyncio
from collections.abc import Callable

import structlog

from tollway.domain.retention import Records
from tollway.storage.contents import drop_contents
from tollway.storage.database import Database, StorageError
from tollway.storage.generations import drop_records
from tollway.storage.usage_days import DAY_MS
from tollway.storage.workspaces import list_settings
from tollway.telemetry import pulse

log = structlog.get_logger(__name__)

EVERY_S = 3_600.0
AT_ONCE = 200
"""Few, and with a pause: captures wait for the same writer."""
PAUSE_S = 0.05


async def keep_records(database: Database, days: int, now_ms: Callable[[], int]) -> None:
    """Each hour, for ever. A start looks at everything once, later rounds only at what became old since."""
    done: dict[str, int] = {}
    while True:
        try:
            await drop_old(database, now_ms() - days * DAY_MS, done)
            pulse.ran()
        except StorageError as error:
            pulse.failed(error)
            log.warning("could not drop old records", error=str(error))
        await asyncio.sleep(EVERY_S)


async def keep_contents(database: Database, records: Records, now_ms: Callable[[], int]) -> None:
    """Each hour, for ever: prompts and answers that are too old are deleted, and all of them where none may be kept."""
    days = min(records.content_keep_days, records.keep_days or records.content_keep_days)
    while True:
        try:
            await drop_old_contents(database, now_ms() - days * DAY_MS)
            pulse.ran()
        except StorageError as error:
            pulse.failed(error)
            log.warning("could not drop old contents", error=str(error))
        await asyncio.sleep(EVERY_S)


async def drop_old_contents(database: Database, before_ms: int) -> None:
    """Deletes what was made before, some at once."""
    dropped = AT_ONCE
    while dropped == AT_ONCE:
        dropped = await drop_contents(database, before_ms, AT_ONCE)
        await asyncio.sleep(PAUSE_S)


async def drop_old(database: Database, before_ms: int, done: dict[str, int]) -> None:
    """Drops what was made before. `done`: until when nothing is left, by workspace; brought up to date."""
    for workspace_id, _ in await list_settings(database):
        from_ms: int | None = done.get(workspace_id, 0)
        while from_ms is not None:
            done[workspace_id] = from_ms
            from_ms = await drop_records(database, workspace_id, from_ms, before_ms, AT_ONCE)
            await asyncio.sleep(PAUSE_S)
        done[workspace_id] = before_ms
