"""What happens to money by itself: refunds that hang are asked for again, what is too old expires."""

import asyncio
from collections.abc import Callable

import structlog

from tollway.billing.settings import Payments
from tollway.payments.base import Purse
from tollway.payments.taking import expire
from tollway.payments.topup import Till
from tollway.storage.database import Database, StorageError
from tollway.storage.marks import workspaces_with_old_credits
from tollway.telemetry import pulse

log = structlog.get_logger(__name__)

EVERY_S = 60.0
EXPIRE_EVERY = 60
"""Rounds between two looks at what has expired: once an hour."""
DAY_MS = 86_400_000


async def keep_purchases(till: Till, purse: Purse, database: Database, now_ms: Callable[[], int]) -> None:
    """Runs for ever."""
    number = 0
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await till.settle_refunds(now_ms())
            if number % EXPIRE_EVERY == 0:
                await expire_credits(database, purse, till.settings, now_ms())
            pulse.ran()
        except StorageError as error:
            pulse.failed(error)
            log.warning("could not look after purchases", error=str(error))
        number += 1


async def expire_credits(database: Database, purse: Purse, settings: Payments, now_ms: int) -> int:
    """Takes what is left of grants and purchases that are too old; what is held stays, until the next time. -> of how
    many workspaces."""
    given, bought = (_before(days, now_ms) for days in (settings.expire_given_days, settings.expire_days))
    ends = [each for each in (given, bought) if each is not None]
    touched = 0
    for workspace_id in await workspaces_with_old_credits(database, max(ends)) if ends else ():
        moves = await purse.take(workspace_id, expire(workspace_id, given, bought, now_ms))
        touched += bool(moves)
    return touched


def _before(days: int, now_ms: int) -> int | None:
    return now_ms - days * DAY_MS if days else None
