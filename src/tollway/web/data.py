"""A table of a page as a file beside it: CSV and JSON of the same rows."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.cells import cell
from tollway.web.render import answer

Kind = Literal["csv", "json"]


class Sheet(Struct, frozen=True):
    """What a page's table holds, as data."""

    name: str
    """Of the file, without its ending."""
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


def as_file(request: Request, kind: Kind, sheet: Sheet, headers: Mapping[str, str] | None = None) -> Response:
    """CSV (RFC 4180, the header first, no cell taken for a formula), or `{"data": [...]}` with the columns' names."""
    if kind == "json":
        data = [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]
        return answer(request, msgspec.json.encode({"data": data}), "application/json", headers=headers)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(sheet.columns)
    writer.writerows([cell(_flat(value)) for value in row] for row in sheet.rows)
    saved = {**(headers or {}), "content-disposition": f'attachment; filename="{sheet.name}.csv"'}
    return answer(request, out.getvalue().encode(), "text/csv; charset=utf-8", headers=saved)


def _flat(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, (tuple, list)) else value
