"""Retention: what is old loses its record, in small parts, and nothing that the ledger needs."""

from pathlib import Path

import pytest

from tests.storage.ledgers import DAY_MS, HOME, NOW_MS, generation, run, settle_in
from tollway.gateway import retention
from tollway.storage.audit import audit_ledger
from tollway.storage.generations import Wanted, find_generation, list_generations
from tollway.storage.ledger import commit_generations
from tollway.storage.sqlite import SqliteDatabase
from tollway.storage.usage_days import usage_by_day


def test_old_records_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fit one part, several of one moment among them; sums and ledger are as before; a second round too."""
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    monkeypatch.setattr(retention, "PAUSE_S", 0)

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        old = [
            generation(f"old-{n}", key, cost=5, created_ms=NOW_MS - 3 * DAY_MS + n // 5, user_agent="who I am")
            for n in range(11)
        ]
        await commit_generations(database, [*old, generation("new", key, cost=5)])
        days = range(NOW_MS // DAY_MS - 5, NOW_MS // DAY_MS + 1)
        before = await usage_by_day(database, HOME, days)
        done: dict[str, int] = {}
        await retention.drop_old(database, NOW_MS - 2 * DAY_MS, done)
        assert done[HOME] == NOW_MS - 2 * DAY_MS
        assert [each.id for each in (await list_generations(database, Wanted(HOME), None, 50))[0]] == ["new"]
        assert await find_generation(database, HOME, "old-10") is None
        assert await find_generation(database, HOME, "new") is not None
        assert await usage_by_day(database, HOME, days) == before
        assert not any(finding.broken for finding in await audit_ledger(database))
        kept = await database.read("SELECT COUNT(*) FROM generations WHERE record LIKE '%who I am%'")
        assert kept == [(0,)]
        await retention.drop_old(database, NOW_MS + DAY_MS, done)
        assert await find_generation(database, HOME, "new") is None

    run(tmp_path, test)
