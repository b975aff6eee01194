"""What a visitor asked of the table of models: search, filters, order and page, to and from the URL."""

import re
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from tollway.domain.money import price_from_text
from tollway.web.figures import MILLION
from tollway.web.rows import PRIVACY, Row, RowNow

SEARCH_MAX = 200
PAGE_MAX = 1_000_000

ORDERS: dict[str, Callable[[RowNow], Any]] = {
    "name": lambda shown: shown.row.name.casefold(),
    "newest": lambda shown: -shown.row.created_s,
    "context": lambda shown: -shown.row.context_tokens,
    "input": lambda shown: shown.row.rank_input,
    "output": lambda shown: shown.row.rank_output,
    "latency": lambda shown: inf if shown.first_s is None else shown.first_s,
    "speed": lambda shown: inf if shown.tokens_per_s is None else -shown.tokens_per_s,
}
"""By name as in the URL. Without one, rows stand as they came: most endpoints first."""
USED = "used"
"""By tokens of the last week."""
ABILITIES = {
    "tools": "takes tools",
    "structured_outputs": "structured output",
    "reasoning": "reasoning",
    "logprobs": "log probabilities",
}
"""Parameters to choose from, in words."""
CONTEXTS = (8_000, 32_000, 128_000, 200_000, 1_000_000)
PRICE_DECIMALS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", re.ASCII)


class Query(Struct, frozen=True, omit_defaults=True):
    """The table's part of the URL. Every field has its default where the URL says nothing, or nonsense."""

    q: str = ""
    """Words; each must occur in a model's id, name, author or providers."""
    modality: str = ""
    """`reads-<modality>` or `writes-<modality>`."""
    provider: str = ""
    """A provider's slug."""
    needs: str = ""
    """A parameter that some endpoint takes, of ABILITIES."""
    context: int = 0
    """Tokens, at least."""
    max_price: str = ""
    """USD per 1M tokens of output, at most, as it was written."""
    max_input: str = ""
    """Likewise, of input."""
    author: str = ""
    quantization: str = ""
    privacy: str = ""
    """A promise of PRIVACY that some endpoint's provider keeps."""
    free: bool = False
    live: bool = False
    """Only models that an endpoint, not known to be down, would answer for."""
    allowed: bool = False
    """Only what the settings of the visitor's workspace allow: its rules and guardrails, as requests meet them."""
    workspace: str = ""
    """Whose, where it is not the visitor's own."""
    sort: str = ""
    page: int = 1

    @property
    def filtered(self) -> bool:
        """Whether more than words decides what is found."""
        return self.rarer or bool(
            self.modality or self.provider or self.needs or self.context or self.max_price or self.live or self.allowed
        )

    @property
    def rarer(self) -> bool:
        """Whether one of the filters that are folded away is set."""
        return bool(self.max_input or self.author or self.quantization or self.privacy or self.free)

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
        provider=params.get("provider", "")[:64],
        needs=needs if (needs := params.get("needs", "")) in ABILITIES else "",
        context=int(context) if (context := params.get("context", "")) in map(str, CONTEXTS) else 0,
        max_price=price if PRICE_DECIMALS.fullmatch(price := params.get("max_price", "").strip()) else "",
        max_input=most if PRICE_DECIMALS.fullmatch(most := params.get("max_input", "").strip()) else "",
        author=params.get("author", "")[:64],
        quantization=params.get("quantization", "")[:32],
        privacy=promise if (promise := params.get("privacy", "")) in PRIVACY else "",
        free=params.get("free", "") in {"1", "on", "true"},
        live=params.get("live", "") in {"1", "on", "true"},
        allowed=params.get("allowed", "") in {"1", "on", "true"},
        workspace=params.get("workspace", "")[:64],
        sort=sort if sort in ORDERS or sort == USED else "",
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < len(str(PAGE_MAX)) else 1,
    )


API_ORDERS = {"newest": "newest", "context": "context-high-to-low", "used": "top-weekly", "": ""}


def api_query(query: Query) -> str | None:
    """What `GET /api/v1/models` is asked to find the same models. None: there are no words for it."""
    if query.q or query.live or query.quantization or query.privacy == "no-training" or query.allowed:
        return None
    direction, _, modality = query.modality.partition("-")
    asked = {
        "output_modalities": modality if direction == "writes" else "all",
        "input_modalities": modality if direction == "reads" else "",
        "providers": query.provider,
        "supported_parameters": query.needs,
        "context": str(query.context or ""),
        "model_authors": query.author,
        "max_price": "0" if query.free else query.max_input,  # what is free is below every cap
        "max_output_price": "0" if query.free else query.max_price,
        "zdr": "true" if query.privacy else "",
        "sort": API_ORDERS.get(query.sort, ""),
    }
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def select(rows: Iterable[RowNow], query: Query, used: Mapping[str, int] = {}) -> list[RowNow]:
    """The rows that a query asks for, in its order; what is on offer stands before what is not.

    `used`: tokens of the last week by model, for the order of that name.
    """
    words = query.q.casefold().split()
    direction, _, modality = query.modality.partition("-")
    found = [shown for shown in rows if all(_occurs(word, shown.row) for word in words)]
    if direction == "reads" and modality:
        found = [shown for shown in found if modality in shown.row.reads]
    elif direction == "writes" and modality:
        found = [shown for shown in found if modality in shown.row.writes]
    if query.provider:
        found = [shown for shown in found if query.provider in shown.row.provider_slugs]
    if query.needs:
        found = [shown for shown in found if query.needs in shown.row.parameters]
    if query.context:
        found = [shown for shown in found if shown.row.context_tokens >= query.context]
    if query.max_price:
        most = price_from_text(query.max_price) // MILLION
        found = [shown for shown in found if shown.row.rank_output <= most]
    if query.rarer:
        found = [shown for shown in found if _has_the_rarer(shown.row, query)]
    if query.live:
        found = [shown for shown in found if shown.is_live]
    if query.sort == USED:
        found.sort(key=lambda shown: (not shown.endpoints, -used.get(shown.row.id, 0)))
    elif query.sort:
        order = ORDERS[query.sort]
        found.sort(key=lambda shown: (not shown.endpoints, order(shown)))
    elif words:  # who was meant by name stands before who is found by a provider's name only
        found.sort(key=lambda shown: (not shown.endpoints, not all(word in shown.row.title for word in words)))
    return found


def _has_the_rarer(row: Row, query: Query) -> bool:
    if query.max_input and row.rank_input > price_from_text(query.max_input) // MILLION:
        return False
    if query.free and (row.rank_input or row.rank_output):
        return False
    return (
        query.author in ("", row.author)
        and (not query.quantization or query.quantization in row.quantizations)
        and (not query.privacy or query.privacy in row.private)
    )


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
