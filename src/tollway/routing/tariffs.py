"""Markets with prices of their own: multiplied for a group of workspaces, or fixed for each request of one model."""

from collections.abc import Sequence

from msgspec import structs

from tollway.billing.estimate import dearest
from tollway.domain.aliases import Alias
from tollway.domain.catalog import Price, Rates, Tariff, Tier
from tollway.domain.money import ATTO_PER_NANO, Attodollars, Nanodollars, price_from_text, price_to_text
from tollway.domain.storefronts import Group
from tollway.routing.market import Level, Market, Offer, Stall, stall_of

ONE: Attodollars = 10**18
"""A multiplier is kept as a price is: whole, with 18 digits."""


NOBODYS = Group("", "1")
"""Of workspaces without a group."""


class GroupMarkets:
    """One market for each group, made when it is first asked for after everybody's has changed; and another for those
    requests of it whose content is shared."""

    def __init__(self, groups: Sequence[Group], discount_ppm: int = 0) -> None:
        self._discount_ppm = discount_ppm
        """In millionths of the price."""
        self.swap(groups)

    def swap(self, groups: Sequence[Group]) -> None:
        """Other groups from now on; a request under way keeps the market that it was planned in."""
        self.groups = tuple(groups)
        self._of = {workspace: group for group in groups for workspace in group.workspaces}
        self._of_key = {key: group for group in groups for key in group.keys}
        self._made: dict[tuple[str, bool], tuple[Market, Market]] = {}

    def market(self, everybodys: Market, workspace_id: str, key_id: str = "", *, shared: bool = False) -> Market:
        """The market for a key of a workspace: everybody's, unless either is in a group, the key's before the
        workspace's, or the request's content is shared."""
        group = self._of_key.get(key_id) or self._of.get(workspace_id)
        if group is None and not shared:
            return everybodys
        group = group or NOBODYS
        made = self._made.get((group.name, shared))
        if made is None or made[0] is not everybodys:
            by = discounted(group, self._discount_ppm) if shared else group
            made = self._made[group.name, shared] = (everybodys, multiplied(everybodys, by))
        return made[1]


def discounted(group: Group, ppm: int) -> Group:
    """The group with prices that are lower by so many millionths, exactly: 6 digits of each make 12."""
    multiplier = price_from_text(group.multiplier) * (10**6 - ppm) // 10**6
    return structs.replace(group, multiplier=price_to_text(multiplier))


def multiplied(market: Market, group: Group) -> Market:
    """The same market, each of its prices multiplied; what a request costs, may cost and is capped by follows."""
    made: dict[str, Stall] = {}

    def priced(offer: Offer) -> Offer:
        stalls = []
        for stall in offer.stalls:
            if stall.endpoint.id not in made:
                price = multiplied_price(stall.price, group)
                made[stall.endpoint.id] = stall_of(structs.replace(stall.endpoint, price=price), price, stall.weight)
            stalls.append(made[stall.endpoint.id])
        return structs.replace(offer, stalls=tuple(stalls), live=tuple(stall.endpoint for stall in stalls))

    return structs.replace(
        market,
        offers={id_: priced(offer) for id_, offer in market.offers.items()},
        levels={name: structs.replace(level, offer=priced(level.offer)) for name, level in market.levels.items()},
    )


def multiplied_price(price: Price, group: Group) -> Price:
    """A group's price: exact, each rate rounded half to even to a whole attodollar; what costs something goes on to."""
    by = price_from_text(group.multiplier)
    return structs.replace(
        price,
        rates=_times(price.rates, by),
        tiers=tuple(Tier(tier.prompt_tokens_over, _times(tier.rates, by)) for tier in price.tiers),
        tariff=Tariff(price, group=group.name or None, multiplier=group.multiplier),
    )


def _times(rates: Rates, by: Attodollars) -> Rates:
    return Rates(**{name: rate and max(1, _rounded(rate * by)) for name, rate in structs.asdict(rates).items()})


def _rounded(product: int) -> Attodollars:
    whole, rest = divmod(product, ONE)
    return whole + (rest * 2 > ONE or (rest * 2 == ONE and whole & 1))


def sold_alone(market: Market, model: str, name: str, credits_: int, credit: Nanodollars) -> Market | None:
    """A market of one model under one name, each request at a fixed price; None: nobody can be asked for it.

    Balancing goes on by what providers take: that is what differs.
    """
    level = market.levels.get(model)
    offer = level.offer if level is not None else market.offer(model)
    if offer is None or not offer.stalls:
        return None
    stalls = tuple(_fixed(stall, credits_, credit) for stall in offer.stalls)
    shown = structs.replace(offer.model, id=name)
    offer = structs.replace(offer, model=shown, stalls=stalls, live=tuple(stall.endpoint for stall in stalls))
    ids = tuple(dict.fromkeys(stall.endpoint.model_id for stall in stalls))
    sold = Level(Alias(name, "platform", ids), offer)
    return structs.replace(market, offers={}, levels={name: sold})


def _fixed(stall: Stall, credits_: int, credit: Nanodollars) -> Stall:
    price = structs.replace(
        stall.price,
        rates=Rates(0, 0, request=credits_ * credit * ATTO_PER_NANO),
        tiers=(),
        declared_free=False,
        tariff=Tariff(stall.price, credits=credits_),
    )
    return structs.replace(
        stall, endpoint=structs.replace(stall.endpoint, price=price), price=price, dear=dearest(price)
    )
