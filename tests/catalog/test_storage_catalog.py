"""The catalog's tables: written by changes, read as the snapshot, prices only appended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.catalog.rows import ACME, MODEL, endpoint, price, rows
from tests.catalog.snapshots import snapshot
from tollway.catalog.diff import compare, compare_provider
from tollway.catalog.shipped import rows_of, shipped
from tollway.domain.catalog import Endpoint, Model
from tollway.domain.catalog_rows import OPERATOR, EndpointRow, Rows
from tollway.domain.rates import RatesText, TierText
from tollway.storage.catalog import (
    all_prices,
    apply_changes,
    current_rows,
    declare_free,
    load_catalog,
    set_enabled,
    set_price,
)
from tollway.storage.database import Database, Statement
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase

NOW = 1_000


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteDatabase]:
    """A migrated database, closed at the end."""
    database = SqliteDatabase(path / "catalog.db")
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()


def run(path: Path, test: Callable[[Database], Awaitable[None]]) -> None:
    """Runs a test on a fresh database."""

    async def inside() -> None:
        async with opened(path) as database:
            await test(database)

    asyncio.run(inside())


async def put(database: Database, new: Rows, now_ms: int = NOW) -> int:
    """Applies a file's rows."""
    return await apply_changes(database, compare(await current_rows(database, now_ms), new).changes, now_ms)


async def one(database: Database, now_ms: int, id_: str = "acme:one") -> Endpoint:
    """An endpoint of the snapshot."""
    catalog = await load_catalog(database, now_ms)
    return next(row for found in catalog.endpoints.values() for row in found if row.id == id_)


def test_the_shipped_file_is_loaded_as_it_is(tmp_path: Path) -> None:
    """File -> changes -> tables -> snapshot gives what the file alone gives, and then nothing more to change."""

    async def test(database: Database) -> None:
        file = shipped()
        assert (await load_catalog(database, NOW)).version == 0
        assert await put(database, rows_of(file)) == 1
        found, expected = await load_catalog(database, NOW), snapshot(file)
        assert (found.models, found.providers, found.aliases) == (expected.models, expected.providers, expected.aliases)
        assert found.endpoints.keys() == expected.endpoints.keys()
        for model, endpoints in expected.endpoints.items():
            for ours, theirs in zip(found.endpoints[model], endpoints, strict=True):
                assert (ours.id, ours.parameters, ours.context_tokens) == (
                    theirs.id,
                    theirs.parameters,
                    theirs.context_tokens,
                )
                assert (ours.price and (ours.price.rates, ours.price.tiers)) == (
                    theirs.price and (theirs.price.rates, theirs.price.tiers)
                )
        assert compare(await current_rows(database, NOW), rows_of(file)).changes == ()

    run(tmp_path, test)


def test_equal_sets_and_prices_are_one_object(tmp_path: Path) -> None:
    """What is equal is kept once in memory."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint("one", price()), endpoint("two", price())))
        first, second = await one(database, NOW, "acme:one"), await one(database, NOW, "acme:two")
        assert first.price is not None
        assert second.price is not None
        catalog = await load_catalog(database, NOW)
        twins = catalog.endpoints["maker/one"]
        assert twins[0].parameters is twins[1].parameters
        assert twins[0].price is not None
        assert twins[1].price is not None
        assert twins[0].price.rates is twins[1].price.rates

    run(tmp_path, test)


def test_prices_are_appended_and_take_effect_in_time(tmp_path: Path) -> None:
    """A change of price is a new row; the newest whose time has come is in force, and old ones can still be read."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint(cost=price("0.000001"))), 1_000)
        await put(database, rows(endpoint(cost=price("0.000002"))), 2_000)
        await set_price(database, "acme:one", RatesText("0.000003", "0.1"), 2_500, effective_ms=9_000)
        for now_ms, prompt in ((1_000, 10**12), (1_999, 10**12), (2_000, 2 * 10**12), (9_000, 3 * 10**12)):
            in_force = (await one(database, now_ms)).price
            assert in_force is not None
            assert in_force.rates.prompt == prompt
        assert (await one(database, 999)).price is None
        assert len(await database.read("SELECT id FROM catalog_prices")) == 3
        ids = [row[0] for row in await database.read("SELECT id FROM catalog_prices ORDER BY id")]
        assert ids == [1, 2, 3]
        history = (await all_prices(database))["acme:one"]
        known = [(each.id, each.effective_ms, each.rates.prompt) for each in history]
        assert known == [(1, 1_000, 10**12), (2, 2_000, 2 * 10**12), (3, 9_000, 3 * 10**12)]

    run(tmp_path, test)


def test_the_later_of_two_prices_at_one_moment_counts(tmp_path: Path) -> None:
    """A tie is decided by the order in which they were written."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint(cost=price())))
        await set_price(database, "acme:one", RatesText("0.5", "0.5"), NOW)
        await set_price(database, "acme:one", RatesText("0.7", "0.5"), NOW)
        in_force = (await one(database, NOW)).price
        assert in_force is not None
        assert in_force.rates.prompt == 7 * 10**17

    run(tmp_path, test)


def test_free_only_by_declaration(tmp_path: Path) -> None:
    """Zero is refused as a price; declared free it is one, and a file does not take that back."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint()))
        assert (await one(database, NOW)).price is None
        with pytest.raises(ValueError, match="tollway catalog free acme:one"):
            await set_price(database, "acme:one", RatesText("0", "0"), NOW)
        await declare_free(database, "acme:one", NOW)
        free = (await one(database, NOW)).price
        assert free is not None
        assert free.declared_free
        assert free.rates.prompt == 0
        await put(database, rows(endpoint(cost=price())), 2_000)
        kept = (await one(database, 2_000)).price
        assert kept is not None
        assert kept.declared_free

    run(tmp_path, test)


def test_a_zero_without_a_declaration_is_no_price(tmp_path: Path) -> None:
    """Also where one got into the table past every check."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint(cost=price())))
        changes = compare(await current_rows(database, NOW), rows(endpoint(cost=price("0.5")))).changes
        await apply_changes(database, changes, NOW)
        zero = '{"prompt":"0","completion":"0"}'
        await database.write(Statement("UPDATE catalog_prices SET rates = :zero", ({"zero": zero},)))
        assert (await one(database, NOW)).price is None

    run(tmp_path, test)


@pytest.mark.parametrize("rates", [RatesText("-1", "1"), RatesText("x", "1"), RatesText("1", "1", cache_read="-0.1")])
def test_what_is_no_price_is_refused(tmp_path: Path, rates: RatesText) -> None:
    """The operator's own numbers are checked before anything is written."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint()))
        with pytest.raises(ValueError, match=r"-|number"):
            await set_price(database, "acme:one", rates, NOW)
        with pytest.raises(ValueError, match=r"-|number"):
            await set_price(database, "acme:one", RatesText("1", "1"), NOW, tiers=(TierText(5, rates),))
        assert await database.read("SELECT id FROM catalog_prices") == []

    run(tmp_path, test)


def test_switching_off_and_on(tmp_path: Path) -> None:
    """An endpoint that was switched off stays in the snapshot, off, also after the file changed it."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint(cost=price())))
        await set_enabled(database, "acme:one", False, NOW)
        assert not (await one(database, NOW)).enabled
        await put(database, rows(endpoint(cost=price(), context=9_000)))
        changed = await one(database, NOW)
        assert (changed.enabled, changed.context_tokens) == (False, 9_000)
        await set_enabled(database, "acme:one", True, NOW)
        assert (await one(database, NOW)).enabled

    run(tmp_path, test)


def test_unknown_endpoints(tmp_path: Path) -> None:
    """Each of the operator's commands says so."""

    async def test(database: Database) -> None:
        for action in (
            declare_free(database, "acme:none", NOW),
            set_enabled(database, "acme:none", True, NOW),
            set_price(database, "acme:none", RatesText("1", "1"), NOW),
        ):
            with pytest.raises(LookupError, match="acme:none"):
                await action

    run(tmp_path, test)


def test_what_is_gone_can_come_back(tmp_path: Path) -> None:
    """A vanished endpoint leaves the snapshot but keeps its prices; listed again, it is as it was."""

    async def test(database: Database) -> None:
        both = rows(endpoint("one", price()), endpoint("two", price()))
        await put(database, both)
        await put(database, rows(endpoint("two", price())), 2_000)
        assert [row.id for row in (await load_catalog(database, 2_000)).endpoints["maker/one"]] == ["acme:two"]
        with pytest.raises(LookupError):
            await set_price(database, "acme:one", RatesText("1", "1"), 2_000)
        await put(database, both, 3_000)
        back = (await one(database, 3_000)).price
        assert back is not None
        assert back.rates.prompt == 10**12
        assert len(await database.read("SELECT id FROM catalog_prices")) == 2

    run(tmp_path, test)


def test_the_operators_price_outlives_its_endpoint(tmp_path: Path) -> None:
    """Gone and listed again with another price: the one that a person set is still in force."""

    async def test(database: Database) -> None:
        both = rows(endpoint("one", price()), endpoint("two", price()))
        await put(database, both)
        await set_price(database, "acme:one", RatesText("0.5", "0.5"), NOW)
        await put(database, rows(endpoint("two", price())), 2_000)
        await put(database, both, 3_000)
        back = (await one(database, 3_000)).price
        assert back is not None
        assert back.source == OPERATOR

    run(tmp_path, test)


def test_a_withdrawn_price_turns_the_endpoint_off(tmp_path: Path) -> None:
    """A file that no longer knows the price makes the endpoint unpriced from then on, not free and not as before."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint(cost=price())), 1_000)
        await put(database, rows(endpoint()), 2_000)
        assert (await one(database, 2_000)).price is None
        assert (await one(database, 1_999)).price is not None
        assert compare(await current_rows(database, 2_000), rows(endpoint())).changes == ()

    run(tmp_path, test)


def test_a_server_of_the_operators(tmp_path: Path) -> None:
    """Its rows come beside the file's, are no business of the file, and go when it no longer lists them."""

    async def test(database: Database) -> None:
        await put(database, rows(endpoint(cost=price())))
        home = replace(ACME, slug="home", base_url="http://127.0.0.1:11434/v1", key_env=())
        model = Model("home/mine", "Mine", "home", context_tokens=100)
        listed = [home_endpoint("mine", "home/mine"), home_endpoint("known", "maker/one")]
        current = await current_rows(database, NOW)
        changes = compare_provider(current, home, [model, MODEL], listed)
        await apply_changes(database, changes, NOW, origin=OPERATOR, reason="provider home")
        catalog = await load_catalog(database, NOW)
        assert {row.id for row in catalog.endpoints["maker/one"]} == {"acme:one", "home:known"}
        assert catalog.models["home/mine"] == model
        assert compare(await current_rows(database, NOW), rows(endpoint(cost=price()))).changes == ()
        again = compare_provider(await current_rows(database, NOW), home, [], listed[:1])
        await apply_changes(database, again, NOW, origin=OPERATOR)
        catalog = await load_catalog(database, NOW)
        assert {row.id for row in catalog.endpoints["maker/one"]} == {"acme:one"}
        assert catalog.version == 3

    run(tmp_path, test)


def home_endpoint(name: str, model: str) -> EndpointRow:
    """What the server at home offers."""
    return EndpointRow("home", name, model, ACME.wire_format, 100)
