"""The benchmark of records: what it fills is a ledger's, and what it asks is answered."""

import asyncio
from pathlib import Path

from bench.scale import scale
from tollway.storage.audit import audit_ledger
from tollway.storage.sqlite import SqliteDatabase


def test_a_small_one(tmp_path: Path) -> None:
    """Its days' sums equal its generations, and every question finds something."""
    found = asyncio.run(scale(tmp_path, 3_000, 2_000))
    assert found["rows"] == 3_000
    assert {"activity_ms", "page_ms", "page_of_a_key_ms", "failed_ms", "key_ms", "key_spent_ms"} <= found.keys()

    async def broken() -> set[str]:
        database = SqliteDatabase(tmp_path / "tollway.db")
        try:
            return {each.name for each in await audit_ledger(database) if each.broken}
        finally:
            await database.close()

    assert "days" not in asyncio.run(broken())
