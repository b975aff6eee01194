"""Endpoints' figures, their hours, and the day's `:free` requests: read at start, written each minute and at stop."""

import asyncio

import structlog

from tollway.billing.ledger import DAY_MS
from tollway.gateway.base import Gateway
from tollway.storage.database import Database, StorageError
from tollway.storage.endpoint_hours import HOUR_MS, drop_hours, hours_since, save_hours
from tollway.storage.figures import drop_figures, load_figures, save_figures
from tollway.storage.free_days import load_free_days, save_free_days
from tollway.telemetry import pulse

log = structlog.get_logger(__name__)

SAVE_EVERY_S = 60.0
SAVED_AT_ONCE = 32
"""Endpoints in one transaction: charges wait in the same queue, and requests while the figures are encoded."""
KEPT_MS = 24 * 60 * 60 * 1000
"""The longest window of what is counted (`routing.stats`)."""


async def restore_figures(gateway: Gateway, database: Database) -> None:
    """What an earlier process counted, as far as it is of this day, is counted here."""
    now_ms = gateway.now_ms()
    await drop_figures(database, now_ms - KEPT_MS)
    now_s = gateway.loop.time()
    for id_, figures in (await load_figures(database)).items():
        gateway.health.restore(id_, figures, now_s, now_ms)
        gateway.health.hours.waiting.add(id_)
    gateway.health.hours.restore(await hours_since(database, now_ms // HOUR_MS - 1))
    await drop_hours(database, now_ms)
    today = now_ms // DAY_MS
    gateway.limiter.free_days.restore(today, await load_free_days(database, today))


async def keep_figures(gateway: Gateway, database: Database) -> None:
    """Runs for ever: saves every minute what has changed."""
    today = gateway.now_ms() // DAY_MS
    while True:
        await asyncio.sleep(SAVE_EVERY_S)
        await store_figures(gateway, database)
        if today != (today := gateway.now_ms() // DAY_MS):
            await _forget(gateway, database)


async def store_figures(gateway: Gateway, database: Database) -> None:
    """Saves what has changed since it was saved last; what could not be saved is tried again the next time."""
    try:
        await _store_endpoints(gateway, database)
        await _store_hours(gateway, database)
        await _store_free_days(gateway, database)
        pulse.ran()
    except StorageError as error:
        pulse.failed(error)
        log.warning("could not save figures", error=str(error))


async def _forget(gateway: Gateway, database: Database) -> None:
    """Once a day: hours that no chart shows any more."""
    try:
        await drop_hours(database, gateway.now_ms())
    except StorageError as error:
        log.warning("could not drop old figures", error=str(error))


async def _store_endpoints(gateway: Gateway, database: Database) -> None:
    board = gateway.health
    changed, board.changed = list(board.changed), set()
    for start in range(0, len(changed), SAVED_AT_ONCE):
        now_s, now_ms = gateway.loop.time(), gateway.now_ms()
        rows = [(id_, board.figures(id_, now_s, now_ms)) for id_ in changed[start : start + SAVED_AT_ONCE]]
        try:
            await save_figures(database, rows, now_ms)
            for id_, figures in rows:
                board.hours.take(id_, figures, now_ms)
        except StorageError:
            board.changed.update(changed[start:])
            raise


async def _store_hours(gateway: Gateway, database: Database) -> None:
    hours, now_s, now_ms = gateway.health.hours, gateway.loop.time(), gateway.now_ms()
    for id_ in list(hours.waiting):
        hours.take(id_, gateway.health.figures(id_, now_s, now_ms), now_ms)
    await save_hours(database, hours.changed())
    hours.saved(now_ms)


async def _store_free_days(gateway: Gateway, database: Database) -> None:
    days = gateway.limiter.free_days
    day, (changed, days.changed) = days.day, (days.changed, set())
    if not changed:
        return
    try:
        await save_free_days(database, [(each, days.used(each, day)) for each in changed], day)
    except StorageError:
        if days.day == day:
            days.changed |= changed
        raise
