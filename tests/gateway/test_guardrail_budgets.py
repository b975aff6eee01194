"""Budgets of guardrails: each key's and each member's on its own, never exceeded, whenever they come or change."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.clients import run
from tests.gateway.test_budgets import Under
from tests.gateway.test_holds import Shuffled, key_of, open_database
from tests.storage.ledgers import generation
from tollway.billing.ledger import DAY_MS, Hold, window_start
from tollway.domain.guardrails import Assignment, Guardrail, Guards
from tollway.domain.identity import Key, LimitReset
from tollway.domain.people import User
from tollway.gateway.books import Book, Books
from tollway.storage.database import Database
from tollway.storage.guardrails import assign, set_guardrail
from tollway.storage.keys import create_workspace, insert_key
from tollway.storage.ledger import commit_generations
from tollway.storage.users import new_user

NOW_MS = int(time.time() * 1000)
TODAY = NOW_MS // DAY_MS


async def furnished(folder: Path) -> tuple[Any, list[Key]]:
    """Ada made keys 0 and 1, Bob key 2, and key 3 is nobody's."""
    database = await open_database(folder)
    await create_workspace(database, "home", "home", 0)
    for name in ("ada", "bob"):
        await database.write(new_user(User(name, f"{name}@x.test", name, 0), None))
    makers = ("ada", "ada", "bob", None)
    keys = [msgspec.structs.replace(key_of("home", n), creator_user_id=maker) for n, maker in enumerate(makers)]
    for key in keys:
        await insert_key(database, key)
    await Books(database).grant("home", 10_000, "grant", "", NOW_MS)
    return database, keys


def rail(name: str, limit: int | None, reset: LimitReset | None = None, **fields: Any) -> Guardrail:
    byok = fields.pop("byok", False)
    return Guardrail(name, "home", name, None, Guards(limit=limit, reset=reset, byok=byok), 0, **fields)


async def put(database: Database, guardrail: Guardrail, **to: str) -> None:
    """`keys="..."` or `members="..."`: whom it is assigned to."""
    await database.write(set_guardrail(guardrail))
    for kind, who in to.items():
        await database.write(assign(kind, [Assignment(guardrail.id, who, "home", None, 0)]))  # type: ignore[arg-type]  # "keys" or "members"


def told(book: Book) -> list[tuple[str, int | None, int, int]]:
    return [(b.row.scope.value, b.limit, b.spent, b.held) for b in book.budgets if b.row]


def test_each_key_and_each_member(tmp_path: Path) -> None:
    """The default one counts each key and each member, an assigned one those who have it; a restart finds it again."""

    async def scene() -> None:
        database, keys = await furnished(tmp_path)
        try:
            books = Books(database)
            await put(database, rail("all", 100, default=True))
            await put(database, rail("ada's", 60, LimitReset.DAILY), members="ada")
            await put(database, rail("one's", 40, LimitReset.MONTHLY), keys=keys[0].id)
            one, two, three, four = [await books.open(key) for key in keys]
            assert told(one) == [
                ("workspace_default_member", 100, 0, 0), ("workspace_default_key", 100, 0, 0),
                ("member", 60, 0, 0), ("api_key", 40, 0, 0),
            ]  # fmt: skip
            Hold(one.lease, one.meter, 40, one.budgets)
            assert (one.available, two.available, three.available, four.available) == (0, 20, 100, 100)
            tightest = two.tightest()
            assert tightest is not None
            assert tightest.whose == "this key's maker's daily budget (guardrail \"ada's\")"
            now = [generation("gen", keys[0], cost=35, created_ms=NOW_MS)]
            old = [generation("old", keys[1], cost=30, created_ms=NOW_MS - 45 * DAY_MS)]
            await commit_generations(database, now + old)
            again = Books(database)
            one, two, three, four = [await again.open(key) for key in keys]
            assert told(one) == [
                ("workspace_default_member", 100, 65, 0), ("workspace_default_key", 100, 35, 0),
                ("member", 60, 35, 0), ("api_key", 40, 35, 0),
            ]  # fmt: skip
            assert (one.available, two.available, three.available, four.available) == (5, 25, 100, 100)
        finally:
            await database.close()

    run(scene)


def test_made_beside_requests(tmp_path: Path) -> None:
    """A budget made while holds are open and charges wait counts both; another reset begins a window of its own."""

    async def scene() -> None:
        database, keys = await furnished(tmp_path)
        try:
            books = Books(database)
            one, two = [await books.open(key) for key in keys[:2]]
            hold, waiting = Hold(one.lease, one.meter, 50), Hold(two.lease, two.meter, 7)
            waiting.resolve(7)
            one.running.add(Under(hold, TODAY))
            await put(database, rail("r", 500), members="ada")
            await books.change_budgets("home")
            assert told(one) == told(two) == [("member", 500, 7, 50)]
            assert one.budgets[0] is two.budgets[0]
            hold.resolve(20)
            assert told(two) == [("member", 500, 27, 0)]
            await put(database, rail("r", 300, LimitReset.WEEKLY))
            await books.change_budgets("home")
            assert told(two) == [("member", 300, 27, 0)]
            assert two.budgets[0].window == window_start(LimitReset.WEEKLY, TODAY)
            await put(database, rail("r", 10))
            await books.change_budgets("home")
            assert one.available == 0
            await put(database, rail("r", None))
            await books.change_budgets("home")
            assert (one.budgets, one.available) == ((), one.lease.available)
        finally:
            await database.close()

    run(scene)


def test_what_own_providers_bill(tmp_path: Path) -> None:
    """Counted where the guardrail says so, as far as its limit goes, beside a key whose own limit does not count it."""

    async def scene() -> None:
        database, keys = await furnished(tmp_path)
        try:
            await put(database, rail("with", 100, byok=True), keys=keys[0].id)
            await put(database, rail("without", 100), members="ada")
            book = await Books(database).open(keys[0])
            without, counting = book.budgets
            assert book.listed_available == 100
            hold = Hold(book.lease, book.meter, 5, book.budgets, 60)
            assert (counting.held, without.held, book.meter.held) == (65, 5, 5)
            hold.resolve(2, 40)
            assert (counting.spent, without.spent, book.meter.spent) == (42, 2, 2)
            assert book.listed_available == 58
            hold.give_back(2, 40)
            assert (counting.spent, without.spent, book.meter.ever, book.meter.ever_own) == (0, 0, 0, 0)
        finally:
            await database.close()

    run(scene)


@settings(max_examples=40, deadline=None)
@given(
    delays=st.lists(st.integers(0, 4), min_size=10, max_size=60),
    steps=st.lists(
        st.tuples(st.sampled_from(["use", "use", "member", "key", "default", "weekly"]), st.integers(0, 3)),
        min_size=3,
        max_size=14,
    ),
)
def test_never_exceeded(tmp_path_factory: Any, delays: list[int], steps: list[tuple[str, int]]) -> None:
    """First uses, requests and changes of guardrails interleave as they like: at the end each budget has counted
    exactly what its keys hold and spent, and nobody was given more than all limits left at that moment.
    """

    async def scene() -> None:
        real, keys = await furnished(tmp_path_factory.mktemp("rails"))
        try:
            books = Books(Shuffled(real, list(delays)))
            given: list[tuple[Key, Hold, int]] = []
            await put(real, rail("m", 400), members="ada")
            await put(real, rail("k", 300), keys=keys[0].id)

            async def play(number: int, step: str, which: int) -> None:
                if step == "use":
                    book = await books.open(keys[which])
                    under = Under(Hold(book.lease, book.meter, min(90, book.available), book.budgets), TODAY)
                    book.running.add(under)
                    await asyncio.sleep(0.002 * (number % 3))
                    cost = under.hold.amount // (1 + number % 2)
                    if number % 4:
                        book.running.discard(under)
                        under.hold.resolve(cost)
                        given.append((keys[which], under.hold, cost))
                    else:
                        given.append((keys[which], under.hold, under.hold.amount))
                    return
                if step == "member":
                    await put(real, rail("m", 350), members=("ada", "bob")[which % 2])
                elif step == "key":
                    await put(real, rail(f"k{which}", 200 + number), keys=keys[which].id)
                elif step == "default":
                    await put(real, rail("all", 250, default=True))
                else:
                    await put(real, rail("m", 380, LimitReset.WEEKLY))
                await books.change_budgets("home")

            await asyncio.gather(*(play(number, *step) for number, step in enumerate(steps)))
            await books.change_budgets("home")
            for key in keys:
                for budget in (await books.open(key)).budgets:
                    assert budget.row is not None
                    counted = [
                        amount for each, _, amount in given
                        if budget.row.subject == (each.id if budget.row.scope.of_key else each.creator_user_id)
                    ]  # fmt: skip
                    assert budget.spent + budget.held == sum(counted)
        finally:
            await real.close()

    run(scene)
