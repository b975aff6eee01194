"""Endpoints' rolling figures, so that a restart forgets nothing that is still of this day."""

from collections.abc import Iterable

import msgspec

from tollway.domain.measured import Figures
from tollway.storage.database import Database, Statement

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Figures)


async def save_figures(database: Database, figures: Iterable[tuple[str, Figures]], now_ms: int) -> None:
    """Writes endpoints' figures in place of what was there of them."""
    rows = tuple({"id": id_, "now_ms": now_ms, "record": _encode(each).decode()} for id_, each in figures)
    await database.write(
        Statement(
            """
            INSERT INTO endpoint_figures (endpoint_id, saved_ms, record) VALUES (:id, :now_ms, :record)
            ON CONFLICT (endpoint_id) DO UPDATE SET saved_ms = excluded.saved_ms, record = excluded.record
            """,
            rows,
        )
    )


async def load_figures(database: Database) -> dict[str, Figures]:
    """Figures by endpoint id. A record that this version can't read is left out: figures come again by themselves."""
    found: dict[str, Figures] = {}
    for id_, record in await database.read("SELECT endpoint_id, record FROM endpoint_figures"):
        try:
            found[id_] = _decoder.decode(record)
        except msgspec.DecodeError:
            continue
    return found


async def drop_figures(database: Database, before_ms: int) -> None:
    """Removes what was saved before a time."""
    await database.write(
        Statement("DELETE FROM endpoint_figures WHERE saved_ms < :before_ms", ({"before_ms": before_ms},))
    )
