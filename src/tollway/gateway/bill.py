"""How a generation's cost came about: the price row that it was settled with, its lines, and what else counted."""

from collections.abc import Collection

from msgspec import Struct

from tollway.billing.lines import BillLine, bill_lines
from tollway.billing.pricing import cost
from tollway.domain.catalog import Catalog, Price
from tollway.domain.generation import Generation
from tollway.domain.money import ATTO_PER_NANO, Attodollars, Nanodollars
from tollway.domain.storefronts import Group
from tollway.routing.tariffs import multiplied_price
from tollway.storage.catalog import find_price
from tollway.storage.database import Database


class Bill(Struct, frozen=True):
    """Lines and what they come to; `rest` is what they do not explain, and `why` says what does."""

    price: Price | None
    """As it was applied: a group's, if the workspace has one."""
    lines: tuple[BillLine, ...]
    exact: Attodollars
    """The sum of the lines."""
    total: Nanodollars
    """What was charged."""
    why: str = ""

    @property
    def rest(self) -> Attodollars:
        """From the sum of the lines to what was charged; a rounding where nothing else counted."""
        return self.total * ATTO_PER_NANO - self.exact


async def bill_of(database: Database, generation: Generation) -> Bill:
    """From its record and the price row that it names; rows are never changed."""
    listed = await find_price(database, generation.price_id) if generation.price_id is not None else None
    if listed is None:
        why = "" if not generation.cost else "The price row that it was settled with is not known any more."
        return Bill(None, (), 0, generation.cost, why)
    if generation.credits is not None:
        return Bill(listed, (), 0, generation.cost, f"A fixed price of {generation.credits} credits for each request.")
    price = listed
    if generation.multiplier is not None:
        price = multiplied_price(listed, Group(generation.group or "", generation.multiplier))
    lines = bill_lines(generation.usage, price)
    exact = sum(line.amount for line in lines)
    return Bill(price, lines, exact, generation.cost, _why(generation, cost(generation.usage, price).total))


def would_have_cost(catalog: Catalog, generation: Generation, endpoint_ids: Collection[str]) -> dict[str, Nanodollars]:
    """The same tokens at these endpoints, by their present prices; one that is gone or has no price is left out."""
    return {
        endpoint.id: cost(generation.usage, endpoint.price).total
        for offered in catalog.endpoints.values()
        for endpoint in offered
        if endpoint.id in endpoint_ids and endpoint.price is not None
    }


def _why(generation: Generation, due: Nanodollars) -> str:
    """What makes the charge another than the rounded sum of its lines; "" where nothing does."""
    if generation.cost == due:
        return ""
    if generation.credential_id is not None:
        return "It went over your own key, whose provider bills you; only the fee for it is charged here."
    if generation.finish_reason == "error" or (generation.cost == 0 and generation.finish_reason is None):
        return "It failed: nobody is charged for that."
    if generation.cost < due:
        return "No more is charged than was reserved for it."
    return "What was reserved for it was charged, as no believable count of tokens came."
