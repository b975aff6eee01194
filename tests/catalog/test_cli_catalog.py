"""`tollway catalog` on a terminal: what it prints, writes and refuses."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from tests.catalog.rows import ACME, MODEL, endpoint, price
from tollway.catalog.shipped import FORMAT, Shipped
from tollway.cli.catalog import add_provider, apply_catalog, diff_catalog, list_catalog
from tollway.domain.catalog_rows import EndpointRow
from tollway.storage.catalog import load_catalog
from tollway.storage.database import Database
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase


def file(*endpoints: EndpointRow) -> Shipped:
    """A small catalog file."""
    return Shipped(FORMAT, {"test": "2026-11-20"}, (ACME,), (MODEL,), {"one": "maker/one"}, endpoints)


def run(path: Path, test: Callable[[Database, Console], Awaitable[None]]) -> str:
    """Runs a test on a fresh database; gives what was printed."""
    out = io.StringIO()

    async def inside() -> None:
        database = SqliteDatabase(path / "catalog.db")
        try:
            await migrate(database)
            await test(database, Console(file=out, width=200, color_system=None))
        finally:
            await database.close()

    asyncio.run(inside())
    return out.getvalue()


def test_apply_then_list(tmp_path: Path) -> None:
    """What was applied is listed: prices per million, unpriced marked, filters honoured."""

    async def test(database: Database, console: Console) -> None:
        assert await apply_catalog(database, console, file(endpoint("one", price()), endpoint("two")), 1) == 0
        assert await list_catalog(database, console, 1) == 0
        assert await list_catalog(database, console, 1, text="TWO") == 0
        assert await list_catalog(database, console, 1, priced=True) == 0
        assert await list_catalog(database, console, 1, provider="other") == 0
        assert await list_catalog(database, console, 1, live=frozenset({"acme"}), lines_max=1) == 0

    printed = run(tmp_path, test)
    assert "+ price acme:one" in printed
    assert "5 changes applied" in printed or "6 changes applied" in printed
    assert "unpriced" in printed
    assert "2 of 2 endpoints; catalog version 1" in printed
    assert printed.count("1 of 2 endpoints") == 2
    assert "0 of 2 endpoints" in printed
    assert "2 of 2 endpoints, 1 more not shown" in printed


def test_diff_changes_nothing(tmp_path: Path) -> None:
    """`diff` says by its exit code whether there is something, and writes nothing."""

    async def test(database: Database, console: Console) -> None:
        assert await diff_catalog(database, console, file(endpoint(cost=price())), 1) == 1
        assert (await load_catalog(database, 1)).version == 0
        await apply_catalog(database, console, file(endpoint(cost=price())), 1)
        assert await diff_catalog(database, console, file(endpoint(cost=price())), 1) == 0
        assert await apply_catalog(database, console, file(endpoint(cost=price())), 1) == 0

    printed = run(tmp_path, test)
    assert "No changes." in printed
    assert "up to date" in printed


def test_apply_refuses_what_is_doubtful(tmp_path: Path) -> None:
    """Beyond the bounds nothing at all is written, until it is accepted."""

    async def test(database: Database, console: Console) -> None:
        await apply_catalog(database, console, file(endpoint(cost=price())), 1)
        dear = file(endpoint(cost=price("0.0001")))
        assert await apply_catalog(database, console, dear, 2) == 2
        assert (await load_catalog(database, 2)).version == 1
        assert await apply_catalog(database, console, dear, 2, accept=True) == 0
        catalog = await load_catalog(database, 2)
        in_force = catalog.endpoints["maker/one"][0].price
        assert in_force is not None
        assert in_force.rates.prompt == 10**14

    printed = run(tmp_path, test)
    assert "Nothing was changed." in printed
    assert "more than 10 times" in printed
    assert "$1 in, $2 out -> $100 in, $2 out" in printed


def test_a_negative_price_is_not_written_even_when_accepted(tmp_path: Path) -> None:
    """`--accept` is no way to a price below zero."""

    async def test(database: Database, console: Console) -> None:
        await apply_catalog(database, console, file(endpoint(cost=price("-0.1"))), 1, accept=True)
        assert (await load_catalog(database, 1)).endpoints["maker/one"][0].price is None

    assert "left as it was" in run(tmp_path, test)


def test_taking_in_a_server(tmp_path: Path) -> None:
    """A server's list becomes endpoints; it says what joined, what has a price, and what to do about the rest."""

    async def test(database: Database, console: Console) -> None:
        await apply_catalog(database, console, file(endpoint(cost=price())), 1)
        body = b'{"data": [{"id": "One"}, {"id": "mine", "pricing": {"prompt": "0.1", "completion": "0.2"}}, 5]}'
        home = type(ACME)("home", "Home", "http://127.0.0.1:8000/v1", ACME.wire_format)
        assert await add_provider(database, console, home, body, 2, "2026-11-21") == 2
        catalog = await load_catalog(database, 2)
        assert {row.id for row in catalog.endpoints["maker/one"]} == {"acme:one", "home:One"}
        assert catalog.endpoints["home/mine"][0].price is not None

    printed = run(tmp_path, test)
    assert "home: 2 models, 1 of them in the catalog already, 1 with a price; 1 entries could not be read." in printed
    assert "set one, or declare it free" in printed
