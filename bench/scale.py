"""Records at scale: a database of a million keys and millions of generations, and how long its queries take."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw

from bench import nginx, tollway
from bench.processes import Processes
from bench.scenarios import SCENARIOS, Bench, Options
from tollway.storage.files import load_secret
from tollway.storage.generations import Wanted, list_generations
from tollway.storage.keys import find_key_by_digest, spent_by_day
from tollway.storage.ledger import open_accounts
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase
from tollway.storage.usage_days import DAY_MS, usage_by_day

ROWS, DAYS, KEYS, MODELS, PROVIDERS = 5_000_000, 31, 50, 20, 2
ISSUED = 1_000_000
"""Keys in the table, one in a hundred of them with spending on each of the last days."""
LOOKED_UP = 500
BAR_MS = 200
CHAT_BAR = 10.0
"""Times the CPU that nginx takes."""
TODAY = 20_000
RUNS = 7

_ID = "'gen-' || (at / 1000) || '-' || PRINTF('%020d', n)"
_RECORD = f"""
'{{"id":"' || {_ID} || '","workspace_id":"home","key_id":"key-' || (n % :keys) || '","created_ms":' || at
|| ',"model":"author/model-' || (n / 7 % :models) || '","api_type":"completions","origin":"/api/v1/chat/completions",'
|| '"streamed":true,"cancelled":false,"finish_reason":"stop","native_finish_reason":"stop","endpoint_id":null,'
|| '"provider":null,"price_id":1,"usage":{{"prompt":900,"completion":200}},"cost":0,"absorbed":0,"cache_discount":0,'
|| '"latency_ms":500,"generation_ms":2000,"attempts":[]}}'
"""
_FILL = f"""
WITH RECURSIVE numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :last),
placed AS (
    SELECT n, (:today - :days + 1) * :day_ms + CAST(1.0 * n * :days * :day_ms / :rows AS INTEGER) AS at FROM numbers
)
INSERT INTO generations (id, workspace_id, key_id, created_ms, model, endpoint_id, finish_reason, cost, absorbed,
    prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, record)
SELECT {_ID}, 'home', 'key-' || (n % :keys), at, 'author/model-' || (n / 7 % :models),
    'provider-' || (n / 3 % :providers) || ':model-' || (n / 7 % :models),
    CASE WHEN n % 100 = 0 THEN 'error' ELSE 'stop' END, 1000 + n % 977, 0, 900, 200, 50, 300, {_RECORD}
FROM placed
"""  # noqa: S608 (constants)
_CAPTURE = """
INSERT INTO transfers (kind, ref, debit, credit, amount, created_ms)
SELECT 'capture', id, 'home', 'platform:revenue', cost, created_ms FROM generations
WHERE created_ms BETWEEN :first AND :last
"""
_SUM = """
INSERT INTO usage_days (day, workspace_id, key_id, model, endpoint_id, app_id, requests, errors, prompt_tokens,
    completion_tokens, reasoning_tokens, cached_tokens, cost)
SELECT created_ms / 86400000, workspace_id, key_id, model, endpoint_id, app_id, COUNT(*),
    SUM(CASE WHEN finish_reason = 'error' THEN 1 ELSE 0 END), SUM(prompt_tokens), SUM(completion_tokens),
    SUM(reasoning_tokens), SUM(cached_tokens), SUM(cost)
FROM generations GROUP BY 1, 2, 3, 4, 5, 6
"""


_ISSUE = """
WITH RECURSIVE numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :last)
INSERT INTO keys (id, digest, workspace_id, name, label, kind, created_ms)
SELECT LOWER(HEX(RANDOMBLOB(32))), LOWER(HEX(RANDOMBLOB(32))), 'place-' || (n % 1000), 'key ' || n, 'sk-or-v1-...abcd',
    'inference', n
FROM numbers
"""
_SPEND = """
INSERT INTO key_usage (key_id, day, spent)
SELECT keys.id, days.value, 1000 FROM keys, JSON_EACH(:days) AS days WHERE created_ms % 100 = 0
"""


def issue(path: Path, keys: int) -> None:
    """So many keys of a thousand workspaces."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 999) "
        "INSERT INTO workspaces (id, name, slug, created_ms) SELECT 'place-' || n, 'place', 'place-' || n, 1 FROM n"
    )
    for first in range(0, keys, 100_000):
        with connection:
            connection.execute(_ISSUE, {"first": first, "last": min(keys, first + 100_000)})
    with connection:
        connection.execute(_SPEND, {"days": json.dumps(list(range(TODAY - 30, TODAY + 1)))})
    connection.close()


async def measure_keys(path: Path) -> dict[str, float]:
    """A key that is not in memory: its one read, and what it has spent. The median over keys that were never read."""
    database = SqliteDatabase(path)
    found, spent = [], []
    try:
        rows = await database.read(
            "SELECT id, digest FROM keys WHERE id >= :at ORDER BY id LIMIT :count", at="8", count=LOOKED_UP
        )
        for id_, digest in rows:
            began = time.perf_counter()
            assert await find_key_by_digest(database, bytes.fromhex(digest)) is not None
            found.append(1_000 * (time.perf_counter() - began))
            began = time.perf_counter()
            await spent_by_day(database, id_)
            spent.append(1_000 * (time.perf_counter() - began))
    finally:
        await database.close()
    return {"key_ms": round(statistics.median(found), 2), "key_spent_ms": round(statistics.median(spent), 2)}


def fill(path: Path, rows: int) -> None:
    """One workspace's month: the rows go in by SQL, as no server could make them in the time."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF")
    named = {
        "days": DAYS, "day_ms": DAY_MS, "today": TODAY, "rows": rows, "keys": KEYS, "models": MODELS,
        "providers": PROVIDERS,
    }  # fmt: skip
    for first in range(0, rows, 100_000):
        with connection:
            connection.execute(_FILL, {**named, "first": first, "last": min(rows, first + 100_000)})
    connection.execute("INSERT INTO accounts (id, platform) VALUES ('home', 1)")
    for day in range(TODAY - DAYS + 1, TODAY + 1):
        with connection:
            connection.execute(_CAPTURE, {"first": day * DAY_MS, "last": (day + 1) * DAY_MS - 1})
    with connection:
        connection.execute(_SUM)
    connection.close()


async def measure(path: Path) -> dict[str, float]:
    """Milliseconds, the median of some runs: what a page asks, through the same functions as the server's."""
    database = SqliteDatabase(path)
    month = range(TODAY - 30, TODAY)

    async def timed(ask: Callable[[], Awaitable[object]]) -> float:
        took = []
        for _ in range(RUNS):
            began = time.perf_counter()
            assert await ask()
            took.append(1_000 * (time.perf_counter() - began))
        return round(statistics.median(took), 1)

    try:
        return {
            "activity_ms": await timed(lambda: usage_by_day(database, "home", month)),
            "activity_of_a_key_ms": await timed(lambda: usage_by_day(database, "home", month, key_id="key-7")),
            "page_ms": await timed(lambda: list_generations(database, Wanted("home"), None, 50)),
            "page_of_a_key_ms": await timed(
                lambda: list_generations(database, Wanted("home", key_id="key-7"), None, 50)
            ),
            "failed_ms": await timed(lambda: list_generations(database, Wanted("home", failed=True), None, 50)),
        }
    finally:
        await database.close()


async def scale(folder: Path, rows: int, keys: int) -> dict[str, float]:
    """Fills a new database and measures; or measures the one that is there."""
    path = folder / "tollway.db"
    if path.exists():
        return {**await measure(path), **await measure_keys(path)}
    load_secret(folder, None, has_keys=False)  # no server would start on keys without it
    database = SqliteDatabase(path)
    await migrate(database)
    await open_accounts(database)
    await database.close()
    began = time.perf_counter()
    fill(path, rows)
    issue(path, keys)
    took = {"rows": rows, "keys": keys, "fill_s": round(time.perf_counter() - began, 1)}
    return {**took, **await measure(path), **await measure_keys(path)}


def chat(folder: Path, rounds: int) -> dict[str, float]:
    """CPU per chat request of a server on that database, beside nginx, in turn; the medians of some rounds."""
    with tempfile.TemporaryDirectory() as work, Processes(Path(work)) as processes:
        bench = Bench(processes, Options(rounds=rounds, tollway=f"{Path(sys.executable).parent}/tollway"))
        bench.open()
        beside = nginx.start(processes, bench.upstream_port)
        served = tollway.start(processes, bench.upstream_port, bench.options.tollway, data_dir=folder)
        spent: dict[str, list[float]] = {"nginx": [], "tollway": []}
        for _ in range(rounds):
            for gateway in (beside, served):
                spent[gateway.name].append(SCENARIOS["chat"].run(bench, gateway)[0]["cpu_us_per_request"])
        us = {name: statistics.median(each) for name, each in spent.items()}
        ratios = sorted(mine / other for mine, other in zip(spent["tollway"], spent["nginx"], strict=True))
        said = {"nginx_us": us["nginx"], "tollway_us": us["tollway"], "times_nginx": statistics.median(ratios)}
        return {name: round(value, 1) for name, value in said.items()}


def main() -> int:
    """1 where anything that a page asks takes longer than the bar, or a chat costs more than its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--keys", type=int, default=ISSUED)
    parser.add_argument("--dir", type=Path, help="where it is kept, and measured again; 2 KB a row")
    parser.add_argument("--chat", type=int, default=0, metavar="ROUNDS", help="then serve it, and measure beside nginx")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = chosen.dir or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(scale(folder, chosen.rows, chosen.keys))
        if chosen.chat:
            found |= chat(folder, chosen.chat)
    sys.stdout.write(json.dumps(found) + "\n")
    slow = any(took > BAR_MS for name, took in found.items() if name.endswith("_ms"))
    return int(slow or found.get("times_nginx", 0) > CHAT_BAR)


if __name__ == "__main__":
    raise SystemExit(main())
