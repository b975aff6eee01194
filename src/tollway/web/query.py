"""What a visitor asked of the table of models: search, filters, order and page, to and from the URL."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from tollway.web.rows import Row, RowNow

SEARCH_MAX = 200
PAGE_MAX = 1_000_000

ORDERS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: row.name.casefold(),
    "newest": lambda row: -row.created_s,
    "context": lambda row: -row.context_tokens,
    "input": lambda row: row.rank_input,
    "output": lambda row: row.rank_output,
}
"""By name as in the URL. Without one, rows stand as they came: most endpoints first."""


class Query(Struct, frozen=True, omit_defaults=True):
    """The table's part of the URL. Every field has its default where the URL says nothing, or nonsense."""

    q: str = ""
    """Words; each must occur in a model's id, name, author or providers."""
    modality: str = ""
    """`reads-<modality>` or `writes-<modality>`."""
    live: bool = False
    """Only models that an endpoint, not known to be down, would answer for."""
    sort: str = ""
    model: str = ""
    """The model that the samples use, if it is on offer."""
    page: int = 1

    def url(self, **changes: Any) -> str:
        """The query string with its "?", changed so; defaults are left out, so that one view has one URL."""
        fields = msgspec.to_builtins(msgspec.structs.replace(self, **changes))
        pairs = {name: "1" if value is True else value for name, value in fields.items()}
        return "?" + urlencode(pairs) if pairs else ""


def parse(params: Mapping[str, str]) -> Query:
    """A URL's parameters -> the query. Nothing in a URL is an error: what makes no sense is left out."""
    page = params.get("page", "1")
    sort = params.get("sort", "")
    return Query(
        q=" ".join(params.get("q", "")[:SEARCH_MAX].split()),
        modality=params.get("modality", "")[:64],
        live=params.get("live", "") in {"1", "on", "true"},
        sort=sort if sort in ORDERS else "",
        model=params.get("model", "")[:SEARCH_MAX],
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < len(str(PAGE_MAX)) else 1,
    )


def select(rows: Iterable[RowNow], query: Query) -> list[RowNow]:
    """The rows that a query asks for, in its order; what is on offer stands before what is not."""
    words = query.q.casefold().split()
    direction, _, modality = query.modality.partition("-")
    found = [shown for shown in rows if all(_occurs(word, shown.row) for word in words)]
    if direction == "reads" and modality:
        found = [shown for shown in found if modality in shown.row.reads]
    elif direction == "writes" and modality:
        found = [shown for shown in found if modality in shown.row.writes]
    if query.live:
        found = [shown for shown in found if shown.is_live]
    if query.sort:
        order = ORDERS[query.sort]
        found.sort(key=lambda shown: (not shown.endpoints, order(shown.row)))
    elif words:  # who was meant by name stands before who is found by a provider's name only
        found.sort(key=lambda shown: (not shown.endpoints, not all(word in shown.row.title for word in words)))
    return found


def _occurs(word: str, row: Row) -> bool:
    return word in row.title or f" {word}" in row.provider_words


def modalities(rows: Iterable[RowNow]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the rows' models read, and what they write: each once, by how many do."""
    read: dict[str, int] = {}
    written: dict[str, int] = {}
    for shown in rows:
        for counts, names in ((read, shown.row.reads), (written, shown.row.writes)):
            for name in names:
                counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(read, key=lambda name: -read[name])), tuple(sorted(written, key=lambda name: -written[name]))
