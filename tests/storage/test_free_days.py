"""The day's `:free` requests in the database, and the index by which purchases are summed."""

from pathlib import Path

from tests.storage.ledgers import NOW_MS, run, settle_in
from tollway.domain.ledger import PURCHASES, Transfer, TransferKind
from tollway.storage.free_days import load_free_days, save_free_days
from tollway.storage.ledger import PURCHASED, post_transfers, purchased
from tollway.storage.sqlite import SqliteDatabase


def test_a_day_is_replaced_and_forgotten(tmp_path: Path) -> None:
    """The last count that was saved of each workspace; with the next day what was of the last is gone."""

    async def test(database: SqliteDatabase) -> None:
        await save_free_days(database, [("a", 3), ("b", 5)], 7)
        await save_free_days(database, [("a", 4)], 7)
        assert await load_free_days(database, 7) == {"a": 4, "b": 5}
        await save_free_days(database, [("b", 1)], 8)
        assert await load_free_days(database, 8) == {"b": 1}
        assert await database.read("SELECT workspace_id FROM free_days") == [("b",)]

    run(tmp_path, test)


def test_purchases_are_summed_by_an_index(tmp_path: Path) -> None:
    """However many transfers there are: only the account's own top-ups are read, and the table not at all."""

    async def test(database: SqliteDatabase) -> None:
        await settle_in(database)
        topups = [Transfer(TransferKind.TOPUP, str(n), PURCHASES, "home", n, NOW_MS) for n in (3, 4)]
        await post_transfers(database, topups)
        assert (await purchased(database, "home"), await purchased(database, "away")) == (7, 0)
        plan = await database.read(f"EXPLAIN QUERY PLAN {PURCHASED}", account="home")
        [words] = [row[-1] for row in plan]
        assert words == "SEARCH transfers USING COVERING INDEX transfers_topups (credit=?)"

    run(tmp_path, test)
