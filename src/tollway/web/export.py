"""The table of models as data: the rows that the page shows for the same query, all pages at once."""

import csv
import io
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from tollway.domain.cells import cell
from tollway.web.rows import RowNow


class ModelRecord(Struct, frozen=True):
    """One model. Prices are those of its cheapest endpoint, in USD per 1M tokens, exact decimal strings."""

    id: str
    name: str
    author: str
    status: str
    input_usd_per_million: str | None
    output_usd_per_million: str | None
    cache_read_usd_per_million: str | None
    price_note: str
    context_tokens: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    endpoints: int
    endpoints_up: int
    endpoints_untried: int
    endpoints_down: int
    providers: tuple[str, ...]
    """Those whose endpoints are on offer; for a model that is off, those that know it."""
    off_reason: str


def record(shown: RowNow) -> ModelRecord:
    """A row of the table -> its data."""
    row = shown.row
    return ModelRecord(
        id=row.id,
        name=row.name,
        author=row.author,
        status=shown.status.value,
        input_usd_per_million=row.price_input,
        output_usd_per_million=row.price_output,
        cache_read_usd_per_million=row.price_cache,
        price_note=row.price_note,
        context_tokens=row.context_tokens,
        reads=row.reads,
        writes=row.writes,
        endpoints=shown.endpoints,
        endpoints_up=shown.up,
        endpoints_untried=shown.untried,
        endpoints_down=shown.down,
        providers=row.providers,
        off_reason=row.off_reason,
    )


def to_json(rows: Sequence[RowNow]) -> bytes:
    """{"data": [...], "total": n}"""
    return msgspec.json.encode({"data": [record(row) for row in rows], "total": len(rows)})


def to_csv(rows: Sequence[RowNow]) -> bytes:
    """RFC 4180, UTF-8, a header line first; lists are joined by spaces, providers by "; "."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(ModelRecord.__struct_fields__)
    writer.writerows(
        [_cell(name, value) for name, value in msgspec.structs.asdict(record(row)).items()] for row in rows
    )
    return out.getvalue().encode()


def _cell(name: str, value: object) -> object:
    if isinstance(value, tuple):
        value = ("; " if name == "providers" else " ").join(value)
    return cell(value)
