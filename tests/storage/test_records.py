"""Records: keys and generations come back as they were written, and only to whose they are."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from tests.storage.ledgers import AWAY, DAY_MS, HOME, NOW_MS, generation, run, settle_in
from tollway.domain.generation import Attempt, Placed, RuledOut, Trace, Usage
from tollway.domain.health import Outcome
from tollway.domain.identity import KeyKind, LimitReset
from tollway.identity.issue import create_key
from tollway.identity.keys import digest_of, issue_key
from tollway.storage.database import ConflictError
from tollway.storage.generations import find_generation
from tollway.storage.keys import (
    create_workspace,
    find_key_by_digest,
    insert_key,
    list_keys,
    set_disabled,
    spent_by_day,
    workspace_exists,
)
from tollway.storage.ledger import commit_generations
from tollway.storage.sqlite import SqliteDatabase


def test_a_generation_comes_back_whole(tmp_path: Path) -> None:
    """Every field of the record survives, also the ones that are seldom set."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        attempts = (
            Attempt("a:m", "a", Outcome.RATE_LIMITED, 429, 7, message="it's \u00fcber \u2028 limit"),
            Attempt("b:m", "b", Outcome.SUCCEEDED, 200, 9, "up-1", began_ms=12),
        )
        plan = Trace(
            (Placed("a:m", "drawn by cost", 0.75), Placed("b:m", "next by cost", 0.25)),
            (RuledOut("c:m", "ignored", "in provider.ignore"),),
            3,
        )
        usage = Usage(1, 2, 3, 4, 5, 6, 7, 8, estimated=True)
        full = generation(
            "gen-1", key, cost=9, absorbed=8, attempts=attempts, usage=usage, cancelled=True, error="x", session_id="s",
            max_tokens_sent=512, tokens_prompt_estimate=11, http_referer="h", app_title="t", user_agent="u",
            external_user="e", upstream_id="up-1", plan=plan,
        )  # fmt: skip
        plain = generation("gen-2", key, finish_reason=None, native_finish_reason=None, endpoint_id=None, provider=None)
        await commit_generations(database, [full, plain])
        assert await find_generation(database, HOME, "gen-1") == full
        assert await find_generation(database, HOME, "gen-2") == plain

    run(tmp_path, test)


def test_another_workspaces_generation_is_not_there(tmp_path: Path) -> None:
    """To anyone else an id is like one that never was, so that ids tell nothing."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        await commit_generations(database, [generation("gen-1", key)])
        assert await find_generation(database, AWAY, "gen-1") is None
        assert await find_generation(database, "", "gen-1") is None
        assert await find_generation(database, HOME, "gen-2") is None
        assert await find_generation(database, HOME, "gen-1") is not None

    run(tmp_path, test)


def test_a_key_comes_back_whole(tmp_path: Path) -> None:
    """Found by its digest alone, with every field; the secret is nowhere in the file."""

    secrets: list[str] = []

    async def test(database: SqliteDatabase) -> None:
        await create_workspace(database, HOME, HOME, NOW_MS)
        key, secret = issue_key(
            workspace_id=HOME,
            name="it's",
            pepper=b"p",
            now_ms=5,
            limit=7,
            limit_reset=LimitReset.MONTHLY,
            expires_ms=9,
            rpm=60,
            prefix="sk-or-prov-v1-",
            kind=KeyKind.PROVISIONING,
        )
        key = structs.replace(key, disabled=True, creator_user_id="u")
        await insert_key(database, key)
        assert await find_key_by_digest(database, digest_of(secret, b"p")) == key
        assert await find_key_by_digest(database, digest_of(secret, b"other")) is None
        assert await find_key_by_digest(database, key.id.encode()) is None
        with pytest.raises(ConflictError):
            await insert_key(database, structs.replace(key, id="another"))
        secrets.append(secret)

    run(tmp_path, test)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sk-or-prov-v1-" in content  # its label
    assert secrets[0].encode()[20:-3] not in content


def test_keys_are_listed_and_disabled(tmp_path: Path) -> None:
    """Oldest first; disabling gives the digest that the running server must forget."""

    async def test(database: SqliteDatabase) -> None:
        made = []
        for now_ms in (30, 10, 20):
            key, _ = await create_key(database, b"p", workspace_id=HOME, name="n", now_ms=now_ms)
            made.append(key)
        assert await list_keys(database) == sorted(made, key=lambda key: key.created_ms)
        assert await set_disabled(database, made[0].id, True) == made[0].digest
        assert [key.disabled for key in await list_keys(database)] == [False, False, True]
        assert await set_disabled(database, made[0].id, False) == made[0].digest
        assert await set_disabled(database, "nobody", True) is None
        assert (await workspace_exists(database, HOME), await workspace_exists(database, AWAY)) == (True, False)

    run(tmp_path, test)


def test_what_a_key_spent_by_day(tmp_path: Path) -> None:
    """Each UTC day that had a request, oldest first, and when the last one of it came; by when they were admitted."""

    async def test(database: SqliteDatabase) -> None:
        key = await settle_in(database)
        costs = ((NOW_MS, 1), (NOW_MS + DAY_MS - 1, 2), (NOW_MS + DAY_MS, 4), (NOW_MS - 1, 8), (NOW_MS + 2 * DAY_MS, 0))
        found = [generation(f"g{n}", key, cost=cost, created_ms=at) for n, (at, cost) in enumerate(costs)]
        await commit_generations(database, found[:2])
        await commit_generations(database, found[2:])
        days = [(each.day - 20_000, each.spent, each.last_ms - NOW_MS) for each in await spent_by_day(database, key.id)]
        assert days == [(-1, 8, -1), (0, 3, DAY_MS - 1), (1, 4, DAY_MS), (2, 0, 2 * DAY_MS)]

    run(tmp_path, test)


def test_a_workspace_is_made_once(tmp_path: Path) -> None:
    """Making it again, also at the same time, changes nothing."""

    async def test(database: SqliteDatabase) -> None:
        await asyncio.gather(*(create_workspace(database, HOME, f"name {n}", n) for n in range(5)))
        assert len(await database.read("SELECT name FROM workspaces")) == 1
        assert await database.read("SELECT credited, debited, platform FROM accounts") == [(0, 0, 0)]

    run(tmp_path, test)
