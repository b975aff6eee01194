"""Generations: one by its id, a workspace's page by page, and the newest of all for the operator."""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct, structs

from tollway.domain.generation import Generation
from tollway.domain.money import Nanodollars
from tollway.storage.database import Database, Statement
from tollway.storage.usage_days import DAY_MS

_decoder = msgspec.json.Decoder(Generation)

DAYS_AT_ONCE = 60

_FILTERS = {
    "key_id": "key_id = :key_id",
    "creator": "key_id IN (SELECT id FROM keys WHERE workspace_id = :workspace_id AND creator_user_id = :creator)",
    "model": "model = :model",
    "provider": "SUBSTR(endpoint_id, 1, LENGTH(:provider) + 1) = :provider || ':'",
    "app_id": "app_id = :app_id",
}


class Wanted(Struct, frozen=True):
    """Which of a workspace's generations are meant; None: whichever."""

    workspace_id: str
    key_id: str | None = None
    creator: str | None = None
    """The user who made the key."""
    model: str | None = None
    provider: str | None = None
    app_id: int | None = None
    failed: bool | None = None
    from_ms: int = 0
    until_ms: int = 2**53
    """Before this."""
    cost_min: Nanodollars | None = None


class Counted(Struct, frozen=True):
    """How many there were from a moment on, until the next one."""

    at_ms: int
    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    cost: Nanodollars


class Place(Struct, frozen=True):
    """A generation's place in the list: what comes after it is older, or made in the same millisecond."""

    created_ms: int
    id: str


async def find_generation(database: Database, workspace_id: str, generation_id: str) -> Generation | None:
    """One of the workspace's generations, or None: another workspace's id is like an absent one."""
    rows = await database.read(
        "SELECT record FROM generations WHERE id = :id AND workspace_id = :workspace_id",
        id=generation_id,
        workspace_id=workspace_id,
    )
    return _decoder.decode(rows[0][0]) if rows and rows[0][0] else None


async def last_generations(database: Database, count: int) -> list[Generation]:
    """The newest of all workspaces, the oldest of them first: for the operator alone."""
    rows = await database.read(
        "SELECT record FROM generations WHERE record <> '' ORDER BY created_ms DESC, id DESC LIMIT :count", count=count
    )
    return [_decoder.decode(row[0]) for row in reversed(rows)]


async def list_generations(
    database: Database, wanted: Wanted, after: Place | None, limit: int
) -> tuple[list[Generation], Place | None]:
    """The newest first, and where the next page begins; None: there are no more.

    No more rows than asked for are read of what is not filtered. What is filtered is looked for on those days only that
    have some of it by their sums, so that a model of last year is found without reading the year.
    """
    rows: list[tuple[int, str, str]] = []
    async for first_ms, until_ms in _spans(database, wanted, after):
        rows += await _read_span(database, wanted, after, first_ms, until_ms, limit + 1 - len(rows))
        if len(rows) > limit:
            break
    more = Place(*rows[limit - 1][:2]) if len(rows) > limit else None
    return [_decoder.decode(record) for _, _, record in rows[:limit] if record], more


async def _spans(database: Database, wanted: Wanted, after: Place | None) -> AsyncIterator[tuple[int, int]]:
    """Times from and until which there may be some, the last ones first."""
    until_ms = min(wanted.until_ms, after.created_ms + 1 if after else wanted.until_ms)
    where, named = _conditions(wanted)
    if wanted.failed is not None:
        where.append("errors > 0" if wanted.failed else "requests > errors")
    if wanted.cost_min:
        where.append("cost >= :cost_min")
        named["cost_min"] = wanted.cost_min
    if not where:
        yield wanted.from_ms, until_ms
        return
    own = "FROM generations WHERE workspace_id = :workspace_id"
    # Each by itself is one look into the index; asked for together they would read all of it.
    sql = f"SELECT (SELECT MIN(created_ms) {own}), (SELECT MAX(created_ms) {own})"
    [[first_ms, last_ms]] = await database.read(sql, workspace_id=wanted.workspace_id)
    if first_ms is None:
        return
    first, day = max(wanted.from_ms, first_ms) // DAY_MS, min(until_ms - 1, last_ms) // DAY_MS
    while day >= first:
        days = range(day, max(first, day - DAYS_AT_ONCE + 1) - 1, -1)
        sql = f"""
        SELECT DISTINCT day FROM usage_days WHERE day IN ({", ".join(map(str, days))})
        AND workspace_id = :workspace_id AND {" AND ".join(where)} ORDER BY day DESC
        """  # noqa: S608 (constants and whole numbers)
        for [found] in await database.read(sql, **named):
            yield max(wanted.from_ms, found * DAY_MS), min(until_ms, (found + 1) * DAY_MS)
        day -= DAYS_AT_ONCE


async def _read_span(
    database: Database, wanted: Wanted, after: Place | None, from_ms: int, until_ms: int, limit: int
) -> list[tuple[int, str, str]]:
    where, named = _record_conditions(wanted)
    if after is not None:
        where.append("(created_ms, id) < (:after_ms, :after_id)")
        named |= {"after_ms": after.created_ms, "after_id": after.id}
    sql = f"""
    SELECT created_ms, id, record FROM generations WHERE {" AND ".join(where)}
    ORDER BY created_ms DESC, id DESC LIMIT :limit
    """  # noqa: S608 (constants)
    rows = await database.read(sql, **named, from_ms=from_ms, until_ms=until_ms, limit=limit)
    return [(created_ms, id_, record) for created_ms, id_, record in rows]


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    """Those that both the generations and their sums can be asked for."""
    asked = {name: value for name in _FILTERS if (value := getattr(wanted, name)) is not None}
    return [_FILTERS[name] for name in asked], {"workspace_id": wanted.workspace_id, **asked}


def _record_conditions(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    """Those of the records themselves."""
    where, named = _conditions(wanted)
    where += ["workspace_id = :workspace_id", "created_ms >= :from_ms", "created_ms < :until_ms"]
    if wanted.failed is not None:
        where.append("finish_reason = 'error'" if wanted.failed else "COALESCE(finish_reason, '') <> 'error'")
    if wanted.cost_min:
        where.append("cost >= :cost_min")
        named["cost_min"] = wanted.cost_min
    return where, named


async def count_generations(database: Database, wanted: Wanted, unit_ms: int) -> list[Counted]:
    """How many, by hours or days of UTC: from the days' sums, unless hours or a least cost are asked for.

    Failed ones have an index of their own, so that those that did not fail are the days' sums without them.
    """
    whole_days = not (wanted.from_ms % DAY_MS or wanted.until_ms % DAY_MS)
    if unit_ms != DAY_MS or wanted.cost_min or (wanted.failed is False and not whole_days):
        return await _count_records(database, wanted, unit_ms)
    if wanted.failed is None:
        return await _count_days(database, wanted)
    failed = await _count_records(database, structs.replace(wanted, failed=True), unit_ms)
    if wanted.failed:
        return failed
    without = {each.at_ms: each for each in failed}
    found = [_less(each, without.get(each.at_ms)) for each in await _count_days(database, wanted)]
    return [each for each in found if each.requests]


def _less(whole: Counted, failed: Counted | None) -> Counted:
    """What is left of a day without those that failed."""
    if failed is None:
        return whole
    return Counted(
        whole.at_ms,
        whole.requests - failed.requests,
        whole.errors - failed.errors,
        whole.prompt_tokens - failed.prompt_tokens,
        whole.completion_tokens - failed.completion_tokens,
        whole.cost - failed.cost,
    )


async def _count_days(database: Database, wanted: Wanted) -> list[Counted]:
    """By whole days, from their sums."""
    where, named = _conditions(wanted)
    where += ["workspace_id = :workspace_id", "day >= :first", "day < :last"]
    named |= {"first": wanted.from_ms // DAY_MS, "last": -(-wanted.until_ms // DAY_MS)}
    sql = f"""
    SELECT day, SUM(requests), SUM(errors), SUM(prompt_tokens), SUM(completion_tokens), SUM(cost)
    FROM usage_days WHERE {" AND ".join(where)} GROUP BY day ORDER BY day
    """  # noqa: S608 (constants)
    return [Counted(day * DAY_MS, *sums) for day, *sums in await database.read(sql, **named)]


async def _count_records(database: Database, wanted: Wanted, unit_ms: int) -> list[Counted]:
    """By hours or days, from the records themselves."""
    where, named = _record_conditions(wanted)
    named |= {"from_ms": wanted.from_ms, "until_ms": wanted.until_ms}
    sql = f"""
    SELECT created_ms / {int(unit_ms)}, COUNT(*), SUM(CASE WHEN finish_reason = 'error' THEN 1 ELSE 0 END),
    SUM(prompt_tokens), SUM(completion_tokens), SUM(cost)
    FROM generations WHERE {" AND ".join(where)} GROUP BY 1 ORDER BY 1
    """  # noqa: S608 (constants and a whole number)
    return [Counted(unit * unit_ms, *sums) for unit, *sums in await database.read(sql, **named)]


async def drop_records(database: Database, workspace_id: str, from_ms: int, until_ms: int, count: int) -> int | None:
    """Drops the oldest records of a time, some at once; when the last one was made, or None: there are no more.

    What the ledger needs stays.
    """
    sql = """
    UPDATE generations SET record = '' WHERE id IN (
        SELECT id FROM generations WHERE workspace_id = :workspace_id AND created_ms >= :from_ms
        AND created_ms < :until_ms AND record <> '' ORDER BY created_ms LIMIT :count
    ) RETURNING created_ms
    """
    row = {"workspace_id": workspace_id, "from_ms": from_ms, "until_ms": until_ms, "count": count}
    [rows] = await database.write(Statement(sql, (row,)))
    return max((row[0] for row in rows), default=None)
