"""Endpoints by hour, kept for 30 days: what the charts of a model show."""

from collections.abc import Iterable, Sequence

import msgspec

from tollway.domain.measured import EndpointHour
from tollway.storage.database import Database, Statement

HOUR_MS = 3_600_000
KEPT_HOURS = 30 * 24

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(EndpointHour)


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
