"""Hours of endpoints in the database: written in place, read by endpoint, dropped when they are old."""

from pathlib import Path

from tests.storage.ledgers import NOW_MS, run
from tollway.domain.measured import EndpointHour
from tollway.storage.endpoint_hours import (
    HOUR_MS,
    KEPT_HOURS,
    drop_hours,
    hours_of,
    hours_since,
    save_hours,
    troubled_hours,
)
from tollway.storage.sqlite import SqliteDatabase

NOW = NOW_MS // HOUR_MS
FULL = EndpointHour(requests=3, failed=1, limited=1, first={-9: 2}, speed={46: 1}, minutes_ms=5, speeds_ms=7)


def test_hours_come_back_whole(tmp_path: Path) -> None:
    """The last that was saved of each hour, every field; an endpoint that has none is there, and empty."""

    async def test(database: SqliteDatabase) -> None:
        await save_hours(database, [])
        await save_hours(database, [(("a:m", NOW), EndpointHour()), (("b:m", NOW), FULL), (("a:m", NOW - 1), FULL)])
        await save_hours(database, [(("a:m", NOW), FULL)])
        assert await hours_of(database, ["a:m", "c:m"], NOW - 1) == {"a:m": {NOW - 1: FULL, NOW: FULL}, "c:m": {}}
        assert await hours_of(database, ["a:m"], NOW) == {"a:m": {NOW: FULL}}
        assert {place for place, _ in await hours_since(database, NOW)} == {("a:m", NOW), ("b:m", NOW)}

    run(tmp_path, test)


def test_hours_with_trouble(tmp_path: Path) -> None:
    """Those alone in which something failed or was limited, since an hour."""

    async def test(database: SqliteDatabase) -> None:
        failed, limited = EndpointHour(requests=3, failed=1), EndpointHour(requests=3, limited=1)
        hours = {("a:m", NOW): failed, ("b:m", NOW): limited, ("c:m", NOW): EndpointHour(requests=9)}
        await save_hours(database, [*hours.items(), (("a:m", NOW - 2), failed)])
        assert dict(await troubled_hours(database, NOW - 1, NOW)) == {("a:m", NOW): failed, ("b:m", NOW): limited}

    run(tmp_path, test)


def test_old_ones_are_dropped(tmp_path: Path) -> None:
    """After 30 days."""

    async def test(database: SqliteDatabase) -> None:
        places = [("a:m", NOW - KEPT_HOURS - 1), ("a:m", NOW - KEPT_HOURS), ("a:m", NOW)]
        await save_hours(database, [(place, FULL) for place in places])
        await drop_hours(database, NOW_MS)
        assert [place for place, _ in sorted(await hours_since(database, 0))] == places[1:]

    run(tmp_path, test)
