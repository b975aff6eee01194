"""Hours with failures as the status has them: of 30 days, and read once a minute."""

from pathlib import Path

from tests.storage.ledgers import NOW_MS, run
from tollway.domain.measured import EndpointHour
from tollway.gateway.troubles import KEPT_MS, Troubles
from tollway.storage.endpoint_hours import HOUR_MS, KEPT_HOURS, save_hours
from tollway.storage.sqlite import SqliteDatabase

NOW = NOW_MS // HOUR_MS
BAD = EndpointHour(requests=9, failed=4)


def test_read_once_a_minute(tmp_path: Path) -> None:
    """What is saved meanwhile is seen a minute later; what is older than 30 days never."""

    async def test(database: SqliteDatabase) -> None:
        now_ms = NOW_MS
        troubles = Troubles(database, lambda: now_ms)
        oldest = ("a:m", NOW - KEPT_HOURS)
        await save_hours(
            database, [(oldest, BAD), (("a:m", NOW - KEPT_HOURS - 1), BAD), (("b:m", NOW), EndpointHour(1))]
        )
        assert [place for place, _ in await troubles.hours()] == [oldest]
        await save_hours(database, [(("b:m", NOW), BAD)])
        now_ms += KEPT_MS - 1
        assert len(await troubles.hours()) == 1
        now_ms += 1
        assert dict(await troubles.hours()) == {oldest: BAD, ("b:m", NOW): BAD}

    run(tmp_path, test)
