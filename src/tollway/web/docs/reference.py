"""The API's operations as a plain list, from the document that `/openapi.json` serves."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

METHODS = ("get", "post", "put", "patch", "delete")
FAMILIES = (
    ("/api/v1", "OpenRouter's manners"),
    ("/v1beta", "Google's manners"),
    ("/v1", "OpenAI's manners"),
    ("/platform", "The platform"),
    ("/account/v1", "Accounts"),
    ("/admin/v1", "Administration"),
    ("", "The server"),
)
"""URLs by how they begin; the first that fits."""


class OperationLine(Struct, frozen=True):
    """One URL with one method."""

    method: str
    path: str
    summary: str
    credential: str
    """`key`, `session`; "" where none is wanted."""


class Family(Struct, frozen=True):
    """Operations whose URLs begin alike."""

    prefix: str
    name: str
    operations: tuple[OperationLine, ...]


class ReferenceView(Struct, frozen=True):
    """What `reference.html` shows."""

    families: tuple[Family, ...]
    total: int


def reference(document: Mapping[str, Any]) -> ReferenceView:
    """An OpenAPI document -> its operations by family, in the order of their URLs."""
    lines = sorted(_lines(document), key=lambda line: (line.path, METHODS.index(line.method.lower())))
    taken: dict[str, list[OperationLine]] = {prefix: [] for prefix, _ in FAMILIES}
    for line in lines:
        prefix = next(prefix for prefix, _ in FAMILIES if line.path.startswith(f"{prefix}/"))
        taken[prefix].append(line)
    families = tuple(Family(prefix, name, tuple(taken[prefix])) for prefix, name in FAMILIES if taken[prefix])
    return ReferenceView(families, len(lines))


def _lines(document: Mapping[str, Any]) -> Iterator[OperationLine]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                wanted = next((name for each in operation.get("security", ()) for name in each), "")
                yield OperationLine(method.upper(), path, operation.get("summary", ""), wanted)
