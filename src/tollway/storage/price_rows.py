"""Prices of one endpoint as they were, are and will be; for people to read."""

import msgspec
from msgspec import Struct

from tollway.domain.rates import RatesText
from tollway.storage.database import Database

_rates = msgspec.json.Decoder(RatesText)


class PriceKnown(Struct, frozen=True):
    """A row of the history; `rates` None: it had no price from then on."""

    id: int
    effective_ms: int
    rates: RatesText | None
    declared_free: bool
    source: str
    as_of: str
    """The day for which the source holds."""
    agreement: str
    """Whether two sources say the same."""
    other: RatesText | None
    other_source: str


async def price_history(database: Database, endpoint_id: str) -> list[PriceKnown]:
    """The newest first."""
    rows = await database.read(
        """
        SELECT id, effective_ms, rates, declared_free, source, as_of, agreement, other, other_source
        FROM catalog_prices WHERE endpoint_id = :endpoint_id ORDER BY effective_ms DESC, id DESC
        """,
        endpoint_id=endpoint_id,
    )
    return [
        PriceKnown(
            id_, effective_ms, _rates.decode(rates) if rates else None, bool(free), source, as_of, agreement,
            _rates.decode(other) if other else None, other_source,
        )
        for id_, effective_ms, rates, free, source, as_of, agreement, other, other_source in rows
    ]  # fmt: skip
