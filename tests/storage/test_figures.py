"""Figures in the database: replaced, read back, dropped when they are old, and never in the way of a start."""

from pathlib import Path

from tests.storage.ledgers import DAY_MS, NOW_MS, run
from tollway.domain.measured import Figures
from tollway.storage.database import Statement
from tollway.storage.figures import drop_figures, load_figures, save_figures
from tollway.storage.sqlite import SqliteDatabase

FULL = Figures(
    minutes={NOW_MS: {"requests": 3, "failed": 1}},
    quarters={NOW_MS: {"requests": 3, "tokens": 10**12}},
    first={NOW_MS: {-9: 2, 4: 1}},
    speed={NOW_MS: {46: 3}},
)


def test_figures_come_back_whole(tmp_path: Path) -> None:
    """The last that was saved of each endpoint, every field of it."""

    async def test(database: SqliteDatabase) -> None:
        await save_figures(database, [("a:m", Figures()), ("b:m", Figures())], NOW_MS)
        await save_figures(database, [("a:m", FULL)], NOW_MS + 1)
        assert await load_figures(database) == {"a:m": FULL, "b:m": Figures()}

    run(tmp_path, test)


def test_old_ones_are_dropped(tmp_path: Path) -> None:
    """By the time at which they were saved last."""

    async def test(database: SqliteDatabase) -> None:
        await save_figures(database, [("a:m", FULL), ("b:m", FULL)], NOW_MS)
        await save_figures(database, [("b:m", FULL)], NOW_MS + DAY_MS)
        await drop_figures(database, NOW_MS + 1)
        assert list(await load_figures(database)) == ["b:m"]

    run(tmp_path, test)


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """Another version's record, or a damaged one, costs its endpoint its figures and nobody the start."""

    async def test(database: SqliteDatabase) -> None:
        await save_figures(database, [("a:m", FULL), ("b:m", FULL), ("c:m", FULL)], NOW_MS)
        change = "UPDATE endpoint_figures SET record = :record WHERE endpoint_id = :id"
        rows = ({"id": "a:m", "record": '{"minutes": "many"}'}, {"id": "b:m", "record": "{"})
        await database.write(Statement(change, rows))
        assert await load_figures(database) == {"c:m": FULL}

    run(tmp_path, test)
