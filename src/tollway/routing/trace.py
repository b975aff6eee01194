"""A plan as its generation keeps it: small, and only where there was something to decide."""

from tollway.domain.generation import Placed, RuledOut, Trace
from tollway.domain.routing import Plan, listed_id
from tollway.routing.market import OFF_RULES

LISTED_MAX = 24
"""Candidates, and rejections, that are kept of one plan; the others are counted."""
REASON_MAX = 200


def trace_of(plan: Plan) -> Trace | None:
    """None: one candidate, and nobody was left out for the request's sake. What is off for everybody is counted."""
    candidates, rejections = plan.candidates, plan.rejections
    ruled_out = [each for each in rejections if each.rule not in OFF_RULES] if rejections else ()
    if len(candidates) < 2 and not ruled_out:
        return None
    return Trace(
        candidates=tuple(
            [
                Placed(
                    listed_id(each.endpoint.id), each.reason, int(each.share * 10_000 + 0.5) / 10_000
                )  # faster than round()
                for each in candidates[:LISTED_MAX]
            ]
        ),
        left_out=tuple(
            [
                RuledOut(listed_id(each.endpoint.id), each.rule, each.reason[:REASON_MAX])
                for each in ruled_out[:LISTED_MAX]
            ]
        ),
        unlisted=max(0, len(candidates) - LISTED_MAX) + max(0, len(ruled_out) - LISTED_MAX),
        off=len(rejections) - len(ruled_out),
    )
