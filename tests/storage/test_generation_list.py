"""Lists of generations: page by page, by every filter, what one gets by looking at all of them."""

import random
from pathlib import Path
from typing import Any

from msgspec import structs

from tests.storage.ledgers import AWAY, DAY_MS, HOME, NOW_MS, behind_its_back, generation, run, settle_in
from tollway.domain.apps import app_of
from tollway.domain.generation import Generation
from tollway.identity.keys import issue_key
from tollway.storage.generations import (
    Place,
    Wanted,
    count_generations,
    find_generation,
    last_generations,
    list_generations,
)
from tollway.storage.keys import insert_key
from tollway.storage.ledger import commit_generations, void_generation
from tollway.storage.sqlite import SqliteDatabase

APP = "https://app.example/page"


async def pages(database: SqliteDatabase, wanted: Wanted, limit: int) -> list[str]:
    """The ids of all pages; none but the last one is short, and none is empty but of nothing."""
    found: list[str] = []
    place: Place | None = None
    while True:
        rows, place = await list_generations(database, wanted, place, limit)
        found += [row.id for row in rows]
        if place is None:
            return found
        assert len(rows) == limit


def matches(each: Generation, wanted: Wanted, creators: dict[str, str]) -> bool:
    """The same filters, spelled out."""
    app = app_of(each.http_referer, each.app_title)
    tests: list[tuple[Any, Any]] = [
        (wanted.key_id, each.key_id),
        (wanted.creator, creators[each.key_id]),
        (wanted.model, each.model),
        (wanted.provider, (each.endpoint_id or "").partition(":")[0]),
        (wanted.app_id, app.id if app else 0),
        (wanted.failed, each.finish_reason == "error"),
        (wanted.workspace_id, each.workspace_id),
    ]
    return all(asked is None or asked == is_ for asked, is_ in tests) and (
        wanted.from_ms <= each.created_ms < wanted.until_ms
    )


def test_pages_and_filters(tmp_path: Path) -> None:
    """Months apart and in the same millisecond, in pages of any size."""

    async def test(database: SqliteDatabase) -> None:
        dice = random.Random(3)
        await settle_in(database)
        creators, keys = {}, []
        for place, user in ((HOME, "ada"), (HOME, "bob"), (AWAY, "ada")):
            key, _ = issue_key(workspace_id=place, name="n", pepper=b"p", now_ms=1, creator_user_id=user)
            await insert_key(database, key)
            keys.append(key)
            creators[key.id] = user
        made = [
            generation(
                f"gen-{n:03}",
                dice.choice(keys),
                created_ms=NOW_MS - dice.choice((0, 1, DAY_MS, 70 * DAY_MS, 200 * DAY_MS)) - dice.randrange(3),
                model=dice.choice(("a/one", "a/two")),
                endpoint_id=dice.choice(("p:one", "pq:one", None)),
                finish_reason=dice.choice(("stop", "error", None)),
                http_referer=dice.choice((None, APP)),
            )
            for n in range(150)
        ]
        dice.shuffle(made)
        await commit_generations(database, made)
        app = app_of(APP, None)
        assert app is not None
        asked: list[dict[str, Any]] = [
            {},
            {"model": "a/one"},
            {"provider": "p", "failed": False},
            {"failed": True, "creator": "ada"},
            {"key_id": keys[0].id, "app_id": app.id},
            {"app_id": 0, "from_ms": NOW_MS - 70 * DAY_MS - 1, "until_ms": NOW_MS},
            {"from_ms": NOW_MS - DAY_MS, "until_ms": NOW_MS - 1},
            {"model": "a/none"},
            {"model": "a/one", "from_ms": NOW_MS + 1},
            {"workspace_id": AWAY, "model": "a/two"},
            {"workspace_id": "nobody's", "failed": True},
        ]
        for fields in asked:
            wanted = Wanted(**({"workspace_id": HOME} | fields))
            expected = sorted(
                (each for each in made if matches(each, wanted, creators)),
                key=lambda each: (each.created_ms, each.id),
                reverse=True,
            )
            for limit in (1, 7, 1000):
                assert await pages(database, wanted, limit) == [each.id for each in expected], fields

    run(tmp_path, test)


def test_counts_are_those_of_the_list(tmp_path: Path) -> None:
    """By day, whatever the state: requests, failures, tokens and cost, also of one that was voided."""

    async def test(database: SqliteDatabase) -> None:
        dice = random.Random(5)
        key = await settle_in(database)
        made = [
            generation(
                f"gen-{n:03}",
                key,
                created_ms=NOW_MS - dice.randrange(9) * DAY_MS,
                cost=dice.randrange(5),
                model=dice.choice(("a/one", "a/two")),
                finish_reason=dice.choice(("stop", "error", None)),
            )
            for n in range(90)
        ]
        await commit_generations(database, made)
        await void_generation(database, next(each for each in made if each.cost and each.finish_reason == "stop"), "x")
        first, last = (NOW_MS // DAY_MS - 8) * DAY_MS, (NOW_MS // DAY_MS + 1) * DAY_MS
        for failed in (None, True, False):
            for until in (last, last - 1):
                wanted = Wanted(HOME, model="a/one", failed=failed, from_ms=first, until_ms=until)
                found: list[Generation] = []
                place: Place | None = None
                while not found or place is not None:
                    rows, place = await list_generations(database, wanted, place, 7)
                    found += rows
                expected: dict[int, list[int]] = {}
                for each in found:
                    day = each.created_ms // DAY_MS * DAY_MS
                    values = (1, each.finish_reason == "error", each.usage.prompt, each.usage.completion, each.cost)
                    expected[day] = [a + int(b) for a, b in zip(expected.get(day, [0] * 5), values, strict=True)]
                counted = await count_generations(database, wanted, DAY_MS)
                assert {each.at_ms: list(structs.astuple(each)[1:]) for each in counted} == expected, (failed, until)

    run(tmp_path, test)


def test_failed_ones_are_found_by_their_index(tmp_path: Path) -> None:
    """Neither the list nor the count of them reads the others."""

    async def test(database: SqliteDatabase) -> None:
        await settle_in(database)
        asked: list[str] = []
        read = database.read

        async def seen(sql: str, **named: Any) -> Any:
            asked.extend(row[3] for row in await read(f"EXPLAIN QUERY PLAN {sql}", **named) if "generations" in row[3])
            return await read(sql, **named)

        database.read = seen  # type: ignore[method-assign, assignment]  # to look over its shoulder
        await count_generations(database, Wanted(HOME, failed=True), DAY_MS)
        assert asked
        assert all("generations_failed" in each for each in asked), asked

    run(tmp_path, test)


def test_what_is_kept_no_more(tmp_path: Path) -> None:
    """A generation whose record was dropped is found by nobody."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        await commit_generations(database, [generation(name, key) for name in ("one", "two")])
        behind_its_back(database, "UPDATE generations SET record = '' WHERE id = 'one'")
        assert await pages(database, Wanted(HOME), 5) == ["two"]
        assert await find_generation(database, HOME, "one") is None
        assert [each.id for each in await last_generations(database, 5)] == ["two"]

    run(tmp_path, test)
