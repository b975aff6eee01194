"""Generations summed by UTC day, key, endpoint and app: written with the captures, so that no sum reads them all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from tollway.domain.apps import app_of
from tollway.domain.generation import Generation
from tollway.domain.money import Nanodollars
from tollway.storage.database import Database, NewRows, Row, Statement

DAY_MS = 86_400_000
KEYS_LEAST = 3
"""Public rankings name what so many different keys used: the use of one tenant alone is nobody else's business."""

APP_COLUMNS = ("id", "url", "title", "created_ms")

_KEY = ("day", "workspace_id", "model", "endpoint_id", "key_id", "app_id")
"""In the order in which the table is kept, so that a day's sums of a workspace lie side by side, group by group."""
Place = tuple[int, str, str, str, str, int]
"""A row's `_KEY`."""
_SUMS = (
    "requests", "errors", "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "cost", "byok",
    "upstream",
)  # fmt: skip
_COLUMNS = _KEY + _SUMS
_ADD_UP = (
    f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {', '.join(f'{n} = usage_days.{n} + excluded.{n}' for n in _SUMS)}"
)
_VOID = f"""
UPDATE usage_days SET cost = cost - :cost, byok = byok - :byok, errors = errors + :errors
WHERE {" AND ".join(f"{name} = :{name}" for name in _KEY)}
"""  # noqa: S608 (constants)


class UsageDay(Struct, frozen=True):
    """What was used of one endpoint on one day (days since 1970)."""

    day: int
    workspace_id: str
    model: str
    endpoint_id: str
    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cost: Nanodollars
    byok: Nanodollars
    """What went over the workspace's own credentials, at list price."""
    upstream: Nanodollars = 0
    """What providers bill to this server for it."""


class HouseDay(Struct, frozen=True):
    """What everybody used on one day (days since 1970)."""

    day: int
    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    cost: Nanodollars
    """What callers paid."""
    byok: Nanodollars
    """What went over workspaces' own credentials, at list price."""
    upstream: Nanodollars
    """What providers bill to this server."""
    workspaces: int
    """How many asked for something."""


class SpentDay(Struct, frozen=True):
    """What a workspace's requests cost it on one day (days since 1970)."""

    day: int
    requests: int
    cost: Nanodollars
    byok: Nanodollars
    """What went over its own credentials, at list price."""


class AppUse(Struct, frozen=True):
    """An app, and what it was used for in a time."""

    id: int
    url: str | None
    title: str | None
    requests: int
    tokens: int


class ModelDay(Struct, frozen=True):
    """What everybody asked of one model on one day (days since 1970)."""

    day: int
    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int


class ModelUse(Struct, frozen=True):
    """What one model was used for in a time."""

    days: Mapping[int, ModelDay]
    """By day; those on which nobody asked are left out."""
    apps: Sequence[AppUse]
    """None of workspaces that opted out."""


class Use(Struct, frozen=True):
    """How often something was asked, and its tokens, prompt and answer together."""

    tokens: int = 0
    requests: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.tokens + other.tokens, self.requests + other.requests)


class Uses(Struct, frozen=True):
    """What everybody used in a time, as far as anybody may know: what fewer than KEYS_LEAST keys used is in no sum."""

    models: Mapping[str, Use]
    providers: Mapping[str, Use]
    """By slug."""
    apps: Sequence[AppUse]
    """None of workspaces that opted out."""


def by_place(generations: Iterable[Generation]) -> dict[Place, list[Generation]]:
    """Generations by the row that their sums go to."""
    groups: dict[Place, list[Generation]] = {}
    for each in generations:
        app = app_of(each.http_referer, each.app_title) if each.http_referer else None
        place = (
            each.created_ms // DAY_MS,
            each.workspace_id,
            each.model,
            each.endpoint_id or "",
            each.key_id,
            app.id if app is not None else 0,
        )
        group = groups.get(place)
        if group is None:
            groups[place] = [each]
        else:
            group.append(each)
    return groups


def add_usage(groups: Mapping[Place, Sequence[Generation]]) -> tuple[NewRows, NewRows]:
    """New generations, added to the sums of their days; a row is touched once, however many of them it takes."""
    apps: dict[int, Row] = {}
    for (*_, app_id), (first, *_) in groups.items():
        if app_id not in apps and (app := app_of(first.http_referer, first.app_title)) is not None:
            apps[app_id] = (app_id, app.url, app.title, first.created_ms)
    new = NewRows("usage_days", _COLUMNS, [place + _sums(group) for place, group in groups.items()], _ADD_UP)
    return new, NewRows("apps", APP_COLUMNS, list(apps.values()), "ON CONFLICT (id) DO NOTHING")


def _sums(group: Sequence[Generation]) -> tuple[int, ...]:
    """In the order of `_SUMS`."""
    errors = prompt = completion = reasoning = cached = cost = byok = upstream = 0
    for each in group:
        usage = each.usage
        if each.finish_reason == "error":
            errors += 1
        prompt += usage.prompt
        completion += usage.completion
        reasoning += usage.reasoning
        cached += usage.cache_read
        cost += each.cost
        byok += each.own_cost
        upstream += _billed_to_us(each)
    return len(group), errors, prompt, completion, reasoning, cached, cost, byok, upstream


def _billed_to_us(generation: Generation) -> Nanodollars:
    """What its provider bills: nothing where the caller's own key was used, or where it was free."""
    if not generation.cost or generation.credential_id is not None:
        return generation.absorbed
    price = generation.cost if generation.upstream_cost is None else generation.upstream_cost
    return generation.absorbed + price


def void_usage(generation: Generation) -> Statement:
    """A generation that was charged costs nothing after all, and counts as failed."""
    app = app_of(generation.http_referer, generation.app_title)
    row = {
        "day": generation.created_ms // DAY_MS,
        "workspace_id": generation.workspace_id,
        "key_id": generation.key_id,
        "model": generation.model,
        "endpoint_id": generation.endpoint_id or "",
        "app_id": app.id if app else 0,
        "cost": generation.cost,
        "byok": generation.own_cost,
        "errors": int(generation.finish_reason != "error"),
    }
    return Statement(_VOID, (row,))


async def usage_by_day(
    database: Database,
    workspace_id: str,
    days: Sequence[int],
    *,
    key_id: str | None = None,
    creator: str | None = None,
) -> list[UsageDay]:
    """A workspace's answered requests by day, model and endpoint: the last day first, the dearest of it first.

    `key_id`, `creator`: of this key alone, of the keys of this user alone.
    """
    where = [f"day IN ({', '.join(str(int(day)) for day in days)})", "workspace_id = :workspace_id"]
    named: dict[str, object] = {"workspace_id": workspace_id}
    if key_id is not None:
        where.append("key_id = :key_id")
        named["key_id"] = key_id
    if creator is not None:
        where.append("key_id IN (SELECT id FROM keys WHERE workspace_id = :workspace_id AND creator_user_id = :user)")
        named["user"] = creator
    sql = f"""
    SELECT day, workspace_id, model, endpoint_id, {", ".join(f"SUM({name})" for name in _SUMS)}
    FROM usage_days WHERE {" AND ".join(where)} AND endpoint_id <> ''
    GROUP BY day, workspace_id, model, endpoint_id ORDER BY day DESC, SUM(cost) DESC, model, endpoint_id
    """  # noqa: S608 (constants and whole numbers)
    return [UsageDay(*row) for row in await database.read(sql, **named)]


async def spent_on(database: Database, workspace_id: str, days: Sequence[int]) -> list[SpentDay]:
    """Those of these days on which a workspace's requests cost something, the latest first."""
    sql = f"""
    SELECT day, SUM(requests), SUM(cost), SUM(byok) FROM usage_days
    WHERE day IN ({", ".join(str(int(day)) for day in days)}) AND workspace_id = :workspace_id
    GROUP BY day HAVING SUM(cost) > 0 ORDER BY day DESC
    """  # noqa: S608 (whole numbers)
    return [SpentDay(*row) for row in await database.read(sql, workspace_id=workspace_id)]


async def house_by_day(database: Database, first: int, last: int) -> list[HouseDay]:
    """Everybody's requests by day, from one day to another, the last first; days without any are left out."""
    sql = """
    SELECT day, SUM(requests), SUM(errors), SUM(prompt_tokens), SUM(completion_tokens), SUM(cost), SUM(byok),
    SUM(upstream), COUNT(DISTINCT workspace_id)
    FROM usage_days WHERE day BETWEEN :first AND :last GROUP BY day ORDER BY day DESC
    """
    return [HouseDay(*row) for row in await database.read(sql, first=first, last=last)]


async def tokens_by_model(database: Database, first: int, last: int) -> dict[str, int]:
    """Prompt and answer together, of all workspaces, from one day to another."""
    sql = """
    SELECT model, SUM(prompt_tokens + completion_tokens) FROM usage_days WHERE day BETWEEN :first AND :last
    GROUP BY model
    """
    return dict(await database.read(sql, first=first, last=last))


async def public_use(
    database: Database, by: Literal["model", "endpoint_id"], first: int, last: int
) -> list[tuple[str, Use]]:
    """Of all workspaces from one day to another: models, or endpoints, that at least KEYS_LEAST keys used."""
    sql = f"""
    SELECT {by}, SUM(prompt_tokens + completion_tokens), SUM(requests) FROM usage_days
    WHERE day BETWEEN :first AND :last GROUP BY {by} HAVING COUNT(DISTINCT key_id) >= {KEYS_LEAST}
    """  # noqa: S608 (constants)
    return [(id_, Use(tokens, requests)) for id_, tokens, requests in await database.read(sql, first=first, last=last)]


async def days_of_model(database: Database, model: str, first: int, last: int) -> dict[int, ModelDay]:
    """What all workspaces asked of a model, by day, from one day to another; nothing if fewer than KEYS_LEAST keys."""
    sql = f"""
    SELECT day, SUM(requests), SUM(errors), SUM(prompt_tokens), SUM(completion_tokens) FROM usage_days
    WHERE day BETWEEN :first AND :last AND model = :model AND {KEYS_LEAST} <= (
        SELECT COUNT(DISTINCT key_id) FROM usage_days WHERE day BETWEEN :first AND :last AND model = :model)
    GROUP BY day
    """  # noqa: S608 (constants)
    rows = await database.read(sql, model=model, first=first, last=last)
    return {row[0]: ModelDay(*row) for row in rows}


async def requests_by_endpoint(database: Database, first: int, last: int) -> list[tuple[int, str, int, int]]:
    """Day, endpoint, requests that ended there and how many of them failed, of all workspaces, by day."""
    sql = """
    SELECT day, endpoint_id, SUM(requests), SUM(errors) FROM usage_days
    WHERE day BETWEEN :first AND :last AND endpoint_id <> '' GROUP BY day, endpoint_id
    """
    rows = await database.read(sql, first=first, last=last)
    return [(day, endpoint_id, requests, errors) for day, endpoint_id, requests, errors in rows]


async def tokens_by_app(
    database: Database, first: int, last: int, limit: int, model: str | None = None
) -> list[AppUse]:
    """The sites with the most tokens from one day to another, by those workspaces that did not opt out.

    At least KEYS_LEAST of their keys used each. An app without a site, on somebody's own machine, is nobody else's
    business. `model`: of this one alone.
    """
    sql = f"""
    SELECT apps.id, url, title, SUM(requests), SUM(prompt_tokens + completion_tokens) FROM usage_days
    JOIN apps ON apps.id = app_id LEFT JOIN unranked USING (workspace_id)
    WHERE day BETWEEN :first AND :last AND unranked.workspace_id IS NULL AND url IS NOT NULL
    {"" if model is None else "AND model = :model"}
    GROUP BY apps.id, url, title HAVING COUNT(DISTINCT key_id) >= {KEYS_LEAST} ORDER BY 5 DESC, apps.id LIMIT :limit
    """  # noqa: S608 (constants)
    named = {} if model is None else {"model": model}
    return [AppUse(*row) for row in await database.read(sql, first=first, last=last, limit=limit, **named)]


async def is_ranked(database: Database, workspace_id: str) -> bool:
    """Whether a workspace's use counts in public rankings: unless it opted out."""
    return not await database.read("SELECT 1 FROM unranked WHERE workspace_id = :id", id=workspace_id)


def set_ranked(workspace_id: str, ranked: bool, now_ms: int) -> Statement:
    """Of a workspace that is there."""
    if ranked:
        return Statement("DELETE FROM unranked WHERE workspace_id = :id", ({"id": workspace_id},))
    sql = "INSERT INTO unranked VALUES (:id, :now_ms) ON CONFLICT (workspace_id) DO NOTHING"
    return Statement(sql, ({"id": workspace_id, "now_ms": now_ms},))
