"""What may follow a model's name after a colon, and what that asks of its endpoints (OPENROUTER.md, section 5)."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, structs

from tollway.domain.chat import Preferences, sort_filled, sort_open
from tollway.domain.routing import Rejection
from tollway.routing.market import Stall


class Variant(Struct, frozen=True):
    """What a name asks for, besides the model. What the request itself says wins."""

    sort: Literal["price", "throughput", "exacto"] | None = None
    thinks: bool = False
    """Endpoints that reason, and reasoning unless the request says otherwise."""
    free: bool = False
    """Free endpoints only."""
    paid: bool = False
    """The same model is named `:free` before: the others of its endpoints follow here."""


PLAIN = Variant()
FREE = Variant(free=True)
NOT_FREE = "not_free"
VARIANTS: dict[str, Variant] = {
    "free": FREE,
    "thinking": Variant(thinks=True),
    "nitro": Variant(sort="throughput"),
    "floor": Variant(sort="price"),
    "exacto": Variant(sort="exacto"),
    "extended": PLAIN,
    "beta": PLAIN,
}
"""`:extended` and `:beta` are models of their own; where the catalog has none of that name, they are the model."""


def both(one: Variant, other: Variant) -> Variant:
    """Suffixes in a row, as in `:free:nitro`; of two orders the last counts."""
    return Variant(
        sort=other.sort or one.sort, thinks=one.thinks or other.thinks, free=one.free or other.free, paid=one.paid
    )


def meant(stalls: Sequence[Stall], variant: Variant, rejections: list[Rejection]) -> Sequence[Stall]:
    """The endpoints that the variant means; the others go to `rejections`."""
    if variant.paid:
        mine = {stall.endpoint.id for stall in stalls}
        rejections[:] = [each for each in rejections if each.rule != NOT_FREE or each.endpoint.id not in mine]
        stalls = [stall for stall in stalls if not stall.price.declared_free]
    able: list[Stall] = []
    for stall in stalls:
        endpoint = stall.endpoint
        if variant.free and not stall.price.declared_free:
            rejections.append(Rejection(endpoint, NOT_FREE, 'is not free, as ":free" asks'))
        elif variant.thinks and "reasoning" not in endpoint.parameters:
            rejections.append(Rejection(endpoint, "no_reasoning", 'does not reason, as ":thinking" asks'))
        else:
            able.append(stall)
    return able


def preferences_of(variant: Variant, preferences: Preferences) -> Preferences:
    """The request's own, with the variant's order where the request has none."""
    if variant.sort is None or not sort_open(preferences.sort):
        return preferences
    return structs.replace(preferences, sort=sort_filled(preferences.sort, variant.sort))
