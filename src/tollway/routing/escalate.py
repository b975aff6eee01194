"""Continuity before caps, where it was asked for: one endpoint above the cap, for when all within it are failing."""

from collections.abc import Sequence

from tollway.domain.routing import Candidate, Rejection
from tollway.routing.market import Stall, seventy_thirty
from tollway.routing.names import Named
from tollway.routing.order import Sight
from tollway.routing.rules import PRICE_CAP
from tollway.routing.variants import Variant

REASON = "above the cap, as temporary escalation allows: all within it are failing"


def stand_in(offers: Sequence[Named], rejections: Sequence[Rejection], sight: Sight) -> tuple[Stall, Variant] | None:
    """The cheapest healthy endpoint that only the cap left out, and the variant that it was named by."""
    over = {each.endpoint.id for each in rejections if each.rule == PRICE_CAP}
    found = [
        (stall, variant)
        for offer, variant in offers
        for stall in offer.stalls
        if stall.endpoint.id in over and sight.why_down(stall.endpoint.id) is None
    ]
    return min(found, key=lambda each: seventy_thirty(each[0].price.rates), default=None)


def placed(candidates: Sequence[Candidate], escalated: Candidate) -> list[Candidate]:
    """Behind the healthy ones within the cap, before those that are failing."""
    well = [each for each in candidates if not each.unwell]
    return [*well, escalated, *(each for each in candidates if each.unwell)]
