"""How the whole server is doing, for its operator: one look over everything, which changes nothing."""

from collections import Counter
from pathlib import Path

from msgspec import Struct

from tollway.domain.health import Alarm
from tollway.gateway.background import Jobs
from tollway.gateway.base import Gateway
from tollway.gateway.minutes import Hour, Minutes
from tollway.storage.audit_log import AuditEntry, Searched, list_entries
from tollway.storage.database import Database
from tollway.storage.migrate import last_migration
from tollway.storage.usage_days import DAY_MS, HouseDay, house_by_day
from tollway.telemetry.pulse import Pulse

CHECKED = "ledger.checked"
"""What the audit log says of a look at the ledger."""
ENDPOINTS_MAX = 50
"""Of those that are shown one by one."""


class ProviderNow(Struct, frozen=True):
    """A provider that can be called, and how many of its endpoints are in which state."""

    slug: str
    name: str
    up: int
    down: int
    untried: int
    why: str
    """Of one that is down."""


class EndpointDown(Struct, frozen=True):
    """An endpoint that is passed over just now: its breaker is open, it cools down after a 429, or it is full."""

    id: str
    model_id: str
    why: str


class JobNow(Struct, frozen=True):
    """A job that runs for ever. Times are milliseconds since 1970."""

    name: str
    running: bool
    last_ms: int | None
    error: str
    error_ms: int | None


class Overview(Struct, frozen=True):
    """What `/admin` shows."""

    database_bytes: int
    migration: str
    ledger: AuditEntry | None
    """When it was last looked at, and what was found."""
    held: int
    under_way: int
    waiting: int
    """Finished requests that wait for their commit."""
    jobs: tuple[JobNow, ...]
    providers: tuple[ProviderNow, ...]
    down: tuple[EndpointDown, ...]
    alarms: tuple[Alarm, ...]
    drifts: tuple[str, ...]
    hour: Hour
    unpriced: int
    """Endpoints of live providers that are off for want of a price."""
    today: HouseDay
    """So far, UTC."""


async def overview(gateway: Gateway, database: Database, file: Path, jobs: Jobs, minutes: Minutes) -> Overview:
    """`file`: of the database, to see how large it is."""
    day = gateway.now_ms() // DAY_MS
    found = await house_by_day(database, day, day)
    checked = await list_entries(database, limit=1, searched=Searched(action=CHECKED))
    now_s = gateway.loop.time()
    return Overview(
        database_bytes=bytes_of(file),
        migration=await last_migration(database),
        ledger=checked[0] if checked else None,
        held=gateway.books.held,
        under_way=gateway.books.under_way,
        waiting=gateway.committer.waiting,
        jobs=tuple(_job(each) for each in jobs.pulses.values()),
        providers=_providers(gateway, now_s),
        down=_down(gateway, now_s),
        alarms=tuple(gateway.alarms.values()),
        drifts=tuple(f"{each.subject}: {each.text}" for each in gateway.drift.alarms.values()),
        hour=minutes.hour(),
        unpriced=len(unpriced_endpoints(gateway)),
        today=found[0] if found else HouseDay(day, 0, 0, 0, 0, 0, 0, 0, 0),
    )  # fmt: skip


def unpriced_endpoints(gateway: Gateway) -> list[str]:
    """Ids of the endpoints of live providers that nobody can buy from for want of a price."""
    market = gateway.market
    off = (rejection for offer in market.offers.values() for rejection in offer.off)
    return [each.endpoint.id for each in off if each.rule == "unpriced" and each.endpoint.provider in market.providers]


def bytes_of(file: Path) -> int:
    """A database with what is not yet worked into it; 0: it can't be looked at."""
    try:
        beside = (file, file.with_name(f"{file.name}-wal"))
        return sum(each.stat().st_size for each in beside if each.exists())
    except OSError:
        return 0


def _job(pulse: Pulse) -> JobNow:
    return JobNow(pulse.name, not pulse.ended, pulse.last_ms, pulse.error, pulse.error_ms)


def _providers(gateway: Gateway, now_s: float) -> tuple[ProviderNow, ...]:
    counts: dict[str, Counter[str]] = {slug: Counter() for slug in gateway.market.providers}
    why: dict[str, str] = {}
    for offer in gateway.market.offers.values():
        for endpoint in offer.live:
            status = gateway.health.status(endpoint.id, now_s)[0]
            counts[endpoint.provider][status] += 1
            if status == "down" and (told := gateway.health.looks_down(endpoint.id, now_s)):
                why.setdefault(endpoint.provider, told)
    found = [
        ProviderNow(
            slug, gateway.market.providers[slug].name, count["up"], count["down"], count["untried"], why.get(slug, "")
        )
        for slug, count in counts.items()
        if count.total()
    ]
    return tuple(sorted(found, key=lambda each: (-each.down, -each.up, each.slug)))


def _down(gateway: Gateway, now_s: float) -> tuple[EndpointDown, ...]:
    live = (endpoint for offer in gateway.market.offers.values() for endpoint in offer.live)
    seen = ((endpoint, gateway.health.looks_down(endpoint.id, now_s)) for endpoint in live)
    found = [EndpointDown(endpoint.id, endpoint.model_id, why) for endpoint, why in seen if why is not None]
    return tuple(found[:ENDPOINTS_MAX])
