"""Sums by day: whatever was charged and voided, they are what one gets by adding up the generations."""

import random
from collections import Counter
from pathlib import Path

import apsw
import pytest
from msgspec import structs

from tests.storage.ledgers import AWAY, DAY_MS, HOME, NOW_MS, generation, grant, run, settle_in
from tollway.domain.generation import Generation, Usage
from tollway.identity.keys import issue_key
from tollway.storage.audit import audit_ledger
from tollway.storage.keys import insert_key
from tollway.storage.ledger import commit_generations, post_transfers, void_generation
from tollway.storage.migrate import migrate, shipped_migrations
from tollway.storage.sqlite import SqliteDatabase
from tollway.storage.usage_days import UsageDay, house_by_day, usage_by_day

TODAY = NOW_MS // DAY_MS


def summed(generations: list[Generation], voided: set[str]) -> Counter[tuple[object, ...]]:
    """The same figures, added one by one."""
    sums: Counter[tuple[object, ...]] = Counter()
    for each in generations:
        if each.endpoint_id is None:
            continue
        place = each.created_ms // DAY_MS, each.workspace_id, each.model, each.endpoint_id
        void = each.id in voided
        for name, value in (
            ("requests", 1),
            ("errors", void or each.finish_reason == "error"),
            ("prompt_tokens", each.usage.prompt),
            ("completion_tokens", each.usage.completion),
            ("reasoning_tokens", each.usage.reasoning),
            ("cached_tokens", each.usage.cache_read),
            ("cost", 0 if void else each.cost),
            ("upstream", each.cost + each.absorbed),  # its provider bills a voided one as well
        ):
            sums[*place, name] += int(value)
    return +sums


def shown(days: list[UsageDay]) -> Counter[tuple[object, ...]]:
    """What was read, in the same form."""
    sums: Counter[tuple[object, ...]] = Counter()
    for each in days:
        values = structs.asdict(each)
        place = [values.pop(name) for name in ("day", "workspace_id", "model", "endpoint_id")]
        assert (*place, "requests") not in sums
        sums.update({(*place, name): value for name, value in values.items()})
    return +sums


def test_the_sums_are_the_generations(tmp_path: Path) -> None:
    """Two workspaces, several keys, models, days and apps; batches, failures, voids before and after the commit."""

    async def test(database: SqliteDatabase) -> None:
        dice = random.Random(5)
        first = await settle_in(database, 10**6)
        await post_transfers(database, [grant("away", 10**6, AWAY)])
        keys = [first]
        for place, user in ((HOME, "ada"), (HOME, "bob"), (AWAY, "ada")):
            key, _ = issue_key(workspace_id=place, name="n", pepper=b"p", now_ms=1, creator_user_id=user)
            await insert_key(database, key)
            keys.append(key)
        made: list[Generation] = []
        voided: set[str] = set()
        for batch in range(40):
            new = [
                generation(
                    f"g{batch}-{n}",
                    dice.choice(keys),
                    cost=dice.randrange(100),
                    created_ms=NOW_MS - dice.randrange(4 * DAY_MS),
                    model=dice.choice(("a/one", "a/two")),
                    endpoint_id=dice.choice(("p:one", "q:two", None)),
                    finish_reason=dice.choice(("stop", "error", None)),
                    usage=Usage(dice.randrange(50), dice.randrange(50), dice.randrange(9), reasoning=dice.randrange(9)),
                    http_referer=dice.choice((None, "https://app.example/page", "http://localhost")),
                    app_title=dice.choice((None, "App")),
                )
                for n in range(dice.randrange(1, 9))
            ]
            if dice.random() < 0.2:
                void = new.pop()
                made.append(void)
                voided.add(void.id)
                await void_generation(database, void, "could not be recorded")
            if new:
                await commit_generations(database, new)
                made += new
                if new[0].cost and dice.random() < 0.3:
                    voided.add(new[0].id)
                    await void_generation(database, new[0], "could not be recorded")
        days = range(TODAY - 4, TODAY + 1)
        for place in (HOME, AWAY):
            own = [each for each in made if each.workspace_id == place]
            assert shown(await usage_by_day(database, place, days)) == summed(own, voided)
            assert shown(await usage_by_day(database, place, days[1:2])) == summed(
                [each for each in own if each.created_ms // DAY_MS == days[1]], voided
            )
            for key in keys:
                of_key = [each for each in own if each.key_id == key.id]
                assert shown(await usage_by_day(database, place, days, key_id=key.id)) == summed(of_key, voided)
            of_ada = [each for each in own if each.key_id in (keys[1].id, keys[3].id)]
            assert shown(await usage_by_day(database, place, days, creator="ada")) == summed(of_ada, voided)
        assert not any(finding.broken for finding in await audit_ledger(database))

    run(tmp_path, test)


def test_an_older_database_is_summed_up(tmp_path: Path) -> None:
    """What was recorded before there were sums is in them after the upgrade, tokens and all."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        usage = Usage(10, 20, cache_read=3, reasoning=4)
        await commit_generations(
            database,
            [
                generation("paid", key, cost=300, usage=usage),
                generation("failed", key, usage=usage, finish_reason="error"),
                generation("none", key, usage=Usage()),
            ],
        )
        before = await usage_by_day(database, HOME, [TODAY])
        numbers = [n for n, name, _ in shipped_migrations() if name.endswith(("records.sql", "administration.sql"))]
        assert len(numbers) == 2
        connection = apsw.Connection(str(database.path))
        connection.execute("PRAGMA foreign_keys = OFF")
        for table, columns in (("generations", OLD_COLUMNS), ("usage_days", ()), ("apps", ())):
            for column in columns:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
            if not columns:
                connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX keys_by_time; ALTER TABLE workspaces DROP COLUMN disabled_ms")
        connection.execute(f"DELETE FROM migrations WHERE number IN ({numbers[0]}, {numbers[1]})")
        connection.close()
        await migrate(database)
        connection = apsw.Connection(str(database.path))
        connection.execute("ALTER TABLE usage_days ADD COLUMN byok BIGINT NOT NULL DEFAULT 0")  # a later migration's
        connection.close()
        assert await usage_by_day(database, HOME, [TODAY]) == before
        assert (before[0].requests, before[0].errors, before[0].prompt_tokens, before[0].cached_tokens) == (3, 1, 20, 6)
        assert not any(finding.broken for finding in await audit_ledger(database))

    run(tmp_path, test)


def what_was_added() -> str:
    """The SQL that brought `upstream`."""
    [sql] = [sql for _, name, sql in shipped_migrations() if name.endswith("administration.sql")]
    return sql[sql.index("ALTER TABLE usage_days") :]


def test_what_providers_bill(tmp_path: Path) -> None:
    """Their own price where callers pay another, nothing over a caller's own key, and what nobody pays; after an
    upgrade the same."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        await commit_generations(
            database,
            [
                generation("plain", key, cost=100),
                generation("dearer", key, cost=30, upstream_cost=20),
                generation("own", key, cost=4, own_cost=80, credential_id="c"),
                generation("free", key),
                generation("failed", key, absorbed=3, finish_reason="error"),
            ],
        )
        [day] = await house_by_day(database, TODAY, TODAY)
        assert (day.requests, day.errors, day.cost, day.upstream, day.byok, day.workspaces) == (5, 1, 134, 123, 80, 1)
        assert await house_by_day(database, TODAY + 1, TODAY + 9) == []
        connection = apsw.Connection(str(database.path))
        connection.execute("UPDATE usage_days SET upstream = 0")
        added = what_was_added()
        connection.execute(added[added.index("UPDATE usage_days") :])
        connection.close()
        assert await house_by_day(database, TODAY, TODAY) == [day]

    run(tmp_path, test)


OLD_COLUMNS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "app_id")
"""Those that the migration adds."""


def test_sums_are_carried_over(tmp_path: Path) -> None:
    """The table got another order: an upgrade keeps each row of the old one, and goes on adding to it."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        found = [
            generation(f"g{n}", key, cost=n, model=model, own_cost=own, usage=Usage(10, 20, 3, reasoning=4))
            for n, (model, own) in enumerate((("a/one", 0), ("a/two", 7), ("a/one", 0)))
        ]
        await commit_generations(database, found)
        before = await usage_by_day(database, HOME, [TODAY])
        connection = apsw.Connection(str(database.path))
        columns = [row[1] for row in connection.execute("PRAGMA table_info(usage_days)")]
        old = ["day", "workspace_id", "key_id", "model", "endpoint_id", "app_id", *columns[6:]]
        connection.execute(f"CREATE TABLE older AS SELECT {', '.join(old)} FROM usage_days")
        connection.execute("DROP TABLE usage_days")
        connection.execute("ALTER TABLE older RENAME TO usage_days")
        number = next(number for number, name, _ in shipped_migrations() if "usage_days_in_order" in name)
        connection.execute(f"DELETE FROM migrations WHERE number = {number}")
        connection.close()
        await migrate(database)
        connection = apsw.Connection(str(database.path))
        connection.execute(what_was_added())  # by a later migration
        connection.close()
        assert await usage_by_day(database, HOME, [TODAY]) == before
        assert sum(each.byok for each in before) == 7
        await commit_generations(database, [generation("more", key, cost=5, model="a/one")])
        after = {each.model: each for each in await usage_by_day(database, HOME, [TODAY])}
        assert (after["a/one"].requests, after["a/one"].cost) == (3, 7)
        assert not any(finding.broken for finding in await audit_ledger(database))

    run(tmp_path, test)


def test_activity_is_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes the page quick: one walk along the table, which has the groups side by side, and no tree for them."""

    async def test(database: SqliteDatabase) -> None:
        asked: list[str] = []
        read = database.read

        async def spy(sql: str, /, **named: object) -> list[tuple[object, ...]]:
            asked.append(sql)
            return await read(sql, **named)

        monkeypatch.setattr(database, "read", spy)
        await usage_by_day(database, HOME, range(TODAY - 30, TODAY))
        steps = [row[3] for row in await read(f"EXPLAIN QUERY PLAN {asked[0]}", workspace_id=HOME)]
        assert steps == [
            "SEARCH usage_days USING PRIMARY KEY (day=? AND workspace_id=?)",
            "USE TEMP B-TREE FOR ORDER BY",
        ]

    run(tmp_path, test)
