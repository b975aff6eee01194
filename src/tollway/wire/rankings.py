"""A provider's list of ranked documents -> ours: in order, each a document that was sent, once."""

from typing import Any

from tollway.domain.plain import Ranked, RerankRequest
from tollway.wire.counts import count_of, object_of


def ranked(results: Any, request: RerankRequest) -> tuple[Ranked, ...] | None:
    """The most relevant first, at most `top_n`. None: no list, or one that names what was not sent."""
    if not isinstance(results, list):
        return None
    found: dict[int, Ranked] = {}
    for result in results:
        item = object_of(result)
        index, score = count_of(item.get("index")), item.get("relevance_score", item.get("score"))
        if (
            index is None
            or index >= len(request.inputs)
            or isinstance(score, bool)
            or not isinstance(score, int | float)
        ):
            return None
        found.setdefault(index, Ranked(index, float(score)))
    best = sorted(found.values(), key=lambda each: -each.score)
    return tuple(best[: request.top_n])
