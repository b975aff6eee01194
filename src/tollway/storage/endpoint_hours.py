"""Endpoints by hour, kept for 30 days: what the charts of a model show."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from tollway.domain.measured import EndpointHour
from tollway.storage.database import Database, Statement

HOUR_MS = 3_600_000
KEPT_HOURS = 30 * 24

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(EndpointHour)


class AttemptsOfHour(Struct):
    """What an EndpointHour says of attempts, without its times."""

    requests: int = 0
    failed: int = 0
    limited: int = 0
    timed_out: int = 0
    unreached: int = 0
    refused: int = 0


_counts = msgspec.json.Decoder(AttemptsOfHour)


async def save_hours(database: Database, hours: Iterable[tuple[tuple[str, int], EndpointHour]]) -> None:
    """Writes hours of endpoints in place of what was there of them."""
    rows = tuple({"id": id_, "hour": hour, "record": _encode(each).decode()} for (id_, hour), each in hours)
    if rows:
        await database.write(
            Statement(
                """
                INSERT INTO endpoint_hours (endpoint_id, hour, record) VALUES (:id, :hour, :record)
                ON CONFLICT (endpoint_id, hour) DO UPDATE SET record = excluded.record
                """,
                rows,
            )
        )


async def hours_since(database: Database, hour: int) -> list[tuple[tuple[str, int], EndpointHour]]:
    """Every endpoint's hours from `hour` on."""
    rows = await database.read("SELECT endpoint_id, hour, record FROM endpoint_hours WHERE hour >= :hour", hour=hour)
    return [((id_, at), _decoder.decode(record)) for id_, at, record in rows]


async def attempts_between(database: Database, first: int, last: int) -> list[tuple[str, AttemptsOfHour]]:
    """Endpoint and counts, an entry for each hour from one to another (hours since 1970): read a day at a time,
    since all of a month are too many for one breath of the server's."""
    found = []
    sql = "SELECT endpoint_id, record FROM endpoint_hours WHERE hour BETWEEN :first AND :last"
    for begin in range(first, last + 1, 24):
        rows = await database.read(sql, first=begin, last=min(begin + 23, last))
        found += [(id_, _counts.decode(record)) for id_, record in rows]
    return found


async def troubled_hours(database: Database, first: int, last: int) -> list[tuple[tuple[str, int], EndpointHour]]:
    """Hours from one to another in which an endpoint failed, or had too much to do; a day at a time, as above."""
    found = []
    sql = """
    SELECT endpoint_id, hour, record FROM endpoint_hours
    WHERE hour BETWEEN :first AND :last AND (record LIKE :failed OR record LIKE :limited)
    """
    for begin in range(first, last + 1, 24):
        # A count of 0 is left out of the record, so that the names are only there where something was counted.
        rows = await database.read(
            sql, first=begin, last=min(begin + 23, last), failed='%"failed":%', limited='%"limited":%'
        )
        found += [((id_, at), _decoder.decode(record)) for id_, at, record in rows]
    return found


async def hours_of(database: Database, endpoint_ids: Sequence[str], since: int) -> dict[str, dict[int, EndpointHour]]:
    """Hours of these endpoints from `since` on: by endpoint, by hour."""
    found: dict[str, dict[int, EndpointHour]] = {id_: {} for id_ in endpoint_ids}
    for id_, hours in found.items():
        sql = "SELECT hour, record FROM endpoint_hours WHERE endpoint_id = :id AND hour >= :since ORDER BY hour"
        for hour, record in await database.read(sql, id=id_, since=since):
            hours[hour] = _decoder.decode(record)
    return found


async def drop_hours(database: Database, now_ms: int) -> None:
    """Removes what is older than KEPT_HOURS."""
    before = now_ms // HOUR_MS - KEPT_HOURS
    await database.write(Statement("DELETE FROM endpoint_hours WHERE hour < :before", ({"before": before},)))
